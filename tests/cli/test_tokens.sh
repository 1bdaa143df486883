#!/usr/bin/env bash
# Models whose tokenizer, template or special tokens are broken: what is sound works, what is not is said once and refused by
# its reason; and texts that name BOS themselves.  Usage: test_tokens.sh PROGRAM.  Run from the source root.
tempo=${1:?usage: test_tokens.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh tokens
model=$PWD/models/tempo-tiny
if ! has_python; then
    echo 'skipped: no python3'
    exit 77
fi

# broken NAME FILE PYTHON: the built-in model with one file changed; d is its JSON
broken() {
    mkdir -p "$dir/$1"
    ln -s "$model"/*.safetensors "$model"/*.json "$dir/$1"
    rm "$dir/$1/$2"
    python3 -c "
import json
d = json.load(open('$model/$2'))
$3
json.dump(d, open('$dir/$1/$2', 'w'))"
}

# said_once TEXT
said_once() { [ "$(grep -c -F "$1" "$dir/err")" -eq 1 ] || fail "'$1' is not said once: $err"; }

works generate -p 'The cat sat on the' --json --steps 6
ids=$(python3 -c "import json; print(*json.load(open('$dir/out'))['prompt_ids'], sep=',')")
cp "$dir/out" "$dir/whole.json"
works generate --prompt-ids "$ids" --steps 6
text=$out

# ---- nothing of the tokenizer: ids, and where the text ends ----
broken none tokenizer.json "d['model'] = 3"
works generate -m "$dir/none" --prompt-ids "$ids" --steps 6 --json
said_once 'no tokenizer, prompts must be token ids: tokenizer.json: the file: expected an object with a "model" object'
check_json "
w = json.load(open('$dir/whole.json'))
sets = lambda d: [[(m['id'], m['probability'], m['slot']) for m in s['members']] for s in d['steps']]
assert sets(d) == sets(w) and [s['eos'] for s in d['steps']] == [s['eos'] for s in w['steps']] and d['text'] == ''"
works generate -m "$dir/none" --prompt-ids "$ids" --steps 2
works logits -m "$dir/none" --prompt-ids "$ids" --top 3
works inspect "$dir/none"
contains "$out" 'tokenizer          none'
works inspect "$dir/none" --json
check_json "assert d['tokenizer'] is None and d['model']['unsupported'] is None and len(d['model']['notes']) == 1, d['model']"
expect 1 'the model has no tokenizer, prompts must be token ids: tokenizer.json' generate -m "$dir/none" -p x --steps 1
expect 1 'the model has no tokenizer, prompts must be token ids: tokenizer.json' generate -m "$dir/none" --chat -p x --steps 1
refuses 1 'tokenizer.json: the file: expected an object' tokenize -m "$dir/none" x
if "$tempo" experiment --help >/dev/null 2>&1; then
    expect 1 'the model has no tokenizer' experiment run exp1 -m "$dir/none" --out "$dir/runs"
    said_once "$dir/none: no tokenizer, prompts must be token ids"
fi
printf '{' >"$dir/none/tokenizer.json"
works generate -m "$dir/none" --prompt-ids "$ids" --steps 2
said_once 'tokenizer.json'
rm "$dir/none/tokenizer.json"
works generate -m "$dir/none" --prompt-ids "$ids" --steps 2
said_once 'there is no tokenizer.json'

# ---- ids to text, not text to ids ----
broken half tokenizer.json "d['pre_tokenizer'] = {'type': 'Klingon'}"
works generate -m "$dir/half" --prompt-ids "$ids" --steps 6
[ "$out" = "$text" ] || fail "ids without a pre-tokeniser: '$out', expected '$text'"
said_once 'text cannot become tokens: pre_tokenizer "Klingon" is not supported'
works tokenize -m "$dir/half" --decode "$ids"
works doctor -m "$dir/half"
expect 1 'text cannot become tokens: pre_tokenizer "Klingon"' generate -m "$dir/half" -p x --steps 1
expect 1 'text cannot become tokens: pre_tokenizer "Klingon"' generate -m "$dir/half" --chat -p x --steps 1
expect 1 'text cannot become tokens: pre_tokenizer "Klingon"' tokenize -m "$dir/half" x
works inspect "$dir/half" --json
check_json "assert d['tokenizer']['kind'] == 'bpe' and d['tokenizer']['unsupported'].startswith('text cannot become tokens'), d['tokenizer']"

# ---- the template, and where texts end ----
broken chat tokenizer_config.json "d['chat_template'] = [{'name': 'rag', 'template': 'R'}]"
works generate -m "$dir/chat" -p 'The cat sat on the' --steps 2
said_once 'the chat template cannot be used: tokenizer_config.json: chat_template'
expect 1 'none is a text called "default"' generate -m "$dir/chat" --chat -p x --steps 1
printf '{{ messages[0].content }}' >"$dir/own.jinja"
works generate -m "$dir/chat" --chat --chat-template "$dir/own.jinja" -p x --steps 1
works inspect "$dir/chat"
contains "$out" 'chat template      refused; '
broken ends generation_config.json "d['eos_token_id'] = -1"
works generate -m "$dir/ends" -p 'The cat sat on the' --steps 2
said_once 'generation_config.json: eos_token_id: the end-of-sequence id -1'

# ---- BOS twice ----
works tokenize '<|begin_of_text|>Hi'
[ "$(cut -f1 "$dir/out" | head -2 | paste -sd,)" = 4094,4094 ] || fail "BOS twice: $out"
said_once 'begins with the token that the model'
contains "$err" '--no-bos'
works tokenize --json '<|begin_of_text|>Hi'
check_json "assert len(d['warnings']) == 1 and 'twice' in d['warnings'][0]"
works generate -p '<|begin_of_text|>Hi' --steps 1 --json
said_once 'begins with the token that the model'
check_json "assert d['prompt_ids'][:2] == [4094, 4094] and len(d['warnings']) == 1"
for words in "--no-bos" "--no-special"; do
    works generate -p '<|begin_of_text|>Hi' --steps 1 $words
    case $err in *twice*) fail "$words: $err" ;; esac
done
works generate -p 'Hi' --steps 1 --json
check_json "assert d['warnings'] == []"

finish
