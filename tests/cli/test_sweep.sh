#!/usr/bin/env bash
# tempo sweep and tempo merge: tables, batches, going on after any end, shards made one, what is refused.  Usage: test_sweep.sh PROGRAM.
# Run from the source root.
tempo=${1:?usage: test_sweep.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh sweep
tables=(sets.csv runs.csv units.csv plan.json)
for i in 1 2 3 4 5 6 7 8 9; do
    printf '{"id": "p%s, \\"x\\"", "prompt": "The cat %s sat on the%s mat"}\n' "$i" "$i" "$(printf ' very%.0s' $(seq 1 $((i * i % 7))))"
done >"$dir/p.jsonl"
printf '{"id": 17, "text": "Once upon a time"}\n' >>"$dir/p.jsonl"
sweep=(sweep --prompts "$dir/p.jsonl" --threshold '.05,.1' --mode 'isolated,visible,causal' --steps 4)

# same A B: byte for byte, but for the manifests
same() {
    local f
    for f in "${tables[@]}"; do cmp "$dir/$1/$f" "$dir/$2/$f" || fail "$f of $1 and $2 differ"; done
}

# ---- one table, which says what generate says ----
works "${sweep[@]}" --out "$dir/one"
[ -z "$out" ] || fail "sweep prints '$out'"
contains "$err" '10 prompts, each decoded in 6 ways'
"$tempo" generate -f "$dir/p.jsonl" --threshold .05 --steps 4 --mode visible --json >"$dir/visible.json"
if has_python; then
    python3 - "$dir" <<'END' || fail 'the tables do not say what generate says'
import csv, json, math, sys
d = sys.argv[1]
sets = list(csv.DictReader(open(d + '/one/sets.csv', newline='', encoding='utf-8')))
runs = list(csv.DictReader(open(d + '/one/runs.csv', newline='', encoding='utf-8')))
docs = {str(p['id']): p for p in json.load(open(d + '/visible.json'))['prompts']}
ids = [json.loads(l)['id'] for l in open(d + '/p.jsonl')]
assert [r['prompt'] for r in runs] == [str(i) for i in ids for _ in range(6)] and ids[0] == 'p1, "x"'
assert [(float(r['threshold']), r['mode']) for r in runs[:6]] == [(t, m) for t in (.05, .1) for m in ('isolated', 'visible', 'causal')]
for r in runs:
    mine = [s for s in sets if (s['prompt'], s['threshold'], s['mode']) == (r['prompt'], r['threshold'], r['mode'])]
    assert len(mine) == int(r['members']) and len({s['step'] for s in mine}) == int(r['steps'])
    entropies = {s['step']: float(s['entropy']) for s in mine}
    assert math.isclose(sum(entropies.values()) / len(entropies), float(r['mean_entropy']))
    assert max(int(s['members']) for s in mine) == int(r['largest_set'])
    if (float(r['threshold']), r['mode']) != (.05, 'visible'):
        continue
    doc = docs[r['prompt']]
    members = [(s['step'], s['entropy'], s['position'], m['id'], m['text'], m['probability'], m['slot'], m['position'])
               for s in doc['steps'] for m in s['members']]
    assert members == [(int(s['step']), float(s['entropy']), float(s['position']), int(s['id']), s['text'], float(s['probability']),
                        int(s['slot']) if s['slot'] else None, float(s['slot_position']) if s['slot_position'] else None) for s in mine]
    assert r['text'] == doc['text'] and r['top_text'] == doc['top_text'] and r['stopped_by'] == doc['stopped_by']
    assert [int(s['member']) for s in mine] == [i for s in doc['steps'] for i in range(len(s['members']))]
m = json.load(open(d + '/one/manifest.json'))
assert m['kind'] == 'sweep' and len(m['model']['sha256']) == 64 and [f['path'] for f in m['files']] == ['plan.json', 'runs.csv', 'sets.csv', 'units.csv']
END
fi

# ---- whatever goes together, however many threads ----
works "${sweep[@]}" --out "$dir/two" --batch 1 --threads 1
same one two
works "${sweep[@]}" --out "$dir/three" --max-memory 3MB --threads 2
same one three
works sweep --prompts "$dir/p.jsonl" --steps 2 --max-set 1,2,64 --readout mixture,top --out "$dir/lists"
[ "$(head -1 "$dir/lists/runs.csv" | cut -d, -f1-5)" = prompt,threshold,mode,readout,max_set ] || fail "columns: $(head -1 "$dir/lists/runs.csv")"
[ "$(($(wc -l <"$dir/lists/runs.csv") - 1))" -eq 60 ] || fail 'not every combination has a run'
works sweep --prompts "$dir/p.jsonl" --steps 1 --threshold .5 --max-set "$(seq -s, 1 70)" --out "$dir/many"
[ "$(($(wc -l <"$dir/many/runs.csv") - 1))" -eq 700 ] || fail 'more ways than a run has arms'

# ---- it goes on, wherever it was ended: in a record of units.csv, behind some of the tables' ----
for cut in 0 10 60 75 110 111 150; do
    rm -rf "$dir/cut"
    cp -r "$dir/one" "$dir/cut"
    rm "$dir/cut/manifest.json"
    head -c "$cut" "$dir/one/units.csv" >"$dir/cut/units.csv"
    printf 'half a rec' >>"$dir/cut/sets.csv"
    works "${sweep[@]}" --out "$dir/cut"
    same one cut
done
rm -rf "$dir/cut/"*.csv
works "${sweep[@]}" --out "$dir/cut"
same one cut
for signal in INT KILL; do
    rm -rf "$dir/killed"
    "$tempo" "${sweep[@]}" --out "$dir/killed" --batch 1 2>"$dir/err" &
    child=$!
    while kill -0 "$child" 2>/dev/null && [ "0$(grep -c . "$dir/killed/units.csv" 2>/dev/null)" -lt 3 ]; do sleep 0.01; done
    kill -"$signal" "$child" 2>/dev/null
    wait "$child" 2>/dev/null
    code=$?
    if [ "$signal" = INT ] && [ "$code" -ne 0 ]; then
        [ "$code" -eq 130 ] || fail "interrupted: exit code $code"
        contains "$(cat "$dir/err")" 'of 10 prompts are there; the same command goes on'
    fi
    works "${sweep[@]}" --out "$dir/killed"
    same one killed
done

# ---- shards made one ----
for n in 1 3 7; do
    for ((i = 0; i < n; i++)); do works "${sweep[@]}" --out "$dir/shards$n" --shard "$i/$n" --batch $((i + 1)); done
    works merge "$dir/shards$n" --out "$dir/merged$n"
    same one "merged$n"
done
[ -e "$dir/merged3/manifest.json" ] || fail 'a merged sweep has no manifest'
rm -rf "$dir/auto"
for i in 4 6 8; do
    SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=3 works "${sweep[@]}" --out "$dir/auto" --shard auto
done
works merge "$dir"/auto/shard-* --out "$dir/merged_auto"
same one merged_auto

# ---- what is wrong with shards is named, and nothing is made ----
s=$dir/shards3
not_merged() {
    expect "$1" "$2" merge "${@:3}" --out "$dir/none"
    [ ! -e "$dir/none" ] || fail "$2: something was made"
    rm -rf "$dir/none"
}
shard() { printf '%s/shards%s/shard-%04d-of-%04d' "$dir" "$2" "$1" "$2"; }
not_merged 1 'to run again: shard 1/3' "$(shard 0 3)" "$(shard 2 3)"
contains "$err" 'shard 1/3 is not there'
not_merged 2 'is there twice' "$(shard 0 3)" "$(shard 1 3)" "$(shard 1 3)"
not_merged 2 'shards of 3 and of 7' "$(shard 0 3)" "$(shard 1 3)" "$(shard 2 7)"
"$tempo" sweep --prompts "$dir/p.jsonl" --steps 3 --out "$dir/other" --shard 2/3 2>/dev/null
not_merged 2 '"decoding" is' "$(shard 0 3)" "$(shard 1 3)" "$dir/other/shard-0002-of-0003"
"$tempo" "${sweep[@]}" --out "$dir/scalar" --shard 2/3 --cpu scalar 2>/dev/null
if ! cmp -s "$dir/scalar/shard-0002-of-0003/plan.json" "$(shard 2 3)/plan.json"; then
    not_merged 2 '"cpu" is' "$(shard 0 3)" "$(shard 1 3)" "$dir/scalar/shard-0002-of-0003"
    works merge "$(shard 0 3)" "$(shard 1 3)" "$dir/scalar/shard-0002-of-0003" --allow-mixed --out "$dir/mixed"
    grep -q '"mixed"' "$dir/mixed/plan.json" || fail 'a mixed plan does not say so'
fi
damage() {
    rm -rf "$dir/damaged"
    cp -r "$s" "$dir/damaged"
    damaged=$dir/damaged/shard-0001-of-0003
}
damage
printf 'Q' | dd of="$damaged/sets.csv" bs=1 seek=300 conv=notrunc 2>/dev/null
not_merged 1 'sets.csv: the records of unit ' "$dir/damaged"
damage
truncate -s -5 "$damaged/runs.csv"
not_merged 1 'runs.csv: is shorter than its units' "$dir/damaged"
damage
printf 'x\r\n' >>"$damaged/runs.csv"
not_merged 1 'runs.csv: has more than' "$dir/damaged"
damage
sed -i '2s/^[0-9]*,/x,/' "$damaged/units.csv"
not_merged 1 'units.csv: line 2 is no record' "$dir/damaged"
damage
sed -i '$d' "$damaged/units.csv"
not_merged 1 'to run again: shard 1/3' "$dir/damaged"
contains "$err" 'shard 1/3 is not finished: 1 units to go'
works "${sweep[@]}" --out "$dir/damaged" --shard 1/3
works merge "$dir/damaged" --out "$dir/mended"
same one mended
not_merged 1 'plan.json' "$dir/nowhere"
expect 2 'is not empty' merge "$s" --out "$dir/one"

# ---- what is refused, before anything runs ----
expect 2 '"decoding" is' "${sweep[@]}" --max-set 3 --out "$dir/one"
printf '{"id": 1, "prompt": "a"}\n{"id": 1, "prompt": "b"}\nno\n' >"$dir/bad.jsonl"
expect 1 'bad.jsonl:3: ' sweep --prompts "$dir/bad.jsonl" --out "$dir/bad"
contains "$err" 'bad.jsonl:2: the id "1" is that of line 1'
for ((i = 0; i < 25; i++)); do printf '{"id": %s}\n' "$i"; done >"$dir/bad.jsonl"
expect 1 'and 5 more bad lines' sweep --prompts "$dir/bad.jsonl" --out "$dir/bad"
for i in 1 2 20; do contains "$err" "bad.jsonl:$i: neither \"prompt\" nor \"text\" is there"; done
[[ $err != *bad.jsonl:21:* ]] || fail 'more bad lines are named than 20'
[ ! -e "$dir/bad" ] || fail 'a bad line, and something was made'
expect 2 '--threshold: ' sweep --prompts "$dir/p.jsonl" --threshold .1,2 --out "$dir/bad"
expect 2 '--mode: ' sweep --prompts "$dir/p.jsonl" --mode visible,seen --out "$dir/bad"
expect 2 'the same values in all columns' sweep --prompts "$dir/p.jsonl" --threshold .1,.1 --out "$dir/bad"
expect 2 'needs --prompts FILE and --out DIR' sweep --prompts "$dir/p.jsonl"
expect 2 '--shard: ' "${sweep[@]}" --out "$dir/bad" --shard 3/3
expect 2 'auto: neither' "${sweep[@]}" --out "$dir/bad" --shard auto
mkdir "$dir/full" && touch "$dir/full/x"
expect 2 'holds other files' "${sweep[@]}" --out "$dir/full"
[ ! -e "$dir/bad" ] || fail 'something was made of what is refused'

finish
