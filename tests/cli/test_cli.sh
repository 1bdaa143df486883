#!/usr/bin/env bash
# Drive the program as its users do: output, messages, exit codes.  Usage: test_cli.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_cli.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh cli
model=models/tempo-tiny
shared=../shared

# ---- usage ----
refuses 2 "there is no command 'foo'" foo
refuses 2 'did you mean --threshold' generate -p x --treshold 0.1
refuses 2 'has no option --zzzzzzzz; see tempo generate --help' generate --zzzzzzzz
refuses 2 'has no option -z' generate -z
refuses 2 'needs a value' generate -p
refuses 2 'takes no value' generate -p x --json=yes
refuses 2 "unexpected argument 'text'" generate text
refuses 2 'standard output is not a terminal; programs read --jsonl' generate -p x --view
refuses 2 'give only one of them' generate -p x --view --json
refuses 2 'no prompt' generate
refuses 2 'more than one prompt' generate -p x --prompt-ids 1
refuses 2 'the prompt is empty' generate -p ''
refuses 2 'the prompt is empty' generate --prompt-ids ''
for value in 0 2 -1 nan inf '' 1e-400 0.5x; do
    refuses 2 "--threshold: '$value' is not a number above 0 and at most 1" generate -p x --threshold "$value"
done
for value in 0 -1 nan inf; do
    refuses 2 "--temperature: '$value' is not a finite number above 0" generate -p x --temperature "$value"
done
for value in 0 -1 1.5 '' 99999999999999999999; do
    refuses 2 "--steps: '$value' is not a whole number" generate -p x --steps "$value"
done
refuses 2 'one of isolated, visible, causal' generate -p x --mode both
refuses 2 'one of mixture, uniform, geometric, top, last' generate -p x --readout first
refuses 2 'one of shared, unique, offset:D' generate -p x --positions other
refuses 2 'finite number' generate -p x --positions offset:nan
refuses 2 'two layers A-B' generate -p x --mode visible --visible-layers 3
refuses 2 'two layers A-B' generate -p x --mode visible --visible-layers 3-1
refuses 2 '--visible-layers needs' generate -p x --visible-layers 0-1
refuses 2 'within 0-7' generate -p x --mode visible --visible-layers 7-9
refuses 2 '--replay sets' generate -p x --replay published --context all
refuses 2 '--replay sets' generate -p x --replay published-nocache --positions shared
refuses 2 'leave --mode out' generate -p x --paired --mode visible
refuses 2 'only one' generate -p x --json --jsonl
refuses 2 'is not a token id' generate --prompt-ids 1,two
refuses 2 'is not a token id' generate --prompt-ids 1,,2
refuses 2 'is not a token id' generate --prompt-ids 1,
refuses 2 '99999' generate --prompt-ids 1,99999
refuses 2 'no text' tokenize
refuses 2 'give only one' tokenize text -f "$dir/x"
refuses 2 'takes one model' inspect $model -m $model
run
[ $rc -eq 2 ] || fail "no command: exit code $rc"
contains "$out" 'tempo COMMAND'

# ---- failures ----
refuses 1 'no such file or directory' generate -m "$dir/none" -p x
refuses 1 'fetch it with' generate -m no-such-org/no-such-model -p x
refuses 1 'holds no model' generate -m "$dir" -p x
refuses 1 'cannot be opened: No such file' generate -f "$dir/none"
refuses 1 'is a directory' generate -f "$dir"
refuses 1 'is a directory' tokenize -f "$dir"
printf 'ab\377' >"$dir/bad.txt"
refuses 1 'not valid UTF-8 (at byte 2)' generate -f "$dir/bad.txt"
refuses 1 'not valid UTF-8 (at byte 2)' tokenize -f "$dir/bad.txt"
head -c 100000 /dev/zero | tr '\0' a >"$dir/long.txt"
refuses 1 "the model's context has 512 positions" generate -f "$dir/long.txt"
refuses 1 'max-slots is 2' generate -p 'a b c d' --max-slots 2
printf 'GGUF' >"$dir/short.gguf"
refuses 1 'the version needs 4 bytes, 0 left (at byte 4)' inspect "$dir/short.gguf"
refuses 1 'No space left on device' logits -p x --all /dev/full
if [ "$(id -u)" -ne 0 ]; then
    : >"$dir/secret.gguf"
    chmod 000 "$dir/secret.gguf"
    refuses 1 'Permission denied' inspect "$dir/secret.gguf"
