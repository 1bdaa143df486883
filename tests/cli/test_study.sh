#!/usr/bin/env bash
# tempo study as its users meet it: run, report, resume, what is refused.  Usage: test_study.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_study.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh study study
needs_command study

sed -e 's/^permutations:.*/permutations: 200/; s/^resamples:.*/resamples: 100/' \
    -e 's/^timing:.*/timing: {pairs: 2, warmup: 1, published_percent: 18.8}/' \
    -e 's/^noise:.*/noise: {quantile: 0.99, nudges: [1], member_order: true, instruction_set: false}/' \
    -e 's/^steps:.*/steps: 3/' experiments/hypotheses.yaml >"$dir/h.yaml"
small=(--hypotheses "$dir/h.yaml" --max-prompts 4)

# ---- run, and the report again ----
works run "${small[@]}" --out "$dir/a"
contains "$out" 'Threshold 0.1: confirmatory'
contains "$out" 'exploratory replication'
contains "$out" 'D1 holds'
contains "$out" 'Only the first 4 of 126 prompts of the file: of 1 of its 7 strata.'
contains "$out" 'D2: too few prompts'
contains "$out" 'Noise floor'
for f in study.json hypotheses.yaml prompts.yaml noise_floor-m0.json exact-m0.json timing-m0.json \
    manifest.json report.json report.md; do
    [ -s "$dir/a/$f" ] || fail "no $f"
done
for folder in units:8 control:8 floor:4; do
    n=$(find "$dir/a/${folder%:*}" -type f | wc -l)
    [ "$n" -eq "${folder#*:}" ] || fail "$folder files: $n"
done
cp "$dir/a/report.json" "$dir/report.json"
works report "$dir/a"
contains "$out" 'report.md'
cmp -s "$dir/a/report.json" "$dir/report.json" || fail 'a second report is another one'
works report --json "$dir/a"
check_document "$dir/out" "
assert d == json.load(open('$dir/report.json'))
assert [v['id'] for v in d['verdicts']] == ['A2', 'B', 'C', 'D2'] * 2
assert all(v['verdict'] in ('identical', 'equivalent', 'different', 'inconclusive', 'too few prompts', 'no data') for v in d['verdicts'])
assert not d['files_changed'] and d['study']['prompts']['n'] == 4 and d['study']['steps'] == 3"
works report --color always "$dir/a"
case $out in *$'\033'*) ;; *) fail "no colours" ;; esac
NO_COLOR=1 works report "$dir/a"
case $out in *$'\033'*) fail 'colours in spite of NO_COLOR' ;; esac

# another threshold and other steps than those registered: nothing is confirmatory then
works run "${small[@]}" --thresholds 0.05 --steps 2 --no-db --json --out "$dir/b"
check_document "$dir/out" "
assert len(d['models'][0]['thresholds']) == 1
assert d['models'][0]['thresholds'][0]['family'] == 'exploratory'
assert all(v['family'] == 'exploratory' for v in d['verdicts'])
assert d['departures'] == ['the first threshold is 0.05 instead of 0.1', '2 steps instead of 3']"

# ---- traces: what it will cost, and what came of it ----
works run "${small[@]}" --trace --dry-run --out "$dir/t"
contains "$out" 'tempo-tiny: 8 units; traces of at most 8 sets: 95 choices of edges each'
[ ! -e "$dir/t" ] || fail '--dry-run made a directory'
works run "${small[@]}" --dry-run --out "$dir/t"
case $out in *traces*) fail "a dry run without --trace: $out" ;; esac
works run "${small[@]}" --max-prompts 2 --thresholds 0.02 --trace --no-db --json --out "$dir/t"
check_document "$dir/out" "
t = d['models'][0]['thresholds'][0]['exploratory']['trace']
assert d['study']['trace'] is True and t['prompts'] == 2 and t['sets'] >= 2 and len(t['cut']['tv']['mean']['heads']) == 8
assert t['contrast']['tv']['mean']['all'] is not None and t['cut']['tv']['low']['all'] is None"
for f in trace-m0.svg trace-curves-m0.svg trace; do [ -e "$dir/t/$f" ] || fail "no $f"; done
contains "$(cat "$dir/t/report.md")" 'Edges between siblings'
refuses 2 '--dry-run' run --resume --dry-run --out "$dir/t"
refuses 2 '--resume' run --resume --trace --out "$dir/t"

