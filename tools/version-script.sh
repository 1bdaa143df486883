#!/bin/sh
# Write the linker's version script: exactly the functions of the header, everything else local.
# Usage: tools/version-script.sh include/tempo.h OUT
set -eu
names=$("$(dirname "$0")/api-names.sh" "$1" | sed 's/.*/        &;/')
printf 'TEMPO_0.1 {\n    global:\n%s\n    local:\n        *;\n};\n' "$names" >"$2"
