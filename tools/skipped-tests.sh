#!/usr/bin/env bash
# The names of the tests that ctest says it skipped, one a line.  Usage: tools/skipped-tests.sh LOG
awk '/^The following tests did not run:/ {on = 1; next} on && /\((Skipped|Disabled)\)/ {print $3}' "${1:?usage: tools/skipped-tests.sh LOG}"
