#!/usr/bin/env bash
# tempo analyze: arguments, messages, exit codes, and the golden runs compared.  Usage: test_analyze.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_analyze.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh analyze analyze
golden=../shared/golden

# ---- usage ----
refuses 2 'needs one directory, or two files'
refuses 2 'needs one directory, or two files' a b c
refuses 2 'is no directory' "$dir/none"
refuses 2 'did you mean --json' "$dir" --jason
refuses 1 'no attention_weights, logits_distributions or taps (.npz or .safetensors) in it' "$dir"
refuses 1 "$dir/a.npz" "$dir/a.npz" "$dir/b.npz"
printf 'PK\3\4 and nothing' >"$dir/a.npz"
refuses 1 "$dir/a.npz" "$dir/a.npz" "$dir/a.npz"
"$tempo" analyze --help | grep -q 'A.npz B.npz' || fail 'help does not say how two files are given'

# ---- one capture in either format says the same; safetensors beside .npz can be compared ----
for format in npz safetensors; do
    "$tempo" generate -p 'The cat' --steps 4 --threshold 0.05 --paired --capture "$dir/$format" --format $format >"$dir/out" 2>&1 || fail "no capture as $format"
    works "$dir/$format" --json
    sed "s#$dir/$format#DIR#g; s#\\.$format#.FORMAT#g" <<<"$out" >"$dir/$format.json"
done
contains "$(cat "$dir/npz.json")" 'attention_weights.FORMAT'
cmp -s "$dir/npz.json" "$dir/safetensors.json" || fail 'a capture as safetensors says something else than as .npz'
works "$dir/npz/visible/attention_weights.npz" "$dir/safetensors/visible/attention_weights.safetensors"
contains "$out" 'Identical: every bit of the'

# ---- taps alone: of every arm, and of two compared ----
"$tempo" generate -p 'The cat' --steps 3 --threshold 0.05 --paired --capture "$dir/taps" --record resid_post:layers=2-3 --record-prompt >"$dir/out" 2>&1 || fail 'no taps'
works "$dir/taps"
contains "$out" 'resid_post of the prompt: 3 rows, 256 numbers each.'
contains "$out" "Taps: $dir/taps/isolated/taps.npz against $dir/taps/visible/taps.npz"
works "$dir/taps" --json
check_json "
for c in d['captures'] + d['comparisons']:
    assert c['kind'] == 'taps' and [t['of'] for t in c['taps']] == ['prompt', 'steps'], c
    assert all(t['layers'] == [2, 3] for t in c['taps']), c
assert d['comparisons'][0]['taps'][0]['layer_max'] == [0, 0], 'one prompt'
"

# ---- paths are text of any language ----
cp -r "$dir/npz" "$dir/café"
works "$dir/café" --json
contains "$out" 'café'
works "$dir/café/visible/logits_distributions.npz" "$dir/npz/visible/logits_distributions.npz"
contains "$out" 'Identical: every bit of the'

# ---- captures that were cut short: file, place, and what was to be there ----
for format in npz safetensors; do
    whole=$dir/$format/visible/logits_distributions.$format cut=$dir/cut.$format
    size=$(wc -c <"$whole")
    for n in 1 4 100 $((size / 2)) $((size - 1)); do
        head -c "$n" "$whole" >"$cut"
        refuses 1 "$cut: " "$cut" "$whole"
        contains "$err" '(at byte '
    done
done
head -c "$(($(wc -c <"$dir/npz/visible/logits_distributions.npz") - 1))" "$dir/npz/visible/logits_distributions.npz" >"$dir/cut.npz"
refuses 1 'no end of a zip archive in ' "$dir/cut.npz" "$dir/npz/visible/logits_distributions.npz"
refuses 1 "cut.safetensors: tensor \"" "$dir/cut.safetensors" "$dir/npz/visible/logits_distributions.npz"
contains "$err" 'past the end'

