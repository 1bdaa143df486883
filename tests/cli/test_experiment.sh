#!/usr/bin/env bash
# tempo experiment as its users meet it.  Usage: test_experiment.sh PROGRAM; run from the source root.
tempo=${1:?usage: test_experiment.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh experiment experiment
needs_command experiment

# ---- all five, and what they leave
run run all --out "$dir/all" --pairs 2
[ $rc -eq 0 ] || fail "run all: exit code $rc ($err)"
for text in exp1_attention exp5_high '(isolated = visible, bit for bit)' 'part at step' EXPERIMENT_RESULTS.md; do
    contains "$out" "$text"
done
document=$(cat "$dir/all/EXPERIMENT_RESULTS.md")
for text in '# TEMPO Experiment Results' '## Key Findings Summary' '### Experiment 3' '## Statistical Summary' \
    '### Performance Metrics' '### Token Generation Statistics' '## Hypotheses' 'Hypothes' '## Conclusion' 'another model' \
    '(3 runs, 2 prompts; exp1_attention, exp2_logits, exp4_positions are one run' '## Next Steps' '**Key Insight**' '**Tensors**' \
    'The same run as exp1_attention, which records something else: isolated identical, visible identical, replay identical'; do
    contains "$document" "$text"
done
for file in exp1_attention/isolated/attention_weights.npz exp1_attention/replay/parallel_sets.json exp2_logits/visible/logits_distributions.npz \
    exp3_cross_parallel/visible/cross_parallel_scores.json exp4_positions/isolated/kv_cache.npz exp4_positions/isolated/rope_positions.json \
    exp5_high_parallelism/visible/experiment_metadata.json exp1_attention/manifest.json exp1_attention/results.jsonl results.json \
    EXPERIMENT_RESULTS-attention.svg EXPERIMENT_RESULTS-tv.svg EXPERIMENT_RESULTS-sets.svg; do
    [ -s "$dir/all/$file" ] || fail "no $file"
done
check_document "$dir/all/results.json" "assert d['counts'] == {'experiments': 5, 'runs': 3, 'prompts': 2}, d['counts']"
[ -z "$(find "$dir/all" -name '*.tmp*')" ] || fail 'temporary files are left'
[ "$("$tempo" runs | grep -c experiment)" -eq 5 ] || fail 'the database has not five experiments'

# ---- the published figures beside these; the same files again; JSON
run check "$dir/all"
contains "$out" "published figures are another model's"
contains "$out" 'measured  replay'
run run exp2 --out "$dir/all" --pairs 0 --json --no-db
[ $rc -eq 0 ] || fail "a second run: $err"
if python3 -c '' 2>/dev/null; then
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); assert d["experiments"][0]["experiment"] == "exp2_logits"' \
        "$dir/out" || fail 'the JSON is not what it should be'
fi
document=$(cat "$dir/all/EXPERIMENT_RESULTS.md")
contains "$document" 'No times were taken'
case $document in *nan*) fail 'a number that does not exist is printed' ;; esac
contains "$(cat "$dir/all/exp2_logits/analysis.json")" '"kl_isolated_visible"'
printf 'kept' >"$dir/all/exp2_logits/mine.txt"
expect 2 'mine.txt' run exp1 exp2 --out "$dir/all" --pairs 0 --no-db
for file in mine.txt results.json; do
    [ -s "$dir/all/exp2_logits/$file" ] || fail "a refused run has removed $file"
done
contains "$(cat "$dir/all/exp2_logits/manifest.json")" '"--pairs"'

# ---- what the original project's readers do with such files: load without pickle, compare, look at logits
if /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    /usr/bin/python3 - "$dir/all" <<'EOF' || fail 'numpy does not read the captures'
import json, os, sys
import numpy as np
root = sys.argv[1]
def load(path, arrays):
    with open(os.path.join(path, "experiment_metadata.json")) as f: metadata = json.load(f)
    with open(os.path.join(path, "results.json")) as f: results = json.load(f)
    with open(os.path.join(path, "parallel_sets.json")) as f: sets = json.load(f)
    return metadata, results, sets, np.load(os.path.join(path, arrays), allow_pickle=False)
a = load(root + "/exp1_attention/isolated", "attention_weights.npz")
b = load(root + "/exp1_attention/visible", "attention_weights.npz")
assert a[0]["config"]["allow_intraset_token_visibility"] is False and b[0]["config"]["allow_intraset_token_visibility"] is True
assert a[0]["config"]["description"] and a[1]["generation_time"] > 0 and a[1]["raw_generated_text"]
json.loads(str(a[3]["metadata"]))
for s in a[2]["parallel_sets"]:
    assert s["count"] == len(s["tokens"]) == len(s["positions"])
