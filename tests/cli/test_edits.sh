#!/usr/bin/env bash
# Where edits come from, and where it is said what they did.  Usage: test_edits.sh PROGRAM.  Run from the source root.
tempo=${1:?usage: test_edits.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh edits
one='The cat sat on the' other='A dog ran in the' # of one length
few=(-n 3 -t 0.05)

# ---- a capture as a run to patch from: all rows of one layer make the run that one ----
works generate -p "$one" "${few[@]}" --capture "$dir/one" --record resid_pre:layers=3,attention --record-prompt
works generate -p "$one" "${few[@]}" --json
cp "$dir/out" "$dir/one.json"
patch="patch blocks.3.hook_resid_pre from=$dir/one rows=prompt"
works generate -p "$other" -n 1 -t 0.05 --json --edit "$patch" --edit 'zero z rows=set:900' --edit 'scale 1 z'
check_json "
w = json.load(open('$dir/one.json'))
assert [(m['id'], m['probability']) for m in d['steps'][0]['members']] == [(m['id'], m['probability']) for m in w['steps'][0]['members']]
assert [(e['came'], e['changed']) for e in d['edits']] == [(True, True), (False, False), (True, False)], d['edits']
assert d['config']['edits'] == [e['edit'] for e in d['edits']] and len(d['edits']) == 3"
contains "$err" "tempo: edit 'zero z rows=set:900': no row that it selects came"
contains "$err" "tempo: edit 'scale 1 z': it changed no number"
refuses 1 "has no resid_pre of layer 4: capture that run with --record 'resid_pre:layers=4'" generate -p "$other" --edit "patch blocks.4.hook_resid_pre from=$dir/one"
refuses 1 'there is no run' generate -p "$other" --edit "patch z from=$dir/nowhere"

# ---- what is written of them: manifest with the hash of each file, metadata of captures ----
works generate -p "$other" "${few[@]}" --paired --capture "$dir/two" --edit "$patch"
check_document "$dir/two/manifest.json" "
import hashlib
e = d['edits']
assert list(e) == ['edited'] and e['edited'][0]['edit'] == '$patch', e
f = e['edited'][0]['files']
assert f == [{'path': '$dir/one/taps.npz', 'sha256': hashlib.sha256(open('$dir/one/taps.npz', 'rb').read()).hexdigest()}], f"
check_document "$dir/two/edited/experiment_metadata.json" "assert d['config']['edits'] == ['$patch']"
check_document "$dir/two/plain/experiment_metadata.json" "assert 'edits' not in d['config']"
check_document "$dir/two/results.json" "assert d['arms']['edited']['edits'][0]['changed'] and 'edits' not in d['arms']['plain']"

# ---- analyze tells them, of one capture and of both of a pair ----
if "$tempo" analyze --help >/dev/null 2>&1; then
    works analyze "$dir/two" --json
    check_json "assert d['edits'] == {'$dir/two/edited': ['$patch']}, d['edits']"
    works analyze "$dir/two/edited/attention_weights.npz" "$dir/one/attention_weights.npz"
    case $out in *'Edited: '*'patch blocks.3.hook_resid_pre'*) ;; *) fail "no word of edits: $out" ;; esac
    printf '{"config": {"edits": [1]}' >"$dir/one/experiment_metadata.json"
    works analyze "$dir/one"
    case $out in *'Edited: '*) fail "edits that are none: $out" ;; esac
fi