fi
for arguments in 'generate -p x' 'generate -p x --json' 'generate -p x --jsonl' inspect 'tokenize x' 'logits -p x' doctor help version; do
    # shellcheck disable=SC2086 # a list of words
    "$tempo" $arguments >/dev/full 2>"$dir/err" </dev/null
    rc=$?
    [ $rc -eq 1 ] || fail "$arguments >/dev/full: exit code $rc"
    grep -q 'standard output cannot be written: No space left on device' "$dir/err" || fail "$arguments >/dev/full: $(cat "$dir/err")"
    [ "$(grep -c 'cannot be written' "$dir/err")" -eq 1 ] || fail "$arguments >/dev/full: said more than once"
done

# ---- generate ----
works generate -p 'Once upon a time' --threshold 1 --steps 8
contains "$out" 'Once upon a time'
case $out in *'['*) fail "threshold 1 gave a set: $out" ;; esac
contains "$err" '8 steps, 8 members, stopped by steps; first set after'
greedy=$out
works generate --prompt-ids 4094,2205,371,666,258,561 --threshold 1 --steps 8 --mode visible
[ "$out" = "$greedy" ] || fail "greedy decoding by ids and mode visible: '$out', expected '$greedy'"
works generate -p 'The cat sat on the' --threshold 0.05
grep -q '\[[^]/]*/[^]]*\]' <<<"$out" || fail "no set of several members in: $out"
case $out in *$'\033'*) fail 'colours where standard output is no terminal' ;; esac
works generate -p 'The cat sat on the' --threshold 0.05 --color always
contains "$out" $'\033['
works generate -p 'The cat sat on the' --threshold 0.05 --probs
grep -q '\[[^]/]* 0\.[0-9]*/' <<<"$out" || fail "no probabilities in: $out"
printf 'Once upon a time' | "$tempo" generate -f - --threshold 1 --steps 8 >"$dir/out" 2>/dev/null
[ "$(cat "$dir/out")" = "$greedy" ] || fail 'standard input as the prompt'
works generate -p 'The cat' --max-slots 4 --steps 20
contains "$err" 'stopped by slots (a sequence may have 4: --max-slots)'
works generate -f <(printf 'a %.0s' {1..250}) --threshold 1 --steps 500 --stop never
contains "$err" 'stopped by context (the model has 512 positions)'

works generate -p 'The cat sat on the' --threshold 0.05 --steps 6 --json --hash
check_json "
assert d['version'] and d['prompt'] == 'The cat sat on the' and d['prompt_ids'][0] == 4094
m = d['model']; assert m['architecture'] == 'llama' and m['parameters'] == 6951168 and len(m['sha256']) == 64 and m['path'] and m['name']
c = d['config']
for k in 'mode steps threshold temperature max_set context readout positions visible_layers stop min_steps replay kv max_slots threads cpu paired'.split(): assert k in c, k
assert c['mode'] == 'isolated' and c['threshold'] == 0.05 and c['steps'] == 6 and c['positions'] == 'shared' and c['max_slots'] > 0 and c['threads'] > 0
assert d['stopped_by'] == 'steps' and len(d['steps']) == 6
for i, s in enumerate(d['steps']):
    assert s['step'] == i and s['position'] == len(d['prompt_ids']) + i and s['threshold'] == 0.05 and s['entropy'] > 0 and s['capped'] is False and s['eos'] is False
    p = [m['probability'] for m in s['members']]
    assert p == sorted(p, reverse=True)
    for m in s['members']: assert isinstance(m['id'], int) and isinstance(m['text'], str) and m['position'] == s['position'] and isinstance(m['slot'], int)
