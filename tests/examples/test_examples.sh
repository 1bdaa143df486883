#!/usr/bin/env bash
# Run one example as a reader would and check what it prints.  Usage: test_examples.sh NAME PROGRAM
# Run from the source root; the model is the built-in one, named by its path.
set -euo pipefail
name=${1:?} program=${2:?}
model=models/tempo-tiny

fail() { printf 'example %s: %s\n' "$name" "$*" >&2; exit 1; }

test_decode() {
    local out
    out=$("$program" $model 'Once upon a time' 0.05) || fail "exit code $?"
    case $out in 'Once upon a time'?*) ;; *) fail "printed: $out" ;; esac
    grep -q '\[[^]/]*/[^]]*\]' <<<"$out" || fail "no set of several members in: $out"
    # A threshold of 1 gives sets of one: the text of greedy decoding.
    out=$("$program" $model 'Once upon a time' 1) || fail "exit code $?"
    ! grep -q '\[' <<<"$out" || fail "threshold 1 gave a set: $out"
    ! "$program" $model text 2 2>/dev/null || fail 'a threshold of 2 was accepted'
    ! "$program" no-such-model 2>/dev/null || fail 'a model that is not there was opened'
}

test_two_sequences() {
    local out
    out=$("$program" $model 'The cat sat on the') || fail "exit code $?"
    # Six numbers a layer: three isolated members, exactly 0, then three visible ones, above 0.
    awk '/^layer/ {table = 1; next}
         table {
             layers++
             if (NF != 7 || $1 != layers - 1) exit bad = 1
             for (i = 2; i <= 4; i++) if ($i != "0.000000") exit bad = 1
             for (i = 5; i <= 7; i++) if (!($i > 0 && $i < 1)) exit bad = 1
         }
         END {exit bad || layers == 0}' <<<"$out" || fail "unexpected table: $out"
}

test_paired_run() {
    local out dir
    dir=$(mktemp -d)
    out=$("$program" $model "$dir/out") || fail "exit code $?"
    [ "$(grep -cE '^(The cat sat on the|Once upon a time): isolated [0-9]+ members, visible [0-9]+ members,' <<<"$out")" -eq 2 ] || fail "printed: $out"
    for file in cat/isolated cat/visible time/isolated time/visible; do
        [ -s "$dir/out/$file/attention_weights.npz" ] || fail "no capture in $file"
    done
    ! "$program" $model "$dir/out" 2>/dev/null || fail 'a capture was written over'
    rm -rf "$dir"
}

test_ablate() {
    local out
    out=$("$program" $model 'The cat sat on the') || fail "exit code $?"
    # eight layers with a number for each head, some of them not 0; then the observer that writes
    [ "$(grep -cE '^layer +[0-7]:( +[-+][0-9]+\.[0-9]+){8}$' <<<"$out")" -eq 8 ] || fail "printed: $out"
    grep -qE '[-+]1\.[0-9]+' <<<"$out" || fail "no head does anything: $out"
    grep -q '^head 0 of layer 0 halved' <<<"$out" || fail "printed: $out"
    ! "$program" no-such-model text 2>/dev/null || fail 'a model that is not there was opened'
}

test_patch() {
    local out
    out=$("$program" $model 'The cat sat on the' 'The dog sat on the' ' floor') || fail "exit code $?"
    # the words that differ: before the first layer only that position matters, and it brings back everything
    [ "$(grep -E '^layer +0:' <<<"$out" | tr -s ' ')" = 'layer 0: 0.00 0.00 1.00 0.00 0.00 0.00' ] || fail "printed: $out"
    [ "$(grep -cE '^layer +[0-7]:( +-?[0-9]+\.[0-9]+){6}$' <<<"$out")" -eq 8 ] || fail "printed: $out"
    ! "$program" $model 'The cat' 'The dog sat' ' floor' 2>/dev/null || fail 'prompts of two lengths were accepted'
}

declare -F "test_$name" >/dev/null || fail 'has no test here'
"test_$name"
