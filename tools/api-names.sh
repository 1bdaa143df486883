#!/bin/sh
# Print the names of the functions that a header declares with TEMPO_API, sorted.
# This list decides what the libraries export.  Usage: tools/api-names.sh include/tempo.h
set -eu
sed -n 's/^TEMPO_API [^(]*[ *]\(tempo_[a-z0-9_]*\)(.*/\1/p' "$1" | LC_ALL=C sort
