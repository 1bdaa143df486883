#!/usr/bin/env bash
# Run every benchmark that was built.  Usage: tools/bench.sh BUILD_DIR
set -euo pipefail
shopt -s nullglob
programs=("${1:?usage: tools/bench.sh BUILD_DIR}"/bench_*)
[ ${#programs[@]} -gt 0 ] || { echo 'bench: there are no benchmarks yet'; exit 0; }
for program in "${programs[@]}"; do
    printf '== %s\n' "${program##*/}"
    "$program"
done