assert d['text'] == ''.join(m['text'] for s in d['steps'] for m in s['members'])
assert d['top_text'] == ''.join(s['members'][0]['text'] for s in d['steps'])
assert d['timing']['total_ms'] > 0"
works generate -p 'The cat sat on the' --replay published --json --steps 2
check_json "
c = d['config']; assert c['context'] == 'last' and c['readout'] == 'last' and c['replay'] == 'published'
assert d['steps'][0]['position'] == len(d['prompt_ids']) + 1
assert [m['slot'] for m in d['steps'][0]['members']][:-1] == [None] * (len(d['steps'][0]['members']) - 1)"
works generate -p 'The cat sat on the' --threshold 0.05 --steps 6 --jsonl
[ "$(wc -l <"$dir/out")" -eq 6 ] || fail "--jsonl: $(wc -l <"$dir/out") lines for 6 steps"
if has_python; then
    python3 -c "
import json
lines = [json.loads(l) for l in open('$dir/out')]
assert [l['step'] for l in lines] == list(range(6)) and lines[-1]['stopped_by'] == 'steps' and lines[0]['stopped_by'] is None" || fail '--jsonl'
fi
works generate -p 'The cat sat on the' --paired --threshold 0.08 --steps 8
contains "$out" 'The sets first differ at step 3.'
contains "$out" 'isolated, the first member of each set:'
works generate -p 'The cat sat on the' --paired --threshold 1 --steps 8
contains "$out" 'No difference: every distribution is the same to the last bit.'
works generate -p 'The cat sat on the' --paired --threshold 0.08 --steps 8 --json
check_json "
assert set(d['arms']) == {'isolated', 'visible'} and d['config']['paired'] is True
f = d['first_difference']; assert f['step'] == 3 and f['isolated'] != f['visible']
assert d['first_distribution_difference']['max_abs'] > 0
a = d['arms']['isolated']['steps']; b = d['arms']['visible']['steps']
ids = lambda s: [m['id'] for m in s['members']]
assert all(ids(a[i]) == ids(b[i]) for i in range(3)) and ids(a[3]) == f['isolated'] and ids(b[3]) == f['visible']"
cp "$dir/out" "$dir/paired"
works generate -p 'The cat sat on the' --mode visible --threshold 0.08 --steps 8 --json
if has_python; then
    python3 -c "
import json
assert json.load(open('$dir/out'))['steps'] == json.load(open('$dir/paired'))['arms']['visible']['steps']" || fail 'a paired arm differs from the run alone'
fi

# ---- a file of prompts: each as it is alone, whatever is in its group; ids everywhere; bad lines before anything runs ----
printf '{"id": "cat", "prompt": "The cat sat on the"}\n{"id": 7, "text": "Once upon a time"}\n\n{"id": "A/../b", "prompt": "I", "more": NaN}\n' >"$dir/p.jsonl"
works generate -f "$dir/p.jsonl" --steps 5 --threshold 0.05 --batch 2
for text in '== cat ==' '== 7 ==' '== A/../b ==' 'The cat sat on the['; do contains "$out" "$text"; done
contains "$err" '3 prompts, 15 steps'
works generate -f "$dir/p.jsonl" --steps 5 --threshold 0.05 --json --batch 2
cp "$dir/out" "$dir/several"
works generate -f "$dir/p.jsonl" --steps 5 --threshold 0.05 --jsonl
cp "$dir/out" "$dir/lines"
works generate -p I --steps 5 --threshold 0.05 --json
check_json "
several = json.load(open('$dir/several'))['prompts']
assert [p['id'] for p in several] == ['cat', 7, 'A/../b'] and several[2]['prompt_ids'] == d['prompt_ids']
assert several[2]['steps'] == d['steps'] and several[2]['text'] == d['text'] and several[2]['stopped_by'] == 'steps'
lines = [json.loads(l) for l in open('$dir/lines')]
assert [(l['id'], l['step']) for l in lines] == [(p['id'], i) for i in range(5) for p in several]
assert all(lines[3 * i + 2]['members'] == s['members'] for i, s in enumerate(d['steps']))"
works generate -f "$dir/p.jsonl" --steps 3 --paired --capture "$dir/captured" --json
check_document "$dir/captured/prompts.json" "
assert [p['id'] for p in d] == ['cat', 7, 'A/../b']
for p in d:
    place = '$dir/captured/' + p['directory']
    assert json.load(open(place + '/manifest.json'))['config']['prompt_id'] == p['id']
    assert json.load(open(place + '/results.json'))['id'] == p['id']
    assert all(json.loads(l)['id'] == p['id'] for l in open(place + '/results.jsonl'))
    assert json.load(open(place + '/visible/experiment_metadata.json'))['config']['prompt_id'] == p['id']
