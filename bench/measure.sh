#!/usr/bin/env bash
# The table of docs/performance.md: decoding with a synthetic model in several element types.
#   bench/measure.sh PROGRAM DIR [SHAPE [TYPE...]]      models are made in DIR where they are missing
# TEMPO_BENCH holds more options for tempo bench, e.g. TEMPO_BENCH='--cpu avx2 --rows 1,4'.
set -euo pipefail
tempo=${1:?usage: bench/measure.sh PROGRAM DIR [SHAPE [TYPE...]]} dir=${2:?usage: bench/measure.sh PROGRAM DIR [SHAPE [TYPE...]]}
shape=${3:-llama-3.2-3b}
shift $(($# < 3 ? $# : 3))
[ $# -gt 0 ] || set -- BF16 F16 Q8_0 Q6_K Q5_K Q4_K_M Q4_0
read -ra more <<<"${TEMPO_BENCH:-}"

printf '%s; %s; %s CPUs\n' "$(date +%F)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(nproc)"
for type; do
    file=$dir/$shape-$type.gguf
    [ -e "$file" ] || "$tempo" synth --shape "$shape" --type "$type" -o "$file"
    cat "$file" >/dev/null # into the file cache, if there is room
    printf '\n'
    "$tempo" bench -m "$file" "${more[@]}"
done