# ---- it is in the database of runs ----
"$tempo" runs list >"$dir/out" 2>&1 || fail "runs list: $(cat "$dir/out")"
grep -q study "$dir/out" || fail "runs list has no study: $(cat "$dir/out")"

# ---- edits of all arms: without siblings visible is isolated; what they were read from is kept, and compared ----
printf '{"id": "a", "prompt": "The cat sat on the"}\n{"id": "b", "prompt": "A dog ran in the"}\n' >"$dir/two.jsonl"
"$tempo" mean --prompts "$dir/two.jsonl" --tap z:layers=2 -o "$dir/mean.npz" 2>/dev/null || fail 'no means'
{ cat "$dir/h.yaml"; printf 'edits: [cut siblings, mean z layers=2 from=mean.npz rows=generated, "scale 1 z"]\n'; } >"$dir/edited.yaml"
works run --hypotheses "$dir/edited.yaml" --thresholds 0.05 --prompts "$dir/two.jsonl" --no-db --out "$dir/edited"
contains "$err" "edit 'scale 1 z': it changed no number"
case $err in *'cut siblings'* | *'mean z'*) fail "an edit that changed something: $err" ;; esac
check_document "$dir/edited/units/m0-t0.05-a.json" "assert d['parallel_steps'] > 0 and d['values']['B'] == 0 and d['checks']['same_q'], d['values']"
check_document "$dir/edited/study.json" "
import hashlib
e = d['edits']['list']
assert [x['edit'] for x in e][0] == 'cut siblings' and e[1]['files'][0]['sha256'] == hashlib.sha256(open('$dir/mean.npz', 'rb').read()).hexdigest(), e"
check_document "$dir/edited/manifest.json" "assert d['edits']['all'][1]['files'][0]['path'].endswith('mean.npz')"
works run --resume --out "$dir/edited" --no-db
"$tempo" mean --prompts "$dir/two.jsonl" --tap z:layers=2 --rows last -o "$dir/mean.npz" 2>/dev/null || fail 'no other means'
expect 2 'was changed after the study began' run --resume --out "$dir/edited" --no-db
sed 's/cut siblings, /cut sibling, /' "$dir/edited.yaml" >"$dir/wrong.yaml"
expect 1 "edits: edit 'cut sibling': 'sibling' names no slots" run --hypotheses "$dir/wrong.yaml" --out "$dir/wrong" --no-db

# ---- prompts of a JSONL file, whose ids are in every table ----
printf '{"id": "Q 1", "prompt": "The cat sat on the"}\n{"id": 7, "text": "Once upon a time "}\n{"prompt": "In the"}\n' >"$dir/p.jsonl"
works run --hypotheses "$dir/h.yaml" --steps 3 --thresholds 0.05 --no-db --json --prompts "$dir/p.jsonl" --out "$dir/lines"
[ -s "$dir/lines/prompts.jsonl" ] || fail 'the study has no copy of its prompts'
check_document "$dir/lines/report.json" "
import glob
ids = sorted(json.load(open(f))['prompt']['id'] for f in glob.glob('$dir/lines/units/*.json'))
assert ids == ['3', '7', 'Q 1'], ids
assert sorted(p['prompt'] for p in json.load(open('$dir/lines/timing-m0.json'))['pairs']) != [] and d['study']['prompts']['n'] == 3"
works run --resume --out "$dir/lines" --no-db
works report "$dir/lines"
printf '{"id": 1, "prompt": 2}\n' >"$dir/p.jsonl"
expect 1 'p.jsonl:1: "prompt" is an integer, expected a text' run --prompts "$dir/p.jsonl" --out "$dir/c"