assert len({p['directory'] for p in d}) == 3 and all('/' not in p['directory'] for p in d)"
if [ -n "$(find "$dir/captured" -mindepth 1 -maxdepth 1 -name '.*')" ]; then fail 'a capture of prompts leaves hidden files'; fi
printf '{"prompt": "fine"}\n{"prompt": 3}\n' >"$dir/bad.jsonl"
refuses 1 'bad.jsonl:2: "prompt" is an integer, expected a text' generate -f "$dir/bad.jsonl"
refuses 1 'no-such.jsonl: cannot be opened' generate -f "$dir/no-such.jsonl"
refuses 2 '--view' generate -f "$dir/p.jsonl" --view
refuses 2 'holds prompts' tokenize --decode -f "$dir/p.jsonl"
for command in logits tokenize; do
    refuses 1 'bad.jsonl:2: "prompt" is an integer, expected a text' $command -f "$dir/bad.jsonl"
    works $command -f "$dir/p.jsonl"
    for text in '== cat ==' '== 7 ==' '== A/../b =='; do contains "$out" "$text"; done
done
works logits -f "$dir/p.jsonl" --top 2 --json --all "$dir/all.npy"
cp "$dir/out" "$dir/several"
works tokenize -f "$dir/p.jsonl" --json
cp "$dir/out" "$dir/ids"
works tokenize I --json
cp "$dir/out" "$dir/one"
works logits -p I --top 2 --json --all "$dir/one.npy"
check_json "
whole = json.load(open('$dir/several'))
several = whole.pop('prompts')
assert [p.pop('id') for p in several] == ['cat', 7, 'A/../b'] and several[2].pop('prompt') == 'I'
assert {**whole, **several[2], 'prompt': 'I'} == d and several[0]['top'] != several[1]['top']
ids = json.load(open('$dir/ids'))['prompts']
assert [p.pop('id') for p in ids] == ['cat', 7, 'A/../b'] and ids[2] == json.load(open('$dir/one'))"
# the rows of all.npy are the prompts: the last is that of the prompt alone
[ "$(wc -c <"$dir/all.npy")" -eq $((128 + 3 * 4 * 4096)) ] || fail "all.npy has $(wc -c <"$dir/all.npy") bytes"
cmp -s <(tail -c $((4 * 4096)) "$dir/all.npy") <(tail -c $((4 * 4096)) "$dir/one.npy") || fail 'the last row of all.npy is not the last prompt'
contains "$(head -c 128 "$dir/all.npy" | tr -d '\0')" "'shape': (3, 4096)"
printf '{"prompt": "a"}\n{"id": "long", "prompt": "%s"}\n' "$(printf 'word %.0s' {1..3000})" >"$dir/long.jsonl"
refuses 1 'long.jsonl:2, id long' generate -f "$dir/long.jsonl"
refuses 1 'long.jsonl:2, id long' logits -f "$dir/long.jsonl" --all "$dir/none.npy"
[ -z "$(find "$dir" -name 'none.npy*')" ] || fail 'logits that failed leave a file'

# ---- where two arms differ is one answer, and a distribution has one entropy whoever tells it ----
works generate -p I --paired --threshold 0.05 --steps 6
contains "$out" 'The distributions first differ at step 1,'
contains "$out" 'The sets first differ at step 3.'
contains "$out" 'The same members first stand in another order at step 2.'
works generate -p I --paired --threshold 0.05 --steps 6 --json
check_json "
order = d['first_order_difference']; assert order['step'] == 2 and order['isolated'] != order['visible']
assert sorted(order['isolated']) == sorted(order['visible'])
assert d['first_difference']['step'] == 3 and d['first_distribution_difference']['step'] == 1"
works generate -p 'The cat sat on the' --steps 2 --json
cp "$dir/out" "$dir/generated"
works logits -p 'The cat sat on the' --json --top 4000
if has_python; then
    python3 -c "
