#!/usr/bin/env bash
# tempo runs as its users meet it: the database of runs against hand-made directories.  Usage: test_runs.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_runs.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh runs runs
needs_command runs

# make_run DIR ID CREATED LAST: an experiment of two steps, the second of which selects LAST
make_run() {
    mkdir -p "$1"
    cat >"$1/manifest.json" <<END
{"kind": "experiment", "id": "$2", "name": "cat", "created": "$3", "status": "complete", "version": "0.1.0",
 "argv": ["tempo", "experiment"], "model": {"name": "tiny", "path": "/m", "architecture": "llama", "format": "gguf",
 "parameters": 7}, "threads": 2, "config": {"threshold": 0.5}, "files": [{"path": "results.json", "bytes": 3}]}
END
    cat >"$1/results.json" <<END
{"prompt": "The \u001b[2Jcat", "arms": {"isolated": {"text": " a", "stopped_by": "steps", "steps": [
 {"step": 0, "members": [{"id": 1, "text": "a"}]}, {"step": 1, "members": [{"id": $4, "text": "b"}]}]}}}
END
}

# ---- nothing there yet ----
for words in '' list 'show x' 'compare x y' gc; do
    # shellcheck disable=SC2086 # a list of words
    works $words
    contains "$out" 'No runs yet'
done
works --json
[ "$out" = '[]' ] || fail "no runs as JSON: '$out'"
[ ! -e "$XDG_DATA_HOME" ] || fail 'looking made the directory of the database'

# ---- usage ----
expect 2 "runs has no 'shwo'" shwo
expect 2 'show takes one ID' show
expect 2 'compare takes two IDs' compare a
expect 2 'list takes no argument' list all
expect 2 'rebuild takes the directories' rebuild
expect 2 '--dry-run is for runs gc' list --dry-run
expect 2 'the path of the database is empty' --db ''

# ---- runs ----
make_run "$dir/runs/a" 20261124-200000-cat-aaaa 2026-11-24T20:00:00Z 2
make_run "$dir/runs/b" 20261125-200000-cat-bbbb 2026-11-25T20:00:00Z 3
mkdir -p "$dir/runs/s/units"
cat >"$dir/runs/s/manifest.json" <<'END'
{"kind": "study", "id": "20261123-st", "name": "st\u001b]0;x\u0007", "created": "2026-11-23T00:00:00Z", "status":
 "interrupted", "models": [{"name": "tiny"}]}
END
cat >"$dir/runs/s/units/u.json" <<'END'
{"unit": "u", "model": 0, "threshold": 0.1, "prompt": {"id": "p", "stratum": "code", "text": "x"}, "values": {"B": 0.25},
 "steps": [{"step": 0, "members": [{"id": 1}], "metrics": {"tv": 0.5}}]}
END
cat >"$dir/runs/s/report.json" <<'END'
{"verdicts": [{"id": "A2", "verdict": "equivalent", "n": 2, "mean": 0.001, "bound": 0.01, "interval": [0.0, 0.002],
 "threshold": 0.1}, {"id": "B", "verdict": "different"}, {"id": "B", "verdict": "inconclusive"}]}
END
works rebuild "$dir/runs"
contains "$out" '3 runs indexed'
[ "$(stat -c %a "$XDG_DATA_HOME/tempo" 2>/dev/null || echo 700)" = 700 ] || fail 'others may look into the directory'
works
[ "$(grep -c cat-aaaa <<<"$out")" -eq 1 ] || fail "the list: $out"
contains "$out" 'A2 equivalent, B different/inconclusive'
case $out in *cat-bbbb*cat-aaaa*20261123-st*) ;; *) fail "the order of the list: $out" ;; esac
works show 20261124
for text in 'kind           experiment' 'threshold 0.5' 'isolated: 2 steps, 2 members, stopped by steps' results.json 'The \x1b[2Jcat'; do
    contains "$out" "$text"
done
works show 20261123
for text in 'A2       equivalent' 'interval [0, 0.002]' 'B 0.25' tv 'st\x1b]0;x\x07'; do contains "$out" "$text"; done
for words in list 'show 20261123' 'show 20261124' 'compare 20261124 20261125'; do
    # shellcheck disable=SC2086 # a list of words
    works $words
    ! grep -q "$(printf '[\001-\010\013-\037\177]')" "$dir/out" || fail "runs $words: control characters reach the terminal"
done
works show 20261124 --json
check_json "assert d['units'][0]['arms'][0]['members'] == 2 and d['config']['threshold'] == 0.5"
works compare 20261124 20261125
for text in 'different sets at 1 of 2: 1' 'The two differ.'; do contains "$out" "$text"; done
works compare 20261124 20261124
contains "$out" 'The two agree in everything.'
works compare 20261124 20261125 --json
check_json "assert d['same'] is False and d['units'][0]['arms'][0]['differ'] == [1]"
expect 2 'begins the ids of several runs' show 2026112
expect 1 "no run's id begins with 'zz'" show zz

# ---- another database; what is broken ----
works rebuild "$dir/runs/a" "$dir/runs/b" --db "$dir/other.db" --json
check_json "assert len(d['indexed']) == 2 and d['failed'] == []"
works list --db "$dir/other.db" --json
check_json "assert [r['id'][:8] for r in d] == ['20261125', '20261124']"
printf '{"kind": "study"' >"$dir/runs/s/manifest.json"
expect 1 'manifest.json: JSON, line 1' rebuild "$dir/runs"
contains "$out" '2 runs indexed, 1 could not be.'
works show 20261123
expect 1 'cannot be read: No such file' rebuild "$dir/nowhere"
printf 'this is a text and no database; it is long enough to be one, by a good many bytes, more than a hundred of them' >"$dir/text"
expect 1 'is not an SQLite database' --db "$dir/text"
expect 1 'is not a database but a directory' --db "$dir"
(unset XDG_DATA_HOME HOME; "$tempo" runs >"$dir/out" 2>"$dir/err") && fail 'without HOME it works'
grep -q 'neither XDG_DATA_HOME nor HOME' "$dir/err" || fail "without HOME: $(cat "$dir/err")"

# ---- gc ----
works gc
contains "$out" "Every run's directory is there."
rm -r "$dir/runs/s"
works gc --dry-run
contains "$out" '1 would be dropped.'
works gc --json --dry-run
check_json "assert d[0]['id'] == '20261123-st'"
works gc
contains "$out" '1 dropped.'
run list
case $out in *20261123-st*) fail 'gc left a run that is gone' ;; esac
rm -r "$dir/runs"
works gc
works list
contains "$out" 'No runs yet in '

finish
