#!/usr/bin/env bash
# generate with arms out of files, regimes, given sets and sampling.  Usage: test_arms.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_arms.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh arms generate -t 0.05 -n 6 --color never
prompt=(-p 'The cat sat on the')

cat >"$dir/arms.json" <<'END'
[{"name": "isolated"}, {"name": "visible", "mode": "visible"}, {"name": "far", "positions": "offset:3", "steps": 4}]
END

# ---- text ----
works "${prompt[@]}" --arms "$dir/arms.json"
contains "$out" '   0  all       ['
contains "$out" 'far, the first member of each set:'
contains "$out" 'The sets first differ at step '
contains "$err" 'far: 4 steps, '
works "${prompt[@]}" --paired
cp "$dir/out" "$dir/paired"
printf '[{}, {"mode": "visible"}]' >"$dir/two.json" # named after their modes
works "${prompt[@]}" --arms "$dir/two.json"
cmp -s "$dir/out" "$dir/paired" || fail 'two arms of a file are not those of --paired'

# ---- documents ----
works "${prompt[@]}" --arms "$dir/arms.json" --json
cp "$dir/out" "$dir/all.json"
check_json "
assert list(d['arms']) == ['isolated', 'visible', 'far'] and [len(a['steps']) for a in d['arms'].values()] == [6, 6, 4]
assert d['config']['mode'] is None and d['config']['arms']['far']['positions'] == 'offset:3' and d['config']['arms']['visible']['steps'] == 6
assert set(d['first_difference']) == {'step', 'isolated', 'visible', 'far'}"
for arm in 'isolated -n 6' 'visible --mode visible' 'far --positions offset:3 -n 4'; do
    # shellcheck disable=SC2086 # options after the name
    works "${prompt[@]}" --json ${arm#* }
    check_json "assert d['steps'] == json.load(open('$dir/all.json'))['arms']['${arm%% *}']['steps']"
done
works "${prompt[@]}" --arms "$dir/arms.json" --jsonl
[ "$(grep -c '"arm":"far"' "$dir/out")" -eq 4 ] || fail '--jsonl has not four lines of the arm of four steps'

# ---- lockstep ----
works "${prompt[@]}" --arms "$dir/arms.json" --regime lockstep --driver visible --json
check_json "
arms = d['arms']; ids = lambda a: [[m['id'] for m in s['members']] for s in arms[a]['steps']]
assert ids('isolated') == ids('visible') and ids('far') == ids('visible')[:4]
assert ids('visible') == [[m['id'] for m in s['members']] for s in json.load(open('$dir/all.json'))['arms']['visible']['steps']]
assert d['config']['regime'] == 'lockstep' and d['config']['driver'] == 'visible' and d['first_difference']['far'] is None"
works "${prompt[@]}" --arms "$dir/arms.json" --regime lockstep --json
check_json "assert d['config']['driver'] == 'isolated'"
works "${prompt[@]}" --arms "$dir/arms.json" --regime lockstep --driver far --json
check_json "assert [(len(a['steps']), a['stopped_by']) for a in d['arms'].values()] == 3 * [(4, 'steps')]"

# ---- given sets ----
works "${prompt[@]}" --json -n 3
cp "$dir/out" "$dir/given.json"
works "${prompt[@]}" --given "$dir/given.json" --mode visible --json
check_json "
g = json.load(open('$dir/given.json')); ids = lambda d: [[m['id'] for m in s['members']] for s in d['steps']]
assert ids(d)[:3] == ids(g) and len(ids(d)) == 6 and d['config']['given'] == 3"
printf '[[{"id": 7, "probability": 0.5}, {"id": 9, "probability": 0.25}]]' >"$dir/list.json"
works "${prompt[@]}" --given "$dir/list.json" --paired --json
check_json "assert all([m['id'] for m in a['steps'][0]['members']] == [7, 9] for a in d['arms'].values())"

# ---- sampling ----
works "${prompt[@]}" --sample --seed 3 --json
cp "$dir/out" "$dir/sampled.json"
check_json "assert all(len(s['members']) == 1 for s in d['steps']) and d['config']['sampling'] == {'temperature': 1.0, 'top_p': 1.0, 'min_p': 0.0, 'seed': 3}"
works "${prompt[@]}" --sample --seed 3 --json
check_json "assert d['steps'] == json.load(open('$dir/sampled.json'))['steps']"
works "${prompt[@]}" --sample --seed 4 --json
check_json "assert d['steps'] != json.load(open('$dir/sampled.json'))['steps']"
works "${prompt[@]}" --threshold 1 --json
cp "$dir/out" "$dir/greedy.json"
works "${prompt[@]}" --sample --min-p 1 --json
check_json "assert d['text'] == json.load(open('$dir/greedy.json'))['text']"

# ---- several prompts, captured ----
printf '{"id": "a", "prompt": "The cat"}\n{"id": "b", "prompt": "The dog ran"}\n' >"$dir/p.jsonl"
works -f "$dir/p.jsonl" --arms "$dir/arms.json" --regime lockstep --given "$dir/list.json" --capture "$dir/captured" --json
check_json "
a = d['prompts'][1]['arms']; r = json.load(open('$dir/captured/b/far/results.json'))
assert r['steps'] == a['far']['steps'] and r['config']['arm'] == 'far' and r['config']['positions'] == 'offset:3'
assert json.load(open('$dir/captured/b/manifest.json'))['config']['arms']['far']['steps'] == 4
lines = [json.loads(x) for x in open('$dir/captured/a/results.jsonl')]
assert [(x['arm'], x['step']) for x in lines] == [(n, i) for i in range(6) for n in ('isolated', 'visible', 'far') if i < 4 or n != 'far']
assert [x['stopped_by'] for x in lines if x['arm'] == 'far'] == [None, None, None, 'steps']"

# ---- what is refused ----
printf '[{"name": "a", "threshold": 2}]' >"$dir/bad.json"
refuses 1 "bad.json: arm 0, 'a': threshold: expected a number above 0 and at most 1" "${prompt[@]}" --arms "$dir/bad.json"
printf '[{"name": "a"' >"$dir/bad.json"
refuses 1 'bad.json: ' "${prompt[@]}" --arms "$dir/bad.json"
refuses 1 'none.json: no such file' "${prompt[@]}" --arms "$dir/none.json"
refuses 2 'give only one of them' "${prompt[@]}" --arms "$dir/arms.json" --paired
refuses 2 '--regime lockstep needs several arms' "${prompt[@]}" --regime lockstep
refuses 2 '--driver needs --regime lockstep' "${prompt[@]}" --paired --driver visible
refuses 2 "--driver: there is no arm 'q'" "${prompt[@]}" --paired --regime lockstep --driver q
printf '[{"replay": "published"}]' >"$dir/replays.json"
refuses 2 'all arms replay' "${prompt[@]}" --arms "$dir/replays.json" --regime lockstep
refuses 2 'need --sample' "${prompt[@]}" --top-p 0.5
refuses 2 'need --sample' "${prompt[@]}" --seed 1
refuses 1 'all.json: the document of several arms' "${prompt[@]}" --given "$dir/all.json"
printf '[[{"id": 99999, "probability": 1}]]' >"$dir/bad.json"
refuses 1 'bad.json: set 0, member 0: "id" is 99999, expected 0 to ' "${prompt[@]}" --given "$dir/bad.json"
refuses 2 '3 sets are given, but steps is 2' "${prompt[@]}" --given "$dir/given.json" -n 2
works "${prompt[@]}" --json
cp "$dir/out" "$dir/six.json"
refuses 2 "p.jsonl:1, id a: arm 'far': 6 sets are given, but steps is 4" -f "$dir/p.jsonl" --arms "$dir/arms.json" --given "$dir/six.json"

printf '[{"name": "cold", "temperature": 0.5}, {"name": "b"}]' >"$dir/cold.json"
refuses 2 "cold.json: arm 'cold': with --sample all arms draw at --temperature" "${prompt[@]}" --arms "$dir/cold.json" --sample
printf '[{"name": "results.json"}, {"name": "b"}]' >"$dir/ours.json"
refuses 2 "ours.json: arm 'results.json' is called as a file of the capture" "${prompt[@]}" --arms "$dir/ours.json" --capture "$dir/c"
printf '[[{"id": 3, "probability": 0.5}, {"id": 3, "probability": 0.4}]]' >"$dir/twice.json"
refuses 2 'given set 0, member 1: id 3 is there twice' "${prompt[@]}" --given "$dir/twice.json"

# ---- what holds is what documents say ----
works "${prompt[@]}" --sample --seed 3 --json
check_json "assert d['config']['threshold'] == 1 and d['config']['max_set'] == 1 and d['config']['sampling']['seed'] == 3"
printf '[{"name": "all"}, {"name": "one", "steps": 1}]' >"$dir/lengths.json"
works "${prompt[@]}" --arms "$dir/lengths.json"
contains "$out" 'The distributions are the same, to the last bit, at every step that all took.'
contains "$out" 'The sets first differ at step 1.'
! grep -q 'No difference' "$dir/out" || fail 'arms of different lengths do not differ'

# ---- YAML, in a program with studies ----
if "$tempo" study --help >/dev/null 2>&1; then
    printf -- '- name: isolated\n- name: visible\n  mode: visible\n- name: far\n  positions: offset:3\n  steps: 4\n' >"$dir/arms.yaml"
    works "${prompt[@]}" --arms "$dir/arms.yaml" --json
    check_json "assert d['arms'] == json.load(open('$dir/all.json'))['arms']"
    printf -- '- name: a\n  name: b\n' >"$dir/bad.yaml"
    refuses 1 "bad.yaml:2:3: duplicate key 'name'" "${prompt[@]}" --arms "$dir/bad.yaml"
    printf -- '- name: a\n  treshold: 0.1\n' >"$dir/bad.yml"
    refuses 1 "bad.yml: arm 0, 'a': 'treshold' is no option of decoding" "${prompt[@]}" --arms "$dir/bad.yml"
fi
finish
