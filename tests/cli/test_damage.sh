#!/usr/bin/env bash
# Models whose weights are not numbers: every command says so, exits with 1 and writes nothing.
# Usage: test_damage.sh PROGRAM; run from the source root.
tempo=${1:?usage: test_damage.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh damage

works synth --shape tiny --type F32 -o "$dir/sound.gguf"
works inspect --json -m "$dir/sound.gguf"
embedding=$(tr -d ' \n' <"$dir/out" | sed -n 's/.*"token_embd.weight"[^}]*"offset":\([0-9]*\).*/\1/p')
[ -n "$embedding" ] || { fail 'no offset of the embedding'; finish; }

# damage NAME TOKEN BYTES: a copy in which an element of the token's row is that float: it is the output's row, too
damage() {
    cp "$dir/sound.gguf" "$dir/$1.gguf"
    printf '%b' "$3" | dd of="$dir/$1.gguf" bs=1 seek=$((embedding + $2 * 256 * 4 + 8)) conv=notrunc status=none
}
damage nan 777 '\0000\0000\0300\0177'
damage infinity 777 '\0000\0000\0200\0177'
damage minus-infinity 777 '\0000\0000\0200\0377'

for kind in nan infinity minus-infinity; do
    m=$dir/$kind.gguf
    refuses 1 'not finite' logits -p hi -m "$m"
    refuses 1 'not finite' logits -p hi -m "$m" --json
    refuses 1 'not finite' logits -p hi -m "$m" --all "$dir/$kind.npy"
    refuses 1 'not finite' generate -p hi -n 3 -m "$m" --json
    expect 1 'not finite' generate -p hi -n 3 -m "$m" # a newline ends the text
    expect 1 'not finite' generate -p hi -n 3 -m "$m" --jsonl --capture "$dir/capture"
    refuses 1 'not finite' generate -p hi -n 3 -m "$m" --paired --json
    expect 1 'not finite' doctor -m "$m"
    if "$tempo" study --help >/dev/null 2>&1; then
        expect 1 'not finite' experiment run exp1 -m "$m" --no-db --out "$dir/experiments"
        expect 1 'not finite' study run -m "$m" --max-prompts 1 --no-db --out "$dir/study-$kind"
        [ -z "$(find "$dir/experiments" "$dir/study-$kind" -name '*.npz' -o -name 'results.json' -o -name '.*')" ] ||
            fail "$kind: files are left: $(find "$dir/experiments" "$dir/study-$kind")"
    fi
done
[ -z "$(find "$dir" -name '*.npy' -o -name capture)" ] || fail "files are left: $(ls "$dir")"

# ---- the server: an answer with an error, or an event
want='are not finite numbers'
post() {
    local body=$2
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "$1" ${#body} "$body" >&3
    answer=$(tr -d '\0' <&3)
    exec 3>&-
    contains "$answer" "$want"
    case ${answer,,} in *:nan* | *,nan* | *:-nan* | *:inf* | *logprobs*) fail "$1 $2: $answer" ;; esac
}
# start MODEL: a server; end it with `stop`
start() {
    : >"$dir/log"
    "$tempo" serve --port 0 --threads 1 -m "$1" >"$dir/out" 2>"$dir/log" </dev/null &
    server=$!
    until port=$(sed -n 's|^tempo: serving .* at http://.*:\([0-9]*\)/$|\1|p' "$dir/log") && [ -n "$port" ]; do
        kill -0 "$server" 2>/dev/null || { fail "serve: it ended: $(cat "$dir/log")"; finish; }
        sleep 0.05
    done
}
stop() {
    kill -TERM "$server"
    wait "$server" || fail "serve: exit code $?"
}
if "$tempo" serve --help >/dev/null 2>&1; then
    start "$dir/nan.gguf"
    post /v1/completions '{"prompt": "hello", "max_tokens": 2, "echo": true, "logprobs": 3}'
    post /v1/completions '{"prompt": "hello", "max_tokens": 0, "echo": true, "logprobs": 3}'
    post /v1/completions '{"prompt": "hello", "max_tokens": 2, "stream": true}'
    post /v1/tempo/generate '{"prompt": "hello"}'
    post /v1/tempo/next '{"prompt": "hello"}'
    stop

    # a model that is cut short while it is served: an error, and the server goes on
    cp "$dir/sound.gguf" "$dir/short.gguf"
    start "$dir/short.gguf"
    truncate -s 100000 "$dir/short.gguf"
    want='short.gguf: the file was cut short while it was in use'
    post /v1/completions '{"prompt": "hello", "max_tokens": 2}'
    post /v1/tempo/next '{"prompt": "hello"}'
    stop
fi

finish
