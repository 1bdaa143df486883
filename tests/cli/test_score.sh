#!/usr/bin/env bash
# tempo score: tables, documents, CSV, several texts, windows, edits, what is refused.  Usage: test_score.sh PROGRAM.  Run from the
# source root.
tempo=${1:?usage: test_score.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh score score
text='The cat, "sat" on the mat'

# ---- the table ----
works -p "$text" --top 2
contains "$out" 'position   log prob'
contains "$out" '<|begin_of_text|>'
contains "$out" 'tokens scored: log probability -'
[ -z "$err" ] || fail "score says '$err'"
works -p "$text" --top 0
case $out in *'most probable'*) fail "--top 0 tells alternatives: $out" ;; esac

# ---- documents and tables agree, and say what the distribution of logits says ----
works -p "$text" --json --csv "$dir/one.csv"
cp "$dir/out" "$dir/one.json"
"$tempo" logits -p "$text" --all-positions --json --top 4096 >"$dir/logits.json"
if has_python; then
    python3 - "$dir" <<'END' || fail 'document, table and logits do not agree'
import csv, json, math, sys
d = sys.argv[1]
doc, logits = json.load(open(d + '/one.json')), json.load(open(d + '/logits.json'))
rows = list(csv.DictReader(open(d + '/one.csv', newline='')))
assert len(rows) == len(doc['tokens']) == len(logits['positions'])
assert rows[3]['text'] == ',' and any('"' in r['text'] for r in rows) and rows[0]['logprob'] == '' and rows[0]['prompt'] == ''
total = 0
for i, (r, t) in enumerate(zip(rows, doc['tokens'])):
    assert i == t['position'] == int(r['position']) and t['id'] == int(r['id']) and r['text'] == t['text']
    if i == 0:
        assert t['logprob'] is None and t['rank'] is None and t['top'] == []
        continue
    before = logits['positions'][i - 1]
    order = [x['id'] for x in before['top']]
    q = {x['id']: x['probability'] for x in before['top']}
    assert math.isclose(t['logprob'], math.log(q[t['id']]), abs_tol=1e-12) and t['entropy'] == before['entropy']
    assert t['rank'] == order.index(t['id']) + 1 and [x['id'] for x in t['top']] == order[:3] and t['context'] == i
    assert float(r['logprob']) == t['logprob'] and float(r['entropy']) == t['entropy'] and int(r['rank']) == t['rank']
    assert int(r['top1_id']) == order[0] and float(r['top3_logprob']) == t['top'][2]['logprob']
    total += t['logprob']
assert math.isclose(doc['logprob'], total) and doc['scored'] == len(rows) - 1
assert math.isclose(doc['perplexity'], math.exp(-total / doc['scored']))
END
fi

# ---- several texts: each as alone; ids, text or prompt, the name of the file does not matter ----
printf '%s\n' '{"id": "a,b", "text": "Once upon a time"}' '' '{"id": 7, "prompt": "The cat, \"sat\" on the mat"}' >"$dir/two"
works --prompts "$dir/two" --json --csv "$dir/two.csv"
check_json "
import json, math
one = json.load(open('$dir/one.json'))
a, b = d['prompts']
assert a['id'] == 'a,b' and b['id'] == 7 and b['tokens'] == one['tokens'] and b['perplexity'] == one['perplexity']
assert d['scored'] == a['scored'] + b['scored'] and math.isclose(d['logprob'], a['logprob'] + b['logprob'])"
grep -q '^"a,b",1,' "$dir/two.csv" || fail 'the table has no ids that are texts'
grep -q '^7,1,' "$dir/two.csv" || fail 'the table has no ids that are numbers'
cp "$dir/two" "$dir/two.jsonl"
works -f "$dir/two.jsonl" --threads 1
contains "$out" '== a,b =='
contains "$out" 'all texts: '

# ---- longer than the context ----
for _ in $(seq 80); do printf 'The cat sat on the mat. '; done >"$dir/long"
refuses 1 'with a stride it is scored in windows that overlap' -f "$dir/long"
works -f "$dir/long" --stride 100 --json
check_json "
assert d['window'] == 512 and d['stride'] == 100 and d['scored'] == len(d['tokens']) - 1 > 512
assert d['tokens'][511]['context'] == 511 and d['tokens'][512]['context'] == 412 and all(t['logprob'] < 0 for t in d['tokens'][1:])"
works -p "$text" --window 4 --json
check_json "assert d['stride'] == 2 and [t['context'] for t in d['tokens']][:6] == [0, 1, 2, 3, 2, 3]"

# ---- ids, edits ----
works --prompt-ids 4094,343,1141 --json
check_json "assert [t['id'] for t in d['tokens']] == [4094, 343, 1141] and d['scored'] == 2"
works -p "$text" --edit 'zero z layers=0' --edit 'zero mlp_out rows=token:4001' --json
contains "$err" 'zero mlp_out rows=token:4001'
check_json "
import json
assert [e['changed'] for e in d['edits']] == [True, False] and d['logprob'] != json.load(open('$dir/one.json'))['logprob']"

# ---- what is refused, before anything runs ----
printf '%s\n' '{"id": 1, "text": "fine"}' '{"id": 1, "text": "again"}' 'no' >"$dir/bad.jsonl"
refuses 1 'bad.jsonl:3: ' -f "$dir/bad.jsonl"
printf '%s\n' '{"text": "fine"}' "{\"id\": \"L\", \"text\": \"$(cat "$dir/long")\"}" >"$dir/long.jsonl"
refuses 1 'long.jsonl:2, id L: the text has ' -f "$dir/long.jsonl"
refuses 2 'give only one of -f and --prompts' -f "$dir/two.jsonl" --prompts "$dir/two"
refuses 2 'no prompt' --top 1
refuses 2 'stride is 512' -p "$text" --stride 512
refuses 2 '--top' -p "$text" --top 257
refuses 2 'window is 513' -p "$text" --window 513
refuses 1 'cannot create' -p "$text" --csv "$dir/none/x.csv"
[ ! -e "$dir/none" ] || fail 'a directory was made'

finish
