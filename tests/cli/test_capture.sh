#!/usr/bin/env bash
# generate --capture: files, their readers, refusals, interruptions.  Usage: test_capture.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_capture.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh capture
here=$(dirname "$0")
prompt='The cat sat on the'

# capture ARGS...: exit code 0, standard output to $dir/out, standard error to $dir/err
capture() {
    "$tempo" generate -p "$prompt" -t 0.05 -n 6 "$@" >"$dir/out" 2>"$dir/err" </dev/null || fail "generate $*: exit code $? ($(cat "$dir/err"))"
}

# refuse CODE TEXT ARGS...: that exit code, TEXT in the message, and no directory
refuse() {
    local code=$1 text=$2 rc
    shift 2
    "$tempo" generate -p "$prompt" -t 0.05 -n 6 "$@" >"$dir/out" 2>"$dir/err" </dev/null
    rc=$?
    [ $rc -eq "$code" ] || fail "generate $*: exit code $rc, expected $code ($(cat "$dir/err"))"
    grep -qF -- "$text" "$dir/err" || fail "generate $*: message '$(cat "$dir/err")' has no '$text'"
    [ ! -e "$dir/refused" ] || fail "generate $*: left $(ls -R "$dir/refused")"
}

names() { (cd "$1" && find . -type f | LC_ALL=C sort | tr '\n' ' '); }
is() { [ "$1" = "$2" ] || fail "'$1', expected '$2'"; }

# ---- what is written ----
capture --capture "$dir/one"
grep -q '^captured [0-9.]* kB in ' "$dir/err" || fail "no figure in: $(cat "$dir/err")"
is "$(names "$dir/one")" './attention_weights.npz ./experiment_metadata.json ./logits_distributions.npz ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl ./rope_positions.json '
capture --capture "$dir/all/below/x/" --record attention,logits,positions,kv --closing-pass
is "$(names "$dir/all/below/x")" './attention_weights.npz ./experiment_metadata.json ./kv_cache.npz ./logits_distributions.npz ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl ./rope_positions.json '
capture --capture "$dir/pair" --paired
is "$(names "$dir/pair" | wc -w)" 15
capture --capture "$dir/st" --format safetensors --record kv,attention
is "$(names "$dir/st")" './attention_weights.safetensors ./experiment_metadata.json ./kv_cache.safetensors ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl '
capture --capture "$dir/visible" --mode visible --closing-pass
capture --capture "$dir/replay" --replay published --closing-pass

# ---- its readers ----
python=/usr/bin/python3
[ -x $python ] || python=python3
if command -v $python >/dev/null; then
    for list in "$dir/one" "$dir/all/below/x" "$dir/visible $dir/one" "$dir/pair/isolated $dir/pair/visible"; do
        # shellcheck disable=SC2086 # a list of directories
        "$python" "$here/check_capture.py" $list
        rc=$?
        [ $rc -eq 0 ] || [ $rc -eq 77 ] || fail "check_capture.py $list: exit code $rc"
    done
else
    echo 'skipped: no Python here to read the files'
fi

# ---- it changes nothing ----
for arguments in '' '--mode visible' '--paired' '--mode causal --kv f16'; do
    # shellcheck disable=SC2086 # a list of words
    capture --jsonl $arguments
    cp "$dir/out" "$dir/plain"
    rm -rf "$dir/with"
    # shellcheck disable=SC2086
    capture --jsonl $arguments --capture "$dir/with" --closing-pass --record attention,logits,positions,kv
    cmp -s "$dir/out" "$dir/plain" || fail "with a capture, $arguments: the output differs"
    cmp -s "$dir/out" "$dir/with/results.jsonl" || fail "$arguments: results.jsonl is not what --jsonl prints"
done
# twice the same bytes
capture --capture "$dir/again"
for name in attention_weights.npz logits_distributions.npz rope_positions.json parallel_sets.json results.jsonl; do
    cmp -s "$dir/one/$name" "$dir/again/$name" || fail "two runs differ in $name"
done

# ---- refusals ----
refuse 1 'is not empty' --capture "$dir/one"
refuse 1 '--max-capture allows 10.0 kB' --capture "$dir/refused" --max-capture 10kB
grep -q 'the capture would take about [0-9.]* [kM]B, ' "$dir/err" || fail "no figures in: $(cat "$dir/err")"
grep -q 'Once\|\[' "$dir/out" && fail 'it decoded before it refused'
refuse 2 'within 0-7' --capture "$dir/refused" --record attention:layers=7-8
refuse 2 'within 0-' --capture "$dir/refused" --record attention:heads=99
refuse 1 'cannot make the directory' --capture /dev/null/x
refuse 2 'need --capture' --record kv
refuse 2 'need --capture' --format npz
refuse 2 'need --capture' --max-capture 1GB
refuse 2 'need --capture' --closing-pass
for list in '' ',' 'attention,' none attention,attention attention: attention:layers attention:layers=2-1 attention:layers=1-x \
    logits:layers=1-2 layers=1-2 attention:layers=-1 attention:heads=0-3,positions,heads=1; do
    refuse 2 'is not a list of what can be recorded' --capture "$dir/refused" --record "$list"
