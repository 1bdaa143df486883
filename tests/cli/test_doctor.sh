#!/usr/bin/env bash
# The identities hold in models of every architecture, of float and quantised weights, on every path of this machine.
#
#   test_doctor.sh TEMPO ARCH_FILES      TEMPO_DOCTOR_ALL=1 in the environment: all of them, else a few
set -euo pipefail
tempo=$1 files=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

all=()
[ -z "${TEMPO_DOCTOR_ALL:-}" ] || all=(all)
"$files" "$dir" "${all[@]}" | sort -u > "$dir/list"
for gguf in ../shared/models/arch-gguf/*.gguf; do
    if [ -e "$gguf" ] && [ ${#all[@]} -gt 0 ]; then printf '%s\n' "$gguf" >> "$dir/list"; fi
done

paths=()
for cpu in scalar avx2 avx2-vnni avx512 avx512-vnni amx neon neon-dotprod neon-i8mm; do
    ! "$tempo" doctor --cpu $cpu > "$dir/out" 2>&1 || paths+=("$cpu")
done
n=0 bad=0
while read -r model; do
    for cpu in "${paths[@]}"; do
        # Without `all` each model is checked on one of the paths.
        [ ${#all[@]} -gt 0 ] || [ "$cpu" = "${paths[$((n % ${#paths[@]}))]}" ] || continue
        if ! "$tempo" doctor -m "$model" --cpu "$cpu" > "$dir/out" 2>&1; then
            printf 'doctor: %s on %s:\n' "$model" "$cpu"
            cat "$dir/out"
            bad=$((bad + 1))
        fi
    done
    n=$((n + 1))
done < "$dir/list"
printf 'doctor: %d models, paths: %s; %d failures\n' "$n" "${paths[*]}" "$bad"
# What the identities mean where attention is another one is said.
says() {
    local model=../shared/models/arch/$1
    [ -d "$model" ] || return 0
    "$tempo" doctor -m "$model" | grep -q "$2" || { printf 'doctor: nothing of "%s" for %s\n' "$2" "$1"; bad=$((bad + 1)); }
}
says mistral-window 'Windows: layers that have one see positions above their own less 8;'
says gpt2 'Learned positions: the members of a set share a row'
says bloom 'ALiBi: distances are those of positions'
says gpt-oss 'Attention sinks: the weights of a row sum to less than 1'
[ "$n" -ge 5 ] && [ "$bad" -eq 0 ]
