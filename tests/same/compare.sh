#!/usr/bin/env bash
# Two versions of the program give the same bytes: generate, experiment, study, analyze and the server's documents.  What may
# differ is taken out first: times, ids and dates of runs, the version, and paths.  Usage: tests/same/compare.sh OLD NEW [PART...]
# Each program is run where it lies: the built-in model is found from there.  Differences are printed; exit 1 if there are any.
# shellcheck disable=SC2034,SC2317 # parts and programs are named by variables
set -euo pipefail
old=$(realpath "${1:?usage: compare.sh OLD NEW [PART...]}") new=$(realpath "${2:?usage: compare.sh OLD NEW [PART...]}")
shift 2
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(generate capture prompts experiment study server)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
failed=0

# same NAME: what lies in $work/old and $work/new.
same() {
    if python3 "$here/compare.py" "$work/old" "$work/new"; then
        printf 'same: %s\n' "$1"
    else
        printf 'DIFFERENT: %s\n' "$1"
        failed=1
    fi
    rm -rf "$work/old" "$work/new"
}

# both NAME COMMAND...: run with `$tempo` in both; stdout to a file, exit codes too.
both() {
    local name=$1 version
    shift
    for version in old new; do
        mkdir -p "$work/$version"
        tempo=${!version}
        (cd "$work/$version" && rc=0 && { "$tempo" "$@" >"$name.out" 2>"$name.err" || rc=$?; } && echo "$rc" >"$name.rc")
    done
}

text='Once upon a time, there was a little'
part_generate() {
    both plain generate -p "$text" -n 24 --color never
    both pair generate -p "$text" -n 24 --paired --threshold 0.05 --color never
    both probs generate -p "$text" -n 8 --probs --mode causal --threshold 0.03 --color never
    both json generate -p "$text" -n 16 --json --threshold 0.02 --max-set 5
    both jsonl generate -p "$text" -n 16 --jsonl --paired --threshold 0.02
    both pairjson generate -p "$text" -n 16 --json --paired --threshold 0.02 --positions offset:2
    both layers generate -p "$text" -n 8 --json --mode visible --visible-layers 2-5 --threshold 0.03
    both unique generate -p "$text" -n 8 --json --mode visible --positions unique --readout geometric --context top
    both replay generate -p "$text" -n 8 --json --replay published
    both nocache generate -p "$text" -n 8 --jsonl --replay published-nocache --paired
    both kv generate -p "$text" -n 8 --json --kv f16 --temperature 0.7 --stop never --min-steps 4
    both context generate -p "$text" -n 900 --threshold 0.5 --jsonl --stop never
    both slots generate -p "$text" -n 50 --threshold 0.02 --json --stop never --max-slots 40
    both ids generate --prompt-ids 1,20,3 -n 8 --json
    both chat generate -p "Hi" -n 4 --chat --json
    both bad generate -p x --steps 0
    same generate
}
part_capture() {
    both one generate -p "$text" -n 6 --threshold 0.03 --max-slots 4096 --capture one --record attention,logits,positions,kv
    both pair generate -p "$text" -n 6 --threshold 0.03 --paired --max-slots 4096 --capture pair --closing-pass
    both tensors generate -p "$text" -n 6 --threshold 0.03 --max-slots 4096 --capture tensors --format safetensors --record attention:layers=2-4
    both limit generate -p "$text" -n 6 --capture limit --max-capture 1kB
    both analyze analyze one --json
    both between analyze pair/isolated pair/visible --json
    same capture
}
part_prompts() {
    local version
    for version in old new; do
        mkdir -p "$work/$version"
        for i in 1 2 3 4 5; do printf '{"id": "p%d", "prompt": "The cat %d sat on"}\n' "$i" "$i"; done >"$work/$version/p.jsonl"
    done
    both text generate -f p.jsonl -n 6 --paired --threshold 0.04 --color never
    both json generate -f p.jsonl -n 6 --json --threshold 0.04
    both jsonl generate -f p.jsonl -n 6 --jsonl --paired
    both capture generate -f p.jsonl -n 4 --paired --threshold 0.04 --max-slots 4096 --capture c
    same prompts
}
part_experiment() {
    both all experiment run all --pairs 0 --no-db --out out
    same experiment
}
part_study() {
    both study study run --max-prompts 3 --steps 5 --no-db --out out
    same study
}
part_server() {
    local version
    for version in old new; do
        mkdir -p "$work/$version"
        tempo=${!version}
        python3 "$here/ask.py" "$tempo" "$work/$version"
    done
    same server
}
for part in "${parts[@]}"; do "part_$part"; done
exit $failed