# ---- means, and vectors in files of edits ----
printf '{"text": "%s"}\n{"text": "%s"}\n' "$one" "$other" >"$dir/prompts.jsonl"
works mean --prompts "$dir/prompts.jsonl" --tap resid_post:layers=5 -o "$dir/mean.npz"
works generate -p "$one" "${few[@]}" --json --edit "mean blocks.5.hook_resid_post from=$dir/mean.npz"
check_json "assert d['edits'][0]['changed']"
refuses 2 'has no means of layer 4' generate -p "$one" --edit "mean resid_post layers=4 from=$dir/mean.npz"
printf '["scale 1 z", {"edit": "add ln_final.scale", "vector": [1.5]}, {"edit": "add ln_final.scale times=-1", "vector": {"base64": "AADAPw==", "shape": [1]}}]' >"$dir/list.json"
works generate -p "$one" "${few[@]}" --json --edits "$dir/list.json"
check_json "
assert [e['changed'] for e in d['edits']] == [False, True, True], d['edits']
w = json.load(open('$dir/one.json'))
assert [m['id'] for m in d['steps'][0]['members']] == [m['id'] for m in w['steps'][0]['members']]"
printf '["scale 1 z", {"edit": "zero z", "vectors": []}]' >"$dir/list.json"
refuses 1 'edits[1]: "vectors" means nothing here' generate -p "$one" --edits "$dir/list.json"

# ---- experiments: of the file and of arms, paths from where the file is, mistakes by their lines ----
"$tempo" experiment --help >/dev/null 2>&1 || finish
cat >"$dir/cuts.yaml" <<YAML
experiment_name: cuts
prompt: $other
steps: 4
threshold: 0.05
pairs: 1
edits:
  - scale 1 z
arms:
  - {name: isolated, mode: isolated}
  - {name: visible, mode: visible}
  - name: cut
    mode: visible
    edits: [cut siblings, "zero z rows=set:900"]
  - name: patched
    mode: isolated
    edits: ["patch resid_pre layers=3 from=cut rows=generated", patch blocks.3.hook_resid_pre from=one rows=prompt]
YAML
works experiment run "$dir/cuts.yaml" --out "$dir/cuts" --no-db
check_document "$dir/cuts/cuts/results.json" "
a = d['arms']
sets = {k: [[(m['id'], m['probability']) for m in s['members']] for s in v['steps']] for k, v in a.items()}
assert sets['cut'] == sets['isolated'] != sets['visible'] != sets['patched']
assert [e['changed'] for e in a['cut']['edits']] == [False, True, False] and all(e['changed'] for e in a['patched']['edits'][1:])
notes = [(n['line'], n['text']) for n in d['notes'] if n['key'] == 'edits']
assert (13, \"arm 'cut': edit 'zero z rows=set:900': no row that it selects came\") in notes, notes
assert (16, \"arm 'patched' patches from another and cannot run alone: no times are taken\") in notes, notes
assert d['timing']['pairs'] == 0"
contains "$err" "arm 'cut': edit 'zero z rows=set:900': no row that it selects came"
check_document "$dir/cuts/cuts/manifest.json" "assert d['edits']['patched'][2]['files'][0]['path'] == '$dir/one/taps.npz', d['edits']"
check_document "$dir/cuts/cuts/cut/experiment_metadata.json" "assert d['config']['edits'] == ['scale 1 z', 'cut siblings', 'zero z rows=set:900']"
cat >"$dir/bad.yaml" <<YAML
prompt: $other
arms:
  - name: a
    edits: [zero zz, "add resid_pre vector=gone.npy"]
  - name: b
    edits:
      - patch z from=c
YAML
expect 1 '3 errors: nothing was run' experiment run "$dir/bad.yaml" --out "$dir/bad" --no-db
for text in "bad.yaml:4:13: edits: edit 'zero zz': 'zz' is no tap" "bad.yaml:4:22: edits: edit 'add resid_pre vector=gone.npy': $dir/gone.npy" \
    "bad.yaml:7:9: edits: edit 'patch z from=c': there is no run"; do
    contains "$err" "$text"
done
[ ! -e "$dir/bad" ] || fail 'something was run'
expect 1 '3 errors' experiment check "$dir/bad.yaml"
contains "$err" "bad.yaml:4:13: edits: edit 'zero zz': 'zz' is no tap"
works experiment check "$dir/cuts.yaml"
contains "$out" 'cuts.yaml: nothing is wrong with it'
finish