# ---- captures of two arms: where they differ is what the run itself says, and entropies are the run's ----
"$tempo" generate -p I --paired --threshold 0.05 --steps 6 --json --capture "$dir/paired" >"$dir/run.json" 2>/dev/null || fail 'no capture'
works "$dir/paired" --json
check_json "
run = json.load(open('$dir/run.json'))
for c in d['comparisons']:
    assert c['sets_differ_at'] == run['first_difference']['step'] == 3, c['sets_differ_at']
    assert c['order_differs_at'] == run['first_order_difference']['step'] == 2, c['order_differs_at']
    assert [s['same_context'] for s in c['steps'] if 'same_context' in s] == [True] * 3 + [False] * (len([s for s in c['steps'] if 'same_context' in s]) - 3)"
COLUMNS=300 works "$dir/paired"
contains "$out" 'The same members stand in another order at step 2'
contains "$out" 'Their sets differ from step 3 on'
"$tempo" generate -p 'The cat sat on the' --threshold 1 --steps 4 --json --capture "$dir/alone" >"$dir/run.json" 2>/dev/null || fail 'no capture'
works "$dir/alone" --json
check_json "
run = json.load(open('$dir/run.json'))
rows = next(c for c in d['captures'] if c['kind'] == 'logits')['steps']
assert [s['row'][0]['entropy'] for s in rows] == [s['entropy'] for s in run['steps']] and len(rows) == 4
assert [s['row'][0]['top'][0]['probability'] for s in rows] == [s['members'][0]['probability'] for s in run['steps']]"

# ---- golden runs ----
if [ -d "$golden" ]; then
    a=$golden/stories260K-0-mode-isolated.npz b=$golden/stories260K-0-mode-visible.npz
    COLUMNS=300 works "$a" "$b"
    contains "$out" 'isolated equals visible without its siblings'
    contains "$out" 'Their sets differ from step 2 on'
    contains "$out" 'Share on siblings'
    case $out in *$'\033'*) fail 'colours where there is no terminal' ;; esac
    works "$a" "$b" --color always
    contains "$out" $'\033[48;5;'
    COLUMNS=40 works "$a" "$b" # words are wrapped, tables are as wide as they are
    contains "$out" '  0, head 0, row 0, slot 0:'
    works "$b" "$a" --json
    check_json "
a, l = d['comparisons']
assert a['kind'] == 'attention' and l['kind'] == 'logits' and len(d['warnings']) == 1
assert a['first'].endswith('isolated.npz') and a['a1']['holds'] and a['steps_compared'] == 3
assert a['first_sum_error'] < 1e-6 and a['second_sum_error'] < 1e-6
assert a['difference']['layer_js'][0] < 1e-14 < 1e-4 < a['difference']['layer_js'][1]
assert 0 < a['siblings']['mass'] <= a['siblings']['share'] < 1
for s in l['steps']:
    for r in s.get('row', []):
        assert 0 <= r['tv'] <= 1 and r['js'] <= r['tv'] and r['kl'] >= 2 * r['tv'] ** 2 - 1e-12, r
assert [s['identical'] for s in l['steps'][:2]] == [True, False]"
    works "$a" "$b" --out "$dir/report.md"
    [ -z "$out" ] || fail '--out still prints'
    report=$(cat "$dir/report.md")
    contains "$report" '# Analysis of captures'
    contains "$report" '| layer | JS (nat) |'
    refuses 1 "$dir/none/report.md" "$a" "$b" --out "$dir/none/report.md"
    works "$golden/stories260K-1-mode-isolated_context-last_readout-last.npz" \
        "$golden/stories260K-1-mode-visible_context-last_readout-last.npz"
    contains "$out" 'Identical: every bit of the'
    refuses 1 'not one model' "$a" "$golden/tempo-tiny-f16-0-mode-isolated.npz"
    # as directories: the arms of a run, and one capture
    mkdir -p "$dir/run/isolated" "$dir/run/visible"
    cp "$a" "$dir/run/isolated/attention_weights.npz"
    cp "$b" "$dir/run/visible/attention_weights.npz"
    works "$dir/run" --json
    check_json "assert len(d['captures']) == 4 and len(d['comparisons']) == 2 and d['what'] == 'arms'"
    works "$dir/run/visible"
    contains "$out" 'Attention on siblings'
    contains "$out" 'entropy'
else
    echo "without $golden: golden runs are not compared"
fi

finish
