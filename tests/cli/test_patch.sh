#!/usr/bin/env bash
# tempo patch: tables, documents, arrays, pictures, grids that are cut and go on, arms, paths, what is refused.  Usage: test_patch.sh
# PROGRAM.  Run from the source root.
tempo=${1:?usage: test_patch.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh patch
pair=(--clean 'The cat sat on the' --corrupt 'The fire sat on the' --answers ' the, of')

# ---- a table ----
works patch "${pair[@]}" --taps resid_pre --layers 2,5-7
contains "$out" 'logit_diff: clean '
contains "$out" 'resid_pre, denoise'
contains "$out" '·cat/·fire'
[ "$(grep -c '^ *layer [2567] ' "$dir/out")" -eq 4 ] || fail "not four layers: $out"
contains "$err" '24 cells, at most'
works patch "${pair[@]}" --taps z --direction both
[ "$(grep -c '^ *layer [0-7] ' "$dir/out")" -eq 16 ] || fail "not eight layers twice: $out"
contains "$out" 'z, noise'

# ---- the document: cells are what logits says of such an edit; the ends are those of the prompts ----
works patch "${pair[@]}" --json --taps attn_out,z:heads=1,3:layers=4 --each head-position --direction both
cp "$dir/out" "$dir/patch.json"
check_json "
assert [(g['tap'], g['direction']) for g in d['grids']] == [(t, w) for w in ('denoise', 'noise') for t in ('attn_out', 'z')]
assert d['missing'] == 0 and not d['interrupted'] and len(d['position_names']) == 6
g = d['grids'][1]
assert g['layers'] == [4] and g['heads'] == [1, 3] and g['positions'] == list(range(6)) and d['grids'][0]['heads'] is None
assert len(g['values']) == 1 and len(g['values'][0]) == 2 and len(g['values'][0][1]) == 6
for g in d['grids']:
    assert len(g['values'][0]) == (2 if g['heads'] else 6)
    flat = lambda x: [z for y in x for z in flat(y)] if isinstance(x, list) else [x]
    for v, n in zip(flat(g['values']), flat(g['normalised'])):
        assert abs((v - d['corrupt']) / (d['clean'] - d['corrupt']) - n) < 1e-9
    assert len(set(flat(g['values']))) > 3
assert d['grids'][1]['values'][0][0][0] == d['corrupt'] and d['grids'][3]['values'][0][0][1] == d['clean']"
works generate -p 'The cat sat on the' --steps 1 --capture "$dir/clean" --record z --record-prompt
works logits -p 'The fire sat on the' --edit "patch z from=$dir/clean layers=4 heads=3 rows=prompt:5" --json --top 100000
check_json "
p = json.load(open('$dir/patch.json'))
logit = {t['text']: t['logit'] for t in d['top'] if 'text' in t}
assert p['grids'][1]['values'][0][1][5] == logit[' the'] - logit[' of']"

# ---- threads and memory change nothing ----
works patch "${pair[@]}" --json --taps attn_out,z:heads=1,3:layers=4 --each head-position --direction both --threads 1 --max-memory 5MB
cmp -s "$dir/out" "$dir/patch.json" || fail "one thread and little memory: other numbers"

# ---- files ----
works patch "${pair[@]}" --taps mlp_out,pattern --npz "$dir/g.npz" --csv "$dir/g.csv" --svg "$dir/g.svg" --metric kl_clean
[ "$(wc -l <"$dir/g.csv")" -eq $((1 + 8 * 6 + 8 * 8)) ] || fail "g.csv has $(wc -l <"$dir/g.csv") lines"
grep -q '^mlp_out,denoise,3,,2,"·cat/·fire",[0-9.e-]*,[0-9.e-]*' "$dir/g.csv" || fail "g.csv has no such cell"
for picture in g-mlp_out.denoise g-pattern.denoise; do
    grep -q '^<svg' "$dir/$picture.svg" || fail "$picture.svg is no picture"
done
[ ! -e "$dir/g.svg" ] || fail "g.svg is there, too"
works patch "${pair[@]}" --taps z --svg "$dir/one.svg"
[ -s "$dir/one.svg" ] || fail "one.svg is not there"

# ---- a grid that was cut goes on: what is there stays, what is missing comes ----
cat >"$dir/cut.py" <<'END'
# cut.py IN OUT: of mlp_out.denoise the first 13 cells are missing, and the last one is 42
import struct, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as a, zipfile.ZipFile(sys.argv[2], 'w') as b:
    for name in a.namelist():
        data = a.read(name)
        if name == 'mlp_out.denoise.npy':
            head = 10 + struct.unpack('<H', data[8:10])[0]
            values = list(struct.unpack(f'<{(len(data) - head) // 8}d', data[head:]))
            values[:13] = [float('nan')] * 13
            values[-1] = 42.0
            data = data[:head] + struct.pack(f'<{len(values)}d', *values)
        b.writestr(name, data)
END
if has_python; then
    python3 "$dir/cut.py" "$dir/g.npz" "$dir/cut.npz" || fail "cut.py"
    works patch "${pair[@]}" --taps mlp_out,pattern --metric kl_clean --json
    cp "$dir/out" "$dir/whole.json"
    works patch "${pair[@]}" --taps mlp_out,pattern --metric kl_clean --json --resume "$dir/cut.npz" --threads 1
    check_json "
w = json.load(open('$dir/whole.json'))
a, b = [[v for row in x['grids'][0]['values'] for v in row] for x in (w, d)]
assert a[:-1] == b[:-1] and b[-1] == 42 and w['grids'][1] == d['grids'][1] and d['missing'] == 0"
    works patch "${pair[@]}" --taps mlp_out,pattern --metric kl_clean --json --resume "$dir/cut.npz" # it was written again
    check_json "assert d['grids'][0]['values'][-1][-1] == 42 and d['unchanged'] == 0"
fi
refuses 1 'its metric is not what this command line says' patch "${pair[@]}" --taps mlp_out,pattern --resume "$dir/g.npz"
refuses 1 'its taps is not' patch "${pair[@]}" --taps mlp_out --metric kl_clean --resume "$dir/g.npz"
refuses 1 'its corrupt_ids is not' patch "${pair[@]}" --corrupt 'The and sat on the' --taps mlp_out,pattern --metric kl_clean --resume "$dir/g.npz"
refuses 1 "$dir/none.npz" patch "${pair[@]}" --resume "$dir/none.npz"

# ---- Ctrl-C keeps what is there ----
long=$(printf ' the%.0s' {1..150})
"$tempo" patch --clean "The cat$long" --corrupt "The fire$long" --metric prob --answers ' the' --taps z --each head-position \
    --npz "$dir/long.npz" --max-memory 30MB >"$dir/out" 2>"$dir/err" &
pid=$!
until grep -q 'cells, at most' "$dir/err" || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -INT $pid
wait $pid
rc=$?
[ $rc -eq 130 ] || fail "interrupted: exit code $rc ($(cat "$dir/err"))"
grep -q 'of 9792 cells are missing' "$dir/err" || fail "interrupted: it says $(cat "$dir/err")"

# ---- arms: sets are positions ----
works patch --arms isolated,visible -p 'The cat sat on the' --threshold 0.05 --steps 3 --metric tv_clean --taps resid_pre --json
check_json "
assert d['setup']['decoding']['arms'] == ['isolated', 'visible'] and len(d['position_names']) == 9 and d['clean'] == 0 < d['corrupt']
assert any('/' in n for n in d['position_names'][6:])
g = d['grids'][0]['values']
assert all(row[:6] == [d['corrupt']] * 6 for row in g) and any(v != d['corrupt'] for row in g for v in row)"
works patch --arms isolated,visible -p 'The cat sat on the' --threshold 0.05 --steps 3 --metric tv_clean --taps z --at 7-8
contains "$out" 'tv_clean: isolated 0, visible'

arms=(-p 'The cat sat on the' --threshold 0.05 --steps 3 --metric prob --answers ' the' --taps z --layers 7 --json)
works patch --arms isolated,visible "${arms[@]}"
cp "$dir/out" "$dir/visible.json"
works patch --arms isolated,causal "${arms[@]}"
check_json "
v = json.load(open('$dir/visible.json'))
assert d['clean'] == v['clean'] and d['corrupt'] != v['corrupt'] != v['clean'] != d['corrupt']"

# ---- paths ----
works patch "${pair[@]}" --senders z:layers=0-5 --receivers q:layers=6:heads=2,v:layers=6:heads=2 --json
check_json "
g = d['grids'][0]
assert g['layers'] == [0, 1, 2, 3, 4, 5] and len(g['heads']) == 8 and len({v for row in g['values'] for v in row}) > 10
assert d['setup']['receivers'][0]['tap'] == 'q' and d['setup']['receivers'][0]['layers'] == [6]"

# ---- what is refused ----
refuses 2 'takes --clean TEXT and --corrupt TEXT, or --arms A,B and a prompt' patch
refuses 2 'takes --clean TEXT' patch --clean a -p b
refuses 2 'takes --clean TEXT' patch --arms isolated,visible
refuses 2 'expected two modes' patch --arms isolated -p a
refuses 2 'leave --mode out' patch --arms isolated,visible --mode causal -p a
refuses 2 'corrupt, 3 tokens: ' patch --clean 'The cat sat' --corrupt 'The cat' --answers ' a, of'
refuses 2 'metric logit_diff takes 2 answers' patch "${pair[@]}" --answers ' the'
refuses 2 'is no token of the model' patch "${pair[@]}" --answers 'no such token'
refuses 2 'layers 0 to 7' patch "${pair[@]}" --taps z:layers=9
refuses 2 'nothing reads it: patch z' patch "${pair[@]}" --taps result
refuses 2 "--at: '6': expected positions from 0 to 5" patch "${pair[@]}" --at 6
refuses 2 'path patching takes --senders and --receivers' patch "${pair[@]}" --senders z
refuses 2 'q cannot send' patch "${pair[@]}" --senders q --receivers resid_post
refuses 2 '--free-mlps goes with' patch "${pair[@]}" --free-mlps
refuses 1 'with one cell at a time' patch "${pair[@]}" --max-memory 1MB
refuses 2 'not a size' patch "${pair[@]}" --max-memory much
refuses 2 'denoise, noise, both' patch "${pair[@]}" --direction up
finish