import json, sys
g, l = json.load(open('$dir/generated'))['steps'][0], json.load(open('$dir/out'))
assert g['entropy'] == l['entropy'], (g['entropy'], l['entropy'])
p = {t['id']: t['probability'] for t in l['top']}
assert all(m['probability'] == p[m['id']] for m in g['members'])" || fail 'logits and generate tell other numbers'
fi

# wait_until_caught PID: until it is the program and catches SIGINT (bit 1 of the mask), at most some seconds.
wait_until_caught() {
    for _ in {1..200}; do
        [ "$(cat "/proc/$1/comm" 2>/dev/null)" = bash ] ||
            ! grep -q '^SigCgt:.*[2367abef]$' "/proc/$1/status" 2>/dev/null || return
        sleep 0.02
    done
}

# ---- Ctrl-C: what was decoded so far, exit code 130 ----
for form in --json ''; do
    # shellcheck disable=SC2086 # may be empty
    "$tempo" generate -p 'The cat' --steps 100000000 --stop never --threshold 1 $form >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    wait_until_caught $pid
    kill -INT $pid 2>/dev/null
    wait $pid
    rc=$?
    # The context may have ended the run before the signal came.
    case $rc in 130) ;; 0) grep -q 'context' "$dir/err" || fail "interrupt: exit code 0" ;; *) fail "interrupt $form: exit code $rc: $(cat "$dir/err")" ;; esac
    if [ -n "$form" ] && [ $rc -eq 130 ]; then check_json "assert d['stopped_by'] == 'interrupt'"; fi
done

# ---- tokenize ----
works tokenize 'Once upon a time'
[ "$(head -1 "$dir/out")" = $'4094\t<|begin_of_text|>' ] || fail "tokenize: $(head -1 "$dir/out")"
works tokenize --no-bos --json '<|end_of_text|>'
check_json "assert d == {'ids': [4095], 'pieces': ['<|end_of_text|>'], 'warnings': []}"
works tokenize --no-bos --no-special --json '<|end_of_text|>'
check_json "assert 4095 not in d['ids'] and len(d['ids']) == len(d['pieces'])"
works tokenize --no-bos --json ''
check_json "assert d == {'ids': [], 'pieces': [], 'warnings': []}"
: >"$dir/empty.txt"
works tokenize -f "$dir/empty.txt" --no-bos
[ -z "$out" ] || fail "empty text: $out"
printf ' two  spaces\n\nand \303\251\360\237\230\200\n' >"$dir/text.txt"
works tokenize -f "$dir/text.txt" --no-bos
cut -f1 "$dir/out" | paste -sd, >"$dir/ids"
works tokenize --decode "$(cat "$dir/ids")"
cmp -s "$dir/out" "$dir/text.txt" || fail 'decode(encode(text)) is not the text'
works tokenize --decode -f "$dir/ids"
cmp -s "$dir/out" "$dir/text.txt" || fail 'decode of a file'
refuses 2 'is not in the vocabulary' tokenize --decode 4096