for d in (a, b):
    for i in range(d[0]["num_steps"]):
        w = d[3][f"step_{i}_attention"]
        assert w.ndim == 5 and w.shape[1] == 1 and w.dtype == np.float32
        assert abs(w.sum(axis=-1) - 1).max() < 1e-5
        assert int(d[3][f"step_{i}_logical"]) == i and len(d[3][f"step_{i}_positions"]) >= 1
first = next(i for i in range(99) if a[3][f"step_{i}_attention"].shape[3] > 1)
x, y = a[3][f"step_{first}_attention"], b[3][f"step_{first}_attention"]
assert x.shape == y.shape and abs(x - y).max() > 1e-3
m = x.shape[3]
off = ~np.eye(m, dtype=bool)
assert (x[..., -m:][..., off] == 0).all() and (y[..., -m:][..., off] > 0).all()
p = load(root + "/exp5_high_parallelism/isolated", "logits_distributions.npz")
for i in range(p[0]["num_steps"]):
    assert p[3][f"step_{i}_logits"].ndim == 2 and p[3][f"step_{i}_logits"].shape[0] == len(p[3][f"step_{i}_query_slots"])
EOF
else
    echo 'not checked: captures with numpy (there is none)'
fi

# ---- where files go: the file's output_dir, --out before it; flat: in the directory itself, again and again
printf 'prompt: The cat\nsteps: 3\npairs: 0\noutput_dir: %s/wish/\nexperiment_name: one\n' "$dir" >"$dir/one.yaml"
works run "$dir/one.yaml" --no-db
contains "$out" "$dir/wish/EXPERIMENT_RESULTS.md"
for file in wish/one/isolated/results.json wish/one/results.json wish/results.json wish/EXPERIMENT_RESULTS.md; do
    [ -s "$dir/$file" ] || fail "no $file by output_dir"
done
works run "$dir/one.yaml" --out "$dir/other" --no-db
contains "$err" 'output_dir: --out says otherwise'
[ -s "$dir/other/one/results.json" ] || fail '--out is not heeded'
printf 'layout: flat\nrecord: [attention]\n' >>"$dir/one.yaml"
for _ in 1 2; do
    works run "$dir/one.yaml" --out "$dir/flat"
    for file in attention_weights.npz experiment_metadata.json parallel_sets.json results.json results.jsonl manifest.json EXPERIMENT_RESULTS.md; do
        [ -s "$dir/flat/$file" ] || fail "flat: no $file"
    done
    [ -z "$(find "$dir/flat" -mindepth 1 -type d -o -name '.*')" ] || fail 'flat: a directory is left'
done
check_document "$dir/flat/results.json" "
assert d['experiment'] == d['experiment_name'] == 'one' and list(d['arms']) == ['isolated'] and d['raw_generated_text'] == d['arms']['isolated']['text']
assert [f['path'] for f in d['files']] == [f['path'] for f in json.load(open('$dir/flat/manifest.json'))['files'] if f['path'] != 'results.json'] if 'files' in d else True"
works check "$dir/flat"
contains "$out" 'measured  isolated'
works run "$dir/one.yaml" --layout directories --out "$dir/nested" --no-db
[ -s "$dir/nested/one/isolated/attention_weights.npz" ] || fail '--layout directories is not heeded'
printf 'mine' >"$dir/flat/notes.txt"
expect 2 'notes.txt' run "$dir/one.yaml" --out "$dir/flat" --no-db
expect 2 'both would be written to' run "$dir/one.yaml" "$dir/one.yaml" --out "$dir/twice" --no-db
expect 2 'a directory of its own' run "$dir/one.yaml" --out . --no-db

# ---- taps, of all rows of the prompt too: in every arm, twice, and looked at
printf 'prompt: The cat\nsteps: 2\npairs: 0\nrun_both_modes: true\nrecord: ["resid_post:layers=1-2"]\nrecord_prompt: true\n' >"$dir/taps.yaml"
for _ in 1 2; do
    works run "$dir/taps.yaml" --out "$dir/taps" --no-db
done
"$tempo" analyze "$dir/taps/taps" --json >"$dir/taps.json" || fail 'no taps to look at'
check_document "$dir/taps.json" "
assert [c['kind'] for c in d['captures']] == ['taps', 'taps'] and d['comparisons'][0]['kind'] == 'taps', d
assert all([(t['of'], t['rows'] > 1, t['layers']) for t in c['taps']][0] == ('prompt', True, [1, 2]) for c in d['captures']), d"