done
for size in '' x 1XB -1 0x10 1e3 .5GB 1GBx 0.1 99999999999999TB; do
    refuse 2 'is not a size' --capture "$dir/refused" --max-capture "$size"
done
capture --capture "$dir/narrow" --record attention:layers=2-3,heads=1,positions --max-capture 0
is "$(names "$dir/narrow")" './attention_weights.npz ./experiment_metadata.json ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl ./rope_positions.json '
[ "$(wc -c <"$dir/narrow/attention_weights.npz")" -lt "$(wc -c <"$dir/one/attention_weights.npz")" ] || fail 'narrowing narrows nothing'

# taps, lists that add up, the prompt's rows
capture --capture "$dir/taps" --record resid_post:layers=4-7 --record z:heads=0,3,kv --record 'blocks.1.hook_resid_post' --record-prompt
is "$(names "$dir/taps")" './experiment_metadata.json ./kv_cache.npz ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl ./taps.npz '
grep -qaF 'step_1_z.npy' "$dir/taps/taps.npz" || fail 'no step_1_z in taps.npz'
refuse 2 'resid_post: layers 8-12: the model has layers 0 to 7' --capture "$dir/refused" --record resid_post:layers=8-12
refuse 2 'k: heads 4: the model has key/value heads 0 to 3' --capture "$dir/refused" --record k:heads=4
refuse 2 '(llama) has no experts' --capture "$dir/refused" --record expert_weights
refuse 2 'there are embed, pos_embed, resid_pre' --capture "$dir/refused" --record residuals
refuse 2 "'kv' is there twice" --capture "$dir/refused" --record kv --record kv
refuse 2 'need --capture' --record-prompt
refuse 2 'nothing is recorded' --capture "$dir/refused" --record kv --record-prompt
refuse 1 '--max-capture allows 1.0 MB' --capture "$dir/refused" --record result --record-prompt --max-capture 1MB

# more than was expected, while it runs; a disk that is full at the end
"$tempo" generate -p "$prompt" -t 0.0001 -n 8 --capture "$dir/refused" --max-capture 2.5MB >"$dir/out" 2>"$dir/err" </dev/null
rc=$?
[ $rc -eq 1 ] || fail "over the limit: exit code $rc ($(cat "$dir/err"))"
grep -q 'the capture would \(reach\|take about\) [0-9.]* MB, --max-capture allows 2.5 MB' "$dir/err" || fail "over the limit: $(cat "$dir/err")"
[ ! -e "$dir/refused" ] || fail 'over the limit: something is left'

# ---- Ctrl-C: complete steps, complete files ----
"$tempo" generate -p "$prompt" -t 0.05 -n 100000 --stop never --capture "$dir/stopped" --jsonl >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
for _ in $(seq 100); do
    [ "$(wc -l <"$dir/out")" -ge 3 ] && break
    sleep 0.05
done
kill -INT $pid
wait $pid
rc=$?
if [ $rc -eq 130 ]; then
    is "$(names "$dir/stopped")" './attention_weights.npz ./experiment_metadata.json ./logits_distributions.npz ./manifest.json ./parallel_sets.json ./results.json ./results.jsonl ./rope_positions.json '
    grep -q '"status": "interrupted"' "$dir/stopped/manifest.json" || fail 'the manifest does not say that it was interrupted'
    # a line that was printed was captured; the last may have been cut from the output, not from the file
    cmp -s "$dir/out" "$dir/stopped/results.jsonl" || fail 'Ctrl-C: results.jsonl is not what was printed'
    grep -q "\"num_steps\": $(wc -l <"$dir/out")," "$dir/stopped/experiment_metadata.json" || fail 'Ctrl-C: another number of steps'
elif [ $rc -eq 0 ]; then
    echo 'skipped: the run ended before it was interrupted' # its context was full
else
    fail "Ctrl-C: exit code $rc ($(cat "$dir/err"))"
fi
find "$dir" -name '*.tmp.*' | grep -q . && fail "temporary files: $(find "$dir" -name '*.tmp.*')"

finish