# ---- chats ----
refuses 2 'need --chat' generate -p x --system y
refuses 2 'need --chat' logits -p x --chat-date 2024-01-01
refuses 2 'not with --prompt-ids' generate --chat --prompt-ids 1,2
refuses 2 'leave --no-bos and --no-special out' generate --chat -p x --no-special
refuses 2 'is not a date' generate --chat -p x --chat-date yesterday
refuses 1 'cannot be opened' generate --chat -p x --chat-template "$dir/nothing"
printf 'a\n{%% include "b" %%}' >"$dir/include.jinja"
refuses 1 'include.jinja: line 2, column 4: the tag {% include %} is not supported' generate --chat -p x --chat-template "$dir/include.jinja"
printf '%s' '{{ raise_exception("Not today.") }}' >"$dir/raise.jinja"
refuses 2 'raise.jinja refuses these messages: Not today.' generate --chat -p x --chat-template "$dir/raise.jinja"
# conversations from files
printf '%s' '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hello <|end_of_text|>"}]' >"$dir/chat.json"
printf '%s' '[{"type": "function", "function": {"name": "look"}}]' >"$dir/tools.json"
printf '%s' "{{ messages[-1].content }}|{{ tools[0].function.name }}|{{ enable_thinking }}|{{ colour }}" >"$dir/tools.jinja"
works logits --messages "$dir/chat.json" --json
file_out=$out
works logits --chat -p ' Hello <|end_of_text|>' --system 'Be kind.' --json
[ "$file_out" = "$out" ] || fail 'a conversation from a file is not the one of -p and --system'
out=$("$tempo" logits --messages - --json <"$dir/chat.json")
[ "$file_out" = "$out" ] || fail 'a conversation from standard input is not the one of the file'
works logits --messages "$dir/chat.json" --tools "$dir/tools.json" --thinking off --chat-template-kwargs '{"colour": "red"}' --chat-template "$dir/tools.jinja" --json
check_json "assert d['prompt'] == ' Hello <|end_of_text|>|look|False|red', d['prompt']"
works logits --chat -p hi --tools "$dir/tools.json" --thinking on --chat-template-kwargs '{"colour": 1}' --chat-template "$dir/tools.jinja" --json
check_json "assert d['prompt'] == 'hi|look|True|1', d['prompt']"
refuses 2 'put the system message into its file' generate --messages "$dir/chat.json" --system x
refuses 2 'give only one of -p, -f, --prompt-ids and --messages' generate --messages "$dir/chat.json" -p x
refuses 2 'need --chat or --messages' generate -p x --tools "$dir/tools.json"
refuses 1 'cannot be opened' generate --messages "$dir/nothing"
refuses 1 'cannot be opened' generate --chat -p x --tools "$dir/nothing"
refuses 1 "$dir/tools.json: messages[0].role: expected a string" generate --messages "$dir/tools.json"
refuses 1 '--chat-template-kwargs: expected an object' generate --chat -p x --chat-template-kwargs '[]'
refuses 2 '--chat-template-kwargs: tools: the template has this name' generate --chat -p x --chat-template-kwargs '{"tools": 1}'
printf '[{"role": "user", "content": [{"type": "image_url"}]}]' >"$dir/image.json"
refuses 1 'messages[0].content[0]: images are not supported' generate --messages "$dir/image.json"

works generate --chat -p ' Hello <|end_of_text|>' --system 'Be kind.' --steps 1 --json
check_json "
assert d['prompt'] == 'Be kind.\\n\\nUser: Hello <|end_of_text|>\\nAssistant:', d['prompt']"
printf '%s' '{{ bos_token }}{{ strftime_now("%d %b %Y") }}|{{ messages[0].content }}<|end_of_text|>' >"$dir/date.jinja"
works logits --chat -p '<|end_of_text|>' --chat-template "$dir/date.jinja" --chat-date 2024-07-26 --json
check_json "
assert d['prompt'] == '<|begin_of_text|>26 Jul 2024|<|end_of_text|><|end_of_text|>', d['prompt']"