# ---- prompts of a file, with ids
printf '{"id": "cat", "prompt": "The cat"}\n{"id": 7, "prompt": "Once upon a time"}\n' >"$dir/p.jsonl"
printf 'experiment_name: many\nprompts_file: p.jsonl\nsteps: 3\nrun_both_modes: true\npairs: 0\n' >"$dir/many.yaml"
works run "$dir/many.yaml" --out "$dir/many"
check_document "$dir/many/many/results.json" "
assert [c['id'] for c in d['cases']] == ['cat', 7] and [c['folder'] for c in d['cases']] == ['cat-t0.1', '7-t0.1']
assert {json.loads(l)['id'] for l in open('$dir/many/many/results.jsonl')} == {'cat', 7}
assert json.load(open('$dir/many/many/7-t0.1/visible/results.json'))['id'] == 7
assert json.load(open('$dir/many/many/7-t0.1/visible/experiment_metadata.json'))['config']['prompt_id'] == 7
assert [c['id'] for c in json.load(open('$dir/many/many/analysis.json'))['cases']] == ['cat', 7]"
works run "$dir/one.yaml" --layout directories --prompts "$dir/p.jsonl" --out "$dir/others" --no-db
[ -s "$dir/others/one/cat-t0.1/isolated/results.json" ] || fail '--prompts is not heeded'
expect 2 'room for one prompt' run "$dir/one.yaml" --prompts "$dir/p.jsonl" --out "$dir/others" --no-db
printf '{"id": 1}\n' >"$dir/p.jsonl"
expect 1 'many.yaml:2:15: prompts_file' run "$dir/many.yaml" --out "$dir/many" --no-db
contains "$err" 'p.jsonl:1: neither "prompt" nor "text" is there'

# ---- the original project's files, laid out as its scripts look for them
original=$PWD/../shared/design/original-experiments
if [ -d "$original" ]; then
    program=$(realpath "$tempo") here=$PWD
    mkdir "$dir/original"
    cd "$dir/original" || exit 1
    "$program" experiment run "$original"/exp1*.yaml "$original"/exp3*.yaml "$original"/exp4*.yaml --layout flat --pairs 2 --no-db >/dev/null 2>"$dir/err" ||
        fail "the original's files: $(cat "$dir/err")"
    "$program" experiment run "$original"/exp2*.yaml "$original"/exp5*.yaml --layout flat --out experiments/output --pairs 2 --no-db >/dev/null 2>"$dir/err" ||
        fail "the original's files: $(cat "$dir/err")"
    cd "$here" || exit 1
    python3 tests/cli/check_flat.py "$dir/original"
    rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 77 ] || fail "check_flat.py: exit code $rc"
else
    echo 'not checked: the files of the original project (they are not here)'
fi

# ---- errors: all of all files, and those who ask for what is not built
printf 'prompt: x\nsteps: abc\nmodle: m\n' >"$dir/bad.yaml"
printf 'promt: x\nuse_mcts: true\ndynamic_threshold: true\n' >"$dir/worse.yaml"
expect 1 'bad.yaml:2:8: steps' run "$dir/bad.yaml" "$dir/worse.yaml" "$dir/nothing.yaml" --out "$dir/no"
for text in 'bad.yaml:3:1: unknown key' 'worse.yaml:1:1: unknown key' 'a tree search (use_mcts)' 'nothing.yaml: no such file' ' errors: nothing was run'; do
    contains "$err" "$text"
done
[ ! -e "$dir/no" ] || fail 'files with errors were run'
expect 2 'run or check'
expect 2 'needs a file' run
expect 1 'nothing.yaml' run "$dir/nothing.yaml"
printf 'prompt: x\nsteps: 3\nmax_tokens: 4\n' >"$dir/twice.yaml"
expect 1 'twice.yaml:' run "$dir/twice.yaml" --out "$dir/no"
printf 'promt: x\n' >"$dir/typo.yaml"
expect 1 "prompt" run "$dir/typo.yaml" --out "$dir/no"
printf 'prompt: x\nuse_retroactive_removal: true\n' >"$dir/removal.yaml"
expect 1 'use_retroactive_removal' run "$dir/removal.yaml" --out "$dir/no"
expect 1 'results.json' check "$dir/nowhere"

# ---- Ctrl-C
timeout -s INT 0.3 "$tempo" experiment run all --pairs 1000 --out "$dir/stopped" --no-db >/dev/null 2>"$dir/err"
rc=$?
[ $rc -eq 130 ] || [ $rc -eq 124 ] || fail "interrupted: exit code $rc"
[ -z "$(find "$dir/stopped" -name '*.tmp*' -o -name '.*.partial' 2>/dev/null)" ] || fail 'an interrupted run leaves temporary files'

finish
