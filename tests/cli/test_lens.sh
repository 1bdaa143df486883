#!/usr/bin/env bash
# tempo lens and tempo mean: tables, documents, arrays, pictures, captures, what is refused.  Usage: test_lens.sh PROGRAM.  Run
# from the source root.
tempo=${1:?usage: test_lens.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh lens
prompt='The cat sat on the'
export COLUMNS=100

# ---- one row: a line a layer, no wider than the terminal ----
works lens -p "$prompt" --tokens ' the,#12'
contains "$out" 'layer  entropy       KL  ·the'
[ "$(grep -c '^ *\(input\|[0-7]\) ' "$dir/out")" -eq 9 ] || fail "not nine points: $out"
[ "$(wc -L <"$dir/out")" -le 100 ] || fail "wider than the terminal"
[ -z "$err" ] || fail "lens says '$err'"
works lens -p "$prompt" --row 1-3,-1
contains "$out" 'the most probable token after each layer'
[ "$(wc -L <"$dir/out")" -le 100 ] || fail "a grid wider than the terminal"
COLUMNS=30 works lens -p "$prompt" --row all
[ "$(grep -c '^input' "$dir/out")" -eq 3 ] || fail "six rows in thirty columns are not three grids: $out"
works lens -p "$prompt" --attribute ' the, of' --heads -k 3
contains "$out" 'logit of ·the minus that of ·of: '
contains "$out" 'the 3 heads with the largest shares'

# ---- the document: the last point is what logits says, shares add up ----
works logits -p "$prompt" --json --all-positions
cp "$dir/out" "$dir/logits.json"
works lens -p "$prompt" --json --row all --tokens ' the, of' --attribute ' the, of' --heads -k 10
cp "$dir/out" "$dir/lens.json"
check_json "
w = json.load(open('$dir/logits.json'))['positions']
assert d['prompt_ids'] == [r['id'] for r in d['rows']] and len(d['points']) == 9 and [t['text'] for t in d['tokens']] == [' the', ' of']
assert d['points'][0] == 'blocks.0.hook_resid_pre' and d['points'][8] == 'blocks.7.hook_resid_post'
for r, p in zip(d['rows'], w):
    last = r['points'][-1]
    assert last['entropy'] == p['entropy'] and last['kl'] == 0 and all(q['kl'] > 0 for q in r['points'][:-1])
    assert [(t['id'], t['probability']) for t in last['top']] == [(t['id'], t['probability']) for t in p['top']]
    a = r['attribution']
    assert abs(a['logit'] - (last['tokens'][0]['logit'] - last['tokens'][1]['logit'])) == 0
    assert abs(a['embed'] + sum(a['attn_out']) + sum(a['mlp_out']) + a['constant'] + a['rest'] - a['logit']) < 1e-12
    assert abs(sum(map(sum, a['heads'])) + sum(a['attn_bias']) + a['heads_rest'] - sum(a['attn_out'])) < 1e-12
    assert abs(a['rest']) <= a['bound'] < 0.01 and abs(a['heads_rest']) <= a['heads_bound'] < 0.05"
works lens --prompt-ids 343,1141 --json
check_json "assert len(d['rows']) == 1 and d['rows'][0]['slot'] == 1 and 'attribution' not in d['rows'][0] and 'minus' not in d"

# ---- threads, and rows that go together, change nothing ----
works lens -p "$prompt" --json --row all --tokens ' the, of' --attribute ' the, of' --heads -k 10 --threads 1
cmp -s "$dir/out" "$dir/lens.json" || fail "one thread: other numbers"

# ---- a capture: the same numbers as of the text; rows of sets ----
works generate -p "$prompt" --steps 4 --threshold 0.05 --mode visible --capture "$dir/c" --record-prompt \
    --record resid_pre:layers=0,resid_post,attn_out,mlp_out,z
works lens "$dir/c" --row 0-5 --json --tokens ' the, of' --attribute ' the, of' --heads -k 10
check_json "
w = json.load(open('$dir/lens.json'))
assert [r['points'] for r in d['rows']] == [r['points'] for r in w['rows']], 'points'
assert [r['attribution'] for r in d['rows']] == [r['attribution'] for r in w['rows']], 'shares'
assert [r['id'] for r in d['rows']] == w['prompt_ids'] and [r['step'] for r in d['rows']] == [None] * 5 + [0] and 'prompt' not in d"
cp "$dir/c/results.json" "$dir/results.json"
works lens "$dir/c" --row all --json -k 64
check_json "
w = json.load(open('$dir/results.json'))
members = {m['slot']: m['id'] for s in w['steps'] for m in s['members']}
rows = {r['slot']: r for r in d['rows']}
assert any(r['step'] == 2 for r in d['rows']) and all(members[i] == r['id'] for i, r in rows.items() if i > 5)
first = {t['id']: t['probability'] for t in rows[5]['points'][-1]['top']}
assert all(first[m['id']] == m['probability'] for m in w['steps'][0]['members'])"
works generate -p "$prompt" --steps 2 --paired --capture "$dir/arms" --format safetensors --record resid_post:layers=3-7
works lens "$dir/arms/visible" --json
check_json "assert [p for p in d['points']] == ['blocks.%d.hook_resid_post' % l for l in range(3, 8)]"
refuses 1 'holds the captures of several arms: give one of them, such as' lens "$dir/arms"
refuses 1 'lacks what this needs: capture it with --record resid_pre:layers=0,attn_out,mlp_out,z as well' \
    lens "$dir/arms/visible" --attribute ' the' --heads
mkdir "$dir/empty"
refuses 1 'has no taps.npz or taps.safetensors: it is no capture with --record resid_post' lens "$dir/empty"
sed -i 's/"sha256": "./"sha256": "x/' "$dir/c/manifest.json"
refuses 1 'was captured with a model whose SHA-256 is' lens "$dir/c"

# ---- edits of a prompt ----
works lens -p "$prompt" --json --attribute ' the' --heads --edit 'zero blocks.3.attn.hook_z heads=2' --row 2,-1
check_json "
assert d['edits'] == ['zero blocks.3.attn.hook_z heads=2']
for r in d['rows']:
    a = r['attribution']
    assert a['heads'][3][2] == 0 and a['heads'][3][1] != 0 and abs(a['rest']) <= a['bound'] and abs(a['heads_rest']) <= a['heads_bound']"
works lens -p "$prompt" --json --attribute ' the' --edit 'scale 3 blocks.3.hook_resid_post'
check_json "a = d['rows'][0]['attribution']; assert abs(a['rest']) > 10 * a['bound']" # it belongs to no part
works lens -p "$prompt" --row 0 --edit 'scale 1 embed rows=prompt:5'
contains "$err" 'it changed no number'
works lens -p "$prompt" --row 0 --edit 'zero embed rows=prompt:5'
[ -z "$err" ] || fail "a row that is not looked at is edited, too: $err"
refuses 2 'the prompt has tokens 0 to 5' lens -p "$prompt" --edit 'zero embed rows=prompt:9'
refuses 2 '--edit goes with a prompt' lens "$dir/c" --edit 'zero embed'

# ---- arrays and the picture ----
works lens -p "$prompt" --row 1-3 --tokens ' the' --attribute ' the' --heads --npz "$dir/l.npz" --svg "$dir/l.svg" --json
if has_python; then
    python3 - "$dir/l.npz" "$dir/l.svg" "$dir/out" <<'PY' || fail 'arrays or picture'
import json, sys, xml.dom.minidom, zipfile
names = {n[:-4] for n in zipfile.ZipFile(sys.argv[1]).namelist()}
assert names == {'slots', 'steps', 'row_ids', 'layers', 'token_ids', 'entropy', 'kl', 'top_ids', 'top_probabilities', 'token_probabilities',
                 'token_ranks', 'token_logits', 'logit', 'scale', 'constant', 'embed', 'attn_out', 'mlp_out', 'rest', 'bound', 'heads', 'attn_bias',
                 'heads_rest', 'heads_bound', 'metadata'}, names
svg = xml.dom.minidom.parse(sys.argv[2])
cells = [r for r in svg.getElementsByTagName('rect') if r.getElementsByTagName('title')]
assert len(cells) == 9 * 3
texts = ''.join(t.firstChild.data for t in svg.getElementsByTagName('text') if t.firstChild)
assert 'layer' in texts and 'row: slot and token' in texts and 'Logit lens, tempo-tiny' in texts and 'probability' in texts
try:
    import numpy as np
except ImportError:
    sys.exit(0)
z, d = np.load(sys.argv[1]), json.load(open(sys.argv[3]))
assert z['slots'].tolist() == [1, 2, 3] and z['layers'].tolist() == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
assert z['kl'].tolist() == [[p['kl'] for p in r['points']] for r in d['rows']]
assert z['top_ids'].shape == (3, 9, 10) and z['heads'].tolist() == [r['attribution']['heads'] for r in d['rows']]
assert json.loads(str(z['metadata']))['kind'] == 'lens'
PY
fi
works lens -p '<&"' --svg "$dir/e.svg"
if has_python; then
    python3 -c "import xml.dom.minidom; xml.dom.minidom.parse('$dir/e.svg')" || fail 'a picture that is no XML'
fi
refuses 1 'cannot' lens -p x --svg "$dir/none/l.svg"
refuses 1 'cannot' lens -p x --npz "$dir/none/l.npz"
[ ! -e "$dir/none" ] || fail 'a directory was made'

# ---- what is refused ----
refuses 2 'no prompt: give one with' lens
refuses 2 'lens looks at a prompt or at a capture, not at both' lens "$dir/c" -p x
refuses 2 "is no token of the model, but 2" lens -p x --tokens ' theof'
refuses 2 'the model has tokens 0 to 4095' lens -p x --tokens '#4096'
refuses 2 'an empty token' lens -p x --tokens ' the,'
refuses 2 '3 tokens; expected one, or two' lens -p x --attribute '#1,#2,#3'
refuses 2 '--heads goes with --attribute' lens -p x --heads
refuses 2 "'first' is no list of slots" lens -p x --row first
refuses 2 '3-1' lens -p x --row 3-1
refuses 2 'there are 2 rows, of slots 0 to 1' lens -p x --row 7
refuses 2 'there are 2 rows, of slots 0 to 1' lens -p x --row -3
refuses 2 "'0' is not a whole number from 1 to 256" lens -p x -k 0

# ---- means ----
printf '{"id": "a", "prompt": "The cat"}\n{"id": "b", "prompt": "A dog ran"}\n' >"$dir/p.jsonl"
works mean --prompts "$dir/p.jsonl" --tap resid_post:layers=2-3 --tap z,embed -o "$dir/m.npz"
contains "$err" 'means of 7 rows of 2 prompts in'
works mean -f "$dir/p.jsonl" --tap logits --rows last -o "$dir/m.safetensors"
contains "$err" 'means of 2 rows of 2 prompts in'
works generate -f "$dir/p.jsonl" --steps 1 --capture "$dir/mc" --record-prompt --record resid_post:layers=2-3,z,embed
if python3 -c 'import numpy' 2>/dev/null; then
    python3 - "$dir" <<'PY' || fail 'means'
import json, sys, numpy as np
d = sys.argv[1]
m = np.load(d + '/m.npz')
about = json.loads(str(m['metadata']))
assert about['model']['n_heads'] == 8 and len(about['model']['sha256']) == 64 and about['rows'] == 7 and about['row'] == 'all' and about['prompts'] == 2 and {k: v.get('layers') for k, v in about['taps'].items()} == {'resid_post': [2, 3], 'z': list(range(8)), 'embed': None}
for name, shape, rows in (('resid_post', (2, 256), 1), ('z', (8, 8, 32), 1), ('embed', (256,), 0)):
    all_rows = np.concatenate([np.load(f'{d}/mc/{i}/taps.npz')['prompt_' + name].astype(float) for i in 'ab'], axis=rows)
    want = all_rows.mean(axis=rows).astype(np.float32)
    assert m[name].shape == shape and m[name].dtype == np.float32 and np.abs(m[name] - want).max() <= 1e-6 * np.abs(want).max(), name
PY
fi
# the edit reads it: the mean of one row is that row's own values, which change nothing
works mean --prompt-ids 343 --tap embed,resid_post:layers=3 -o "$dir/one.npz"
works logits --prompt-ids 343
cp "$dir/out" "$dir/plain"
for edit in 'mean embed' 'mean resid_post layers=3'; do
    works logits --prompt-ids 343 --edit "$edit from=$dir/one.npz"
    cmp -s "$dir/out" "$dir/plain" || fail "$edit of the row's own values changes something"
done
works logits --prompt-ids 1141 --edit "mean embed from=$dir/one.npz"
cmp -s "$dir/out" "$dir/plain" || fail 'another row with these values is not that one'
expect 2 'no means of layer 2' logits --prompt-ids 343 --edit "mean resid_post layers=2 from=$dir/one.npz"

refuses 2 'mean needs --tap LIST' mean -p x -o "$dir/x.npz"
refuses 2 'mean needs -o FILE' mean -p x --tap z
refuses 2 'a name that ends in .npz or .safetensors' mean -p x --tap z -o "$dir/x.bin"
refuses 2 'attention, positions and kv have no mean' mean -p x --tap attention -o "$dir/x.npz"
refuses 2 "--tap: 'nothing' is not a list of what can be recorded" mean -p x --tap nothing -o "$dir/x.npz"
refuses 2 'attn_scores has a number for each slot that a row sees' mean -p x --tap attn_scores -o "$dir/x.npz"
refuses 2 'a mean is of all heads' mean -p x --tap z:heads=1 -o "$dir/x.npz"
refuses 2 'the model has layers 0 to 7' mean -p x --tap z:layers=8 -o "$dir/x.npz"
refuses 2 'no prompt: give one with' mean --tap z -o "$dir/x.npz"
refuses 2 'more than one prompt' mean --prompts "$dir/p.jsonl" -p x --tap z -o "$dir/x.npz"
[ ! -e "$dir/x.npz" ] || fail 'a mean was written'
finish
