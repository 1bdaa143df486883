#!/usr/bin/env bash
# tempo trace siblings: tables, documents, arrays, pictures, several prompts, interruption, what is refused.  Usage:
# test_trace.sh PROGRAM.  Run from the source root.
tempo=${1:?usage: test_trace.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh trace trace
prompt='The cat sat on the'
sets=(siblings -p "$prompt" --threshold 0.05 --steps 4)
export COLUMNS=60

# ---- the tables ----
works "${sets[@]}" --answers ' the,#12'
contains "$out" 'all edges between siblings, set by set'
contains "$out" '·the: '
contains "$out" 'the next set changes at '
[ "$(grep -c '^ head' "$dir/out")" -eq 2 ] || fail "eight heads in sixty columns are not two tables: $out"
[ -z "$err" ] || fail "trace says '$err'"
export COLUMNS=100

# ---- the document: what all edges cut give is mode isolated, and what none are is the run ----
works "${sets[@]}" --json --answers ' the,#12' --csv "$dir/t.csv" --npz "$dir/t.npz" --svg "$dir/t.svg" --curves "$dir/c.svg"
cp "$dir/out" "$dir/trace.json"
check_json "
from math import isclose
assert d['decoding']['mode'] == 'visible' and not d['interrupted'] and len(d['prompts']) == 1
p = d['prompts'][0]
assert [s['step'] for s in p['sets']] == [0, 1, 2, 3], [s['step'] for s in p['sets']]
for s in p['sets']:
    e = s['effects']
    assert e['sets'] == 1 and len(s['strangers']) == len(s['members']) and e['kept'] == [1, 2, 4, 8, 16, 32]
    ids = {m['id'] for m in s['members']}
    assert not ids & {t['id'] for t in s['strangers']}
    for side in ('cut', 'exchanged', 'strangers'):
        for measure in ('tv', 'kl', 'set_changes'):
            k = e[side][measure]
            assert k['all'] == k['below'][7] == k['above'][0] and k['layers'][0] == k['below'][0] and k['layers'][7] == k['above'][7]
            assert len(k['heads']) == 8 and all(len(h) == 8 for h in k['heads']) and len(k['keep']) == 6
    tv = e['cut']['tv']
    strong = s['strongest']
    by = [tv['heads'][l][h] for l, h in strong]
    assert by == sorted(by, reverse=True) and len(strong) == 64
    assert 0 < tv['all'] <= 1 and len(s['answers']) == 2
m, n = d['means'], len(p['sets'])
assert m == p['means'] and isclose(m['cut']['tv']['all'], sum(s['effects']['cut']['tv']['all'] for s in p['sets']) / n)
assert isclose(m['contrast']['tv']['keep'][2], m['cut']['tv']['keep'][2] - m['strangers']['tv']['keep'][2], abs_tol=1e-12)"
works "${sets[@]}" --json --answers ' the,#12' --threads 1 --max-memory 3MB
cmp -s "$dir/out" "$dir/trace.json" || fail "one thread and little memory: other numbers"
if has_python; then
    "$tempo" generate -p "$prompt" --threshold 0.05 --steps 4 --mode visible --json >"$dir/run.json"
    python3 - "$dir" <<'EOF' || fail "files and documents do not agree"
import csv, json, sys, zipfile, xml.dom.minidom
d = sys.argv[1]
doc, run = json.load(open(d + '/trace.json')), json.load(open(d + '/run.json'))
sets = doc['prompts'][0]['sets']
for s, r in zip(sets, run['steps'] if 'steps' in run else run['sets']):
    assert [(m['id'], m['probability']) for m in s['members']] == [(m['id'], m['probability']) for m in r['members']]
# the answer's probability without a change is the run's own
rows = list(csv.DictReader(open(d + '/t.csv', newline='')))
assert len(rows) == len(sets) * (1 + 64 + 3 * 8 + 6)
for r in rows:
    e = sets[int(r['step'])]['effects']
    k = e['cut']['tv'][r['kind']]
    if r['kind'] == 'heads':
        k = k[int(r['layer'])][int(r['head'])]
    elif r['kind'] == 'keep':
        k = k[e['kept'].index(int(r['kept']))]
    elif r['kind'] != 'all':
        k = k[int(r['layer'])]
    assert k == float(r['cut_tv']), r
names = {n[:-4] for n in zipfile.ZipFile(d + '/t.npz').namelist()}
assert {'prompts', 'steps', 'members', 'cell_kinds', 'cut_tv', 'exchanged_kl', 'strangers_set_changes', 'answers_cut', 'metadata'} <= names, names
for f in ('t.svg', 'c.svg'):
    xml.dom.minidom.parse(d + '/' + f)
EOF
fi

# ---- layers, causal, without strangers ----
works "${sets[@]}" --layers 2-3 --json --no-exchange --mode causal
check_json "
assert d['decoding']['mode'] == 'causal' and d['means']['first_layer'] == 2 and d['means']['n_layers'] == 2
assert d['means']['exchanged'] is None and d['prompts'][0]['sets'][0]['strangers'] is None and d['means']['exchanged_sets'] == 0"
works "${sets[@]}" --visible-layers 1-2 --json
check_json "assert d['means']['first_layer'] == 1 and d['means']['n_layers'] == 2"

# ---- several prompts: strangers are of another prompt ----
printf '%s\n' '{"id": "a", "prompt": "The cat sat on the"}' '{"id": "b", "prompt": "Once upon a time"}' >"$dir/p.jsonl"
works siblings -f "$dir/p.jsonl" --threshold 0.05 --steps 3 --json
check_json "
a, b = d['prompts']
assert a['id'] == 'a' and d['means']['sets'] == len(a['sets']) + len(b['sets'])
for p, q in ((a, b), (b, a)):
    there = {m['id'] for s in q['sets'] for m in s['members']}
    assert all(t['id'] in there for s in p['sets'] for t in s['strangers'] or [])"
works siblings -f "$dir/p.jsonl" --threshold 0.05 --steps 3
contains "$out" '== a =='

# ---- Ctrl-C keeps the sets that were traced ----
"$tempo" trace siblings -p "$prompt" --threshold 0.02 --steps 300 --json --max-memory 100kB >"$dir/out" 2>"$dir/err" &
pid=$!
sleep 1.5
kill -INT $pid
wait $pid
rc=$?
[ $rc -eq 130 ] || fail "interrupted: exit code $rc ($(cat "$dir/err"))"
[ ! -s "$dir/out" ] || check_json "assert d['interrupted'] and d['means']['sets'] == len(d['prompts'][0]['sets']) > 0"

# ---- what is refused ----
refuses 2 'expected tempo trace siblings' -p "$prompt"
refuses 2 "'cousins'" cousins -p "$prompt"
refuses 2 'no edges between siblings' siblings -p "$prompt" --mode isolated
refuses 2 '--replay' siblings -p "$prompt" --replay published
refuses 2 '--layers' siblings -p "$prompt" --layers 3
refuses 2 'rows see siblings in layers 0 to 7' siblings -p "$prompt" --layers 3-8
refuses 2 '--max-memory' siblings -p "$prompt" --max-memory much
refuses 2 '--answers' siblings -p "$prompt" --answers nosuchtoken
refuses 1 'nothing has siblings' siblings -p "$prompt" --threshold 1 --steps 2
refuses 1 '/nowhere' "${sets[@]}" --no-exchange --npz /nowhere/t.npz --json

finish
