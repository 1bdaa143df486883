#!/usr/bin/env bash
# What users give as a model: windows, the hub's cache, files that are not what they seem.
# Usage: test_models.sh PROGRAM.  Run from the source root.
tempo=${1:?usage: test_models.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh models
model=$PWD/models/tempo-tiny

# link_model DIR: the built-in model, its config.json apart, which may be edited
link_model() {
    mkdir -p "$1"
    ln -s "$model"/*.safetensors "$model"/tokenizer*.json "$model"/generation_config.json "$1"
    cp "$model/config.json" "$1"
}

# ---- a window of 40: the same numbers while it holds everything, others later; the whole context ----
link_model "$dir/window"
sed -i 's/"model_type": "llama"/"model_type": "mistral", "sliding_window": 40/; s/LlamaForCausalLM/MistralForCausalLM/' "$dir/window/config.json"
works generate -p 'The cat sat on the' --steps 20
plain=$out
works generate -m "$dir/window" -p 'The cat sat on the' --steps 20
[ "$out" = "$plain" ] || fail "with a window: '$out', without '$plain'"
works generate -p 'The cat sat on the' --steps 100
plain=$out
works generate -m "$dir/window" -p 'The cat sat on the' --steps 100
[ "$out" != "$plain" ] || fail "the window changes nothing: '$out'"
works inspect "$dir/window"
contains "$out" 'context length     512'
contains "$out" 'sliding window     40'
works inspect "$dir/window" --json
check_json "
m = d['model']
assert m['context_length'] == 512 and m['sliding_window'] == 40 and m['notes'] == [] and m['unsupported'] is None, m"
works inspect "$model" --json
check_json "assert d['model']['notes'] == [] and d['model']['sliding_window'] is None"

# ---- the hub's cache ----
export HOME=$dir/home
unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME XDG_CACHE_HOME
snapshot=$HOME/.cache/huggingface/hub/models--org--name/snapshots/0123abcd
mkdir -p "$snapshot"
works synth --shape tiny --type F32 -o "$snapshot/tiny-F32.gguf"
cp "$snapshot/tiny-F32.gguf" "$snapshot/tiny-f32-again.gguf"
works inspect org/name/tiny-F32.gguf
contains "$out" "$snapshot/tiny-F32.gguf"
works inspect org/name@0123:f32-AGAIN
contains "$out" "$snapshot/tiny-f32-again.gguf"
refuses 1 'org/name holds 2 models; add /FILE or :TAG to its name: tiny-F32.gguf, tiny-f32-again.gguf' inspect org/name
refuses 1 'org/name has no model "Q4_K_M"; it has: tiny-F32.gguf, tiny-f32-again.gguf' inspect org/name:Q4_K_M
export XDG_CACHE_HOME=\~/elsewhere
refuses 1 "not in the cache $HOME/elsewhere/huggingface/hub" inspect org/name
unset XDG_CACHE_HOME
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n' >"$snapshot/tiny-F32.gguf"
refuses 1 'is a Git LFS pointer' inspect org/name/tiny-F32.gguf
ln -sf ../../blobs/gone "$snapshot/tiny-F32.gguf"
refuses 1 'is a link to ../../blobs/gone, which is not there' inspect org/name/tiny-F32.gguf

finish