# ---- what is refused ----
expect 2 'run or report'
expect 2 'run or report' stroll
expect 2 'one directory' run a b
expect 2 '--resume' run --resume --steps 4 --out "$dir/a"
expect 2 'no-such-option' run --no-such-option
expect 2 'steps' run --steps 0 --out "$dir/c"
expect 2 'thresholds' run --thresholds 2 --out "$dir/c"
[ -e "$dir/c" ] && fail 'a refused study made its directory'
expect 2 '--resume' run "${small[@]}" --out "$dir/a"
expect 1 'study.json' report "$dir/nothing"
expect 1 'nothing' run --resume --out "$dir/nothing"
expect 1 'no-such.yaml' run --hypotheses "$dir/no-such.yaml" --out "$dir/c"
# all errors of both files at once
sed -e 's/^alpha:.*/alpha: x/; s/^steps:.*/steps: 1/' "$dir/h.yaml" >"$dir/bad.yaml"
printf 'prompts:\n- {id: A, stratum: s, txt: t}\n' >"$dir/p.yaml"
expect 1 'bad.yaml:' run --hypotheses "$dir/bad.yaml" --prompts "$dir/p.yaml" --out "$dir/c"
for text in "alpha: 'x' is not" "steps: '1' is not" 'p.yaml:2:8: id: expected' "unknown key 'txt'" 'without text' '5 errors: nothing was run'; do
    contains "$err" "$text"
done
expect 1 'no-such-model' run "${small[@]}" -m "$dir/no-such-model" --out "$dir/c"
printf '# more\n' >>"$dir/b/hypotheses.yaml"
expect 1 'changed after the study began' run --resume --out "$dir/b"
works report "$dir/b"
contains "$out" 'WARNING'

# ---- the report as one page ----
if "$tempo" study --help | grep -q -- --html; then
    works report "$dir/a" --html "$dir/report.html"
    contains "$out" "As pictures: $dir/report.html"
    check_page() {
        python3 - "$@" <<'EOF' || fail "the page: $*"
import json, re, sys
page = open(sys.argv[1]).read()
data = re.findall(r'<script id="tempo-report" type="application/json">(.*?)</script>', page, re.S)
assert len(data) == 1
view = json.loads(data[0])
report = json.load(open(sys.argv[2] + '/report.json'))
assert view['kind'] == 'study' and view['report']['verdicts'] == report['verdicts']
assert len(view['values'][0]['values']['A2']) == len(view['prompts'])
assert not re.search(r'(src|href)="?(https?:)?//', page), 'it loads something'
EOF
    }
    if python3 -c '' 2>/dev/null; then check_page "$dir/report.html" "$dir/a"; fi
    expect 1 'no-such-directory' report "$dir/a" --html "$dir/no-such-directory/r.html"
fi

# ---- Ctrl-C, and on ----
set -m # so that the program in the background does not ignore the interrupt
"$tempo" study run --hypotheses "$dir/h.yaml" --max-prompts 40 --steps 12 --batch 2 --no-db --out "$dir/d" \
    >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while [ ! -e "$dir/d/floor/m0-narrative-02.json" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -INT $pid
wait $pid
rc=$?
set +m
[ $rc -eq 130 ] || fail "interrupted: exit code $rc ($(cat "$dir/err"))"
grep -q -- "--resume --out $dir/d" "$dir/err" || fail "interrupted: message '$(cat "$dir/err")'"
[ -e "$dir/d/report.json" ] && fail 'a study that was interrupted has a report'
sed -n '/"n":/p' "$dir/d/study.json" | grep -q 40 || fail 'the plan does not say 40 prompts'

# a shorter one, stopped by removing what came last
rm -r "$dir/a/control" "$dir/a/timing-m0.json" "$dir/a/units/m0-t0.05-narrative-03.json"
mkdir "$dir/a/control"
works run --resume --no-db --out "$dir/a"
check_document "$dir/a/report.json" "
e = json.load(open('$dir/report.json'))
d.pop('timing'), e.pop('timing')
assert d == e"

finish