mkdir "$dir/with-chat"
ln -s "$PWD/$model"/* "$dir/with-chat"
printf '%s' '[{{ messages[0].content }}]' >"$dir/with-chat/chat_template.jinja"
works inspect "$dir/with-chat"
contains "$out" 'chat template      27 bytes'
works logits -m "$dir/with-chat" --chat -p x --json
check_json "assert d['prompt'] == '[x]', d['prompt']"
printf '%s' '{% trans %}' >"$dir/with-chat/chat_template.jinja"
works inspect "$dir/with-chat"
contains "$out" 'chat template      11 bytes; the chat template of the model: line 1, column 4: the tag {% trans %} is not supported'
works inspect "$dir/with-chat" --json
check_json "assert d['chat_template']['text'] == '{% trans %}' and 'trans' in d['chat_template']['unsupported']"
refuses 1 '--chat-template FILE takes another template' generate -m "$dir/with-chat" --chat -p x

# ---- inspect, logits, doctor, version, help ----
works inspect
contains "$out" 'unsupported        nothing'
contains "$out" 'model.layers.7.mlp.down_proj.weight'
contains "$out" 'chat template      none'
works inspect $model --json
check_json "
assert d['chat_template'] is None
assert d['model']['layers'] == 8 and d['model']['unsupported'] is None and d['tokenizer']['tokens'] == 4096
assert any(t['name'] == 'model.norm.weight' and t['shape'] == [d['model']['d_model']] for t in d['tensors'])"
works logits -p 'The cat sat on the' --top 3 --json
check_json "
assert len(d['top']) == 3 and d['top'][0]['probability'] > d['top'][1]['probability'] and d['prompt'] == 'The cat sat on the'"
works logits -p 'The cat sat on the' --all-positions --top 1 --json --all "$dir/l.npy"
check_json "
p = d['positions']; assert [q['position'] for q in p] == [0, 1, 2, 3, 4, 5] and [q['id'] for q in p] == d['prompt_ids']
assert all(len(q['top']) == 1 and q['entropy'] > 0 for q in p)"
grep -qF "'shape': (6, 4096)" "$dir/l.npy" || fail 'logits of all positions are no [6, 4096]'
works logits -p 'The cat sat on the' --all-positions --top 1
[ "$(grep -c '^after ' "$dir/out")" -eq 6 ] || fail 'no table for each position'
refuses 2 'is for one prompt' logits -f "$dir/p.jsonl" --all-positions --all "$dir/none.npy"
works logits -p 'The cat sat on the' --all "$dir/l.npy"
[ "$(wc -c <"$dir/l.npy")" -eq $((128 + 4 * 4096)) ] || fail "l.npy has $(wc -c <"$dir/l.npy") bytes"
works doctor --json --threads 1 --kv f16
check_json "assert d['holds'] is True and [i['identity'] for i in d['identities']] == ['I%d' % i for i in range(1, 16)]"
works --version
contains "$out" 'tempo 0.'
works --help
contains "$out" generate
for command in generate inspect tokenize logits doctor help version; do
    works $command --help
    contains "$out" 'Exit codes:'
    contains "$out" '130  interrupted'
    options=$(grep -oE '^  (-.,|   ) --[a-z-]+' "$dir/out" | grep -oE -- '--[a-z-]+')
    works help --man $command
    for option in $options; do
        contains "$out" "Fl \\-${option#--}"
    done
    for shell in bash zsh fish; do
        works help --completion $shell
        for option in $options; do contains "$out" "${option#--}"; done
    done
done
refuses 2 'one of bash, zsh, fish' help --completion tcsh
refuses 2 "there is no command 'nothing'" help nothing

# ---- synthetic models and benchmarks ----
refuses 2 'synth needs a file to write: -o FILE' synth
refuses 2 'one of llama-3.2-1b' synth --shape llama-4 -o "$dir/x.gguf"
refuses 2 'one of F32' synth --type Q2_X -o "$dir/x.gguf"
refuses 1 "$dir/none/x.gguf" synth --shape tiny -o "$dir/none/x.gguf"
[ ! -e "$dir/x.gguf" ] || fail 'synth left a file'
works synth --shape tiny --type Q4_K_M -o "$dir/tiny.gguf"
[ -z "$out$err" ] || fail "synth talks: $out$err"
refuses 2 'convert needs a model and the file to write' convert "$dir/tiny.gguf"
refuses 2 'one of F32' convert "$dir/tiny.gguf" "$dir/x.gguf" --type Q9
refuses 2 'allow-requantize' convert "$dir/tiny.gguf" "$dir/x.gguf" --type Q8_0
refuses 2 'is there already' convert "$dir/tiny.gguf" "$dir/tiny.gguf" --type F16
refuses 1 "$dir/none/x.gguf" convert "$dir/tiny.gguf" "$dir/none/x.gguf" --type F16
works convert "$dir/tiny.gguf" "$dir/x.gguf" --type F16 --dry-run
[[ $out == *'Q4_K -> F16'*bytes* ]] || fail "convert --dry-run: $out"
[ ! -e "$dir/x.gguf" ] || fail 'convert --dry-run left a file'
out=$( (ulimit -f 64; "$tempo" convert "$dir/tiny.gguf" "$dir/x.gguf" --type F32 2>&1) ) && fail 'convert on a full disk: exit code 0'
[[ $out == *x.gguf*'cannot be written'* ]] || fail "convert on a full disk: $out"
[ -z "$(find "$dir" -name 'x.gguf*')" ] || fail 'convert on a full disk left a file'
works convert "$dir/tiny.gguf" "$dir/x.gguf" --type Q8_0 --allow-requantize
works inspect -m "$dir/x.gguf"
rm "$dir/x.gguf"
works generate -m "$dir/tiny.gguf" -p 'hello there' -n 3
works bench -m "$dir/tiny.gguf" --rows 1,3 --context 0,70 --sequences 1,2 --prompt 5,130 --repeat 2 --threads 1 --buffer 2
contains "$out" 'rows  context sequences'
contains "$out" 'tokens/s'
works bench -m "$dir/tiny.gguf" --rows 2,1 --repeat 1 --threads 1 --buffer 2 --profile --json --kv f16 --compute fast
check_json "
assert d['read_gbps'] > 0 and d['load_s'] > 0 and d['first_token_s'] > d['load_s'] and d['peak_rss_bytes'] > 0
assert d['threads'] == 1 and d['compute'] == 'fast' and d['kv'] == 'f16' and d['cpu']
assert [c['rows'] for c in d['decode']] == [2, 1]
for c in d['decode']:
    assert c['context'] == 0 and c['sequences'] == 1
    assert 0 < c['ms']['min'] <= c['ms']['median'] <= c['ms']['max']
    assert abs(c['gbps'] * c['ms']['median'] * 1e6 / d['weights_bytes'] - 1) < 1e-9
    assert abs(c['ratio_to_one'] * d['decode'][1]['ms']['median'] / c['ms']['median'] - 1) < 1e-9
    weights = sum(s['bytes'] for s in c['stages'] if s['stage'] != 'attention')
    assert weights == d['weights_bytes'], (weights, d['weights_bytes'])
assert [(p['tokens'], p['compute']) for p in d['prompt']] == [(128, 'fast')]
assert d['prompt'][0]['tokens_per_s'] > 0
"
refuses 2 "'1,x' is not" bench -m "$dir/tiny.gguf" --rows 1,x
refuses 2 "'1,,2' is not" bench -m "$dir/tiny.gguf" --rows 1,,2
refuses 2 'is not a whole number from 1 to 1024' bench -m "$dir/tiny.gguf" --rows 0
refuses 2 'at most 16 numbers' bench --rows 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1
refuses 1 'context' bench -m "$dir/tiny.gguf" --context 5000

# ---- files that are not part of the project ----
if [ -d $shared ]; then
    works generate -m $shared/models/stories260K.gguf --prompt-ids 1 --threshold 1 --steps 60 --json
    check_json "assert d['text'].startswith('Once upon a time, there was a little girl named Lily. She loved to play outside in the park.'), d['text']"
    works generate -m $shared/models/stories260K.gguf --prompt-ids 1 --threshold 1 --steps 60
    case $out in 'Once upon a time, there was a little girl named Lily.'*) ;; *) fail "stories260K: $out" ;; esac
    works inspect $shared/vocab/ggml-vocab-llama-bpe.gguf
    contains "$out" 'tokens             128256'
    works tokenize -m $shared/vocab/ggml-vocab-llama-spm.gguf --json --no-bos 'Hello world'
    check_json "assert d['ids'] == [15043, 3186], d"
    refuses 1 'token_embd.weight is missing' generate -m $shared/vocab/ggml-vocab-llama-spm.gguf -p x
else
    echo 'skipped: what needs models that are not part of the project'
fi

finish
