#!/usr/bin/env bash
# tempo serve as its users meet it: starting, keys, the page, errors, signals.  Usage: test_serve.sh PROGRAM
# Run from the source root.
tempo=${1:?usage: test_serve.sh PROGRAM}
# shellcheck source=tests/cli/preamble.sh
. tests/cli/preamble.sh serve serve
needs_command serve
server=''
trap '[ "$BASHPID" -ne $$ ] || { [ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$dir"; }' EXIT

# start ARGS...: a server on a port of its own: $server, $port, messages in $dir/log
start() {
    : >"$dir/log" # of an earlier one, which the new one may not have emptied yet
    "$tempo" serve --port 0 --threads "${threads:-1}" "$@" >"$dir/served" 2>"$dir/log" </dev/null &
    server=$! port=''
    until port=$(sed -n 's|^tempo: serving .* at http://.*:\([0-9]*\)/.*$|\1|p' "$dir/log") && [ -n "$port" ]; do
        kill -0 "$server" 2>/dev/null || { fail "serve $*: it ended: $(cat "$dir/log")"; return 1; }
        sleep 0.05
    done
}

# end SIGNAL CODE: end it, with that exit code
end() {
    local rc=0
    kill -"$1" "$server"
    wait "$server" || rc=$?
    server=''
    [ $rc -eq "$2" ] || fail "SIG$1: exit code $rc, expected $2 ($(cat "$dir/log"))"
}

# ask METHOD TARGET [HEADER]...: the answer in $answer
ask() {
    local method=$1 target=$2
    shift 2
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    { printf '%s %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n' "$method" "$target" "$port"
      for header; do printf '%s\r\n' "$header"; done
      printf '\r\n'; } >&3
    answer=$(tr -d '\0' <&3)
    exec 3>&-
}

answers() { case $answer in "HTTP/1.1 $1 "*) ;; *) fail "$2: expected $1: ${answer:0:200}" ;; esac; }

# ---- starting and ending
if start; then
    ask GET /health && answers 200 /health && contains "$answer" '"status"'
    ask GET / && answers 200 / && contains "$answer" "default-src 'self'"
    ask GET /v1/tempo/info && answers 200 /v1/tempo/info
    ask GET /openapi.json && answers 200 /openapi.json
    if command -v python3 >/dev/null; then # the page's types are those of the document
        printf '%s' "${answer#*$'\r\n\r\n'}" | python3 tools/page-types.py - >"$dir/types.ts"
        cmp "$dir/types.ts" web/src/lib/types.ts ||
            fail 'web/src/lib/types.ts is not up to date: tools/page-types.py OPENAPI.json >web/src/lib/types.ts'
    fi
    ask GET /../../etc/passwd && answers 400 traversal
    expect 1 "cannot listen on 127.0.0.1 port $port: Address already in use" --port "$port"
    [ ! -s "$dir/served" ] || fail 'something on standard output'
    [ "$(wc -l <"$dir/log")" -eq 1 ] || fail "more than one line: $(cat "$dir/log")"
    end TERM 0
fi
start && end INT 0

# ---- streams end with an event
if start; then
    exec 4<>"/dev/tcp/127.0.0.1/$port"
    body='{"prompt": "a", "steps": 4000, "threshold": 0.01, "stop": "never", "context": "top"}'
    printf 'POST /v1/tempo/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
        ${#body} "$body" >&4
    for ((i = 0; i < 40; i++)); do read -r -t 20 line <&4 || break; case $line in 'event: set'*) break ;; esac; done
    case $line in 'event: set'*) ;; *) fail "no set in the stream: $line" ;; esac
    end TERM 0
    answer=$(tr -d '\0' <&4)
    exec 4>&-
    contains "$answer" 'event: error'
    contains "$answer" '"shutdown"'
fi

# ---- a stream says what generate --jsonl says, byte for byte
# same BODY ARGS...: the sets of a request, and those of a command line
same() {
    local body=$1
    shift
    exec 4<>"/dev/tcp/127.0.0.1/$port" # HTTP/1.0: no chunks
    printf 'POST /v1/tempo/generate HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
        ${#body} "$body" >&4
    tee "$dir/whole" <&4 | sed -n 's/"given":false,//; s/^data: \({"step":.*"members":.*\)$/\1/p' >"$dir/stream"
    exec 4>&-
    "$tempo" generate --jsonl -p 'Once upon a time' "$@" >"$dir/lines" 2>"$dir/figures" || fail "generate $*: $(cat "$dir/figures")"
    [ -s "$dir/lines" ] || fail "generate $*: nothing"
    cmp -s "$dir/stream" "$dir/lines" || fail "generate $*: $(diff "$dir/stream" "$dir/lines" | cut -c1-300 | head -4)"
}
if threads=0 start; then
    prompt='"prompt": "Once upon a time", "steps": 12'
    same "{$prompt, \"arms\": [\"isolated\", \"visible\"], \"threshold\": 0.04}" --paired -n 12 -t 0.04
    same "{$prompt, \"arms\": [\"isolated\", \"visible\"], \"threshold\": 0.04, \"visible_layers\": \"2-3\", \"readout\": \"geometric\", \"positions\": \"offset:0.5\",
        \"max_set\": 3, \"temperature\": 1.5, \"stop\": \"never\", \"kv\": \"f16\", \"context\": \"all\", \"no_bos\": true}" \
        --paired -n 12 -t 0.04 --visible-layers 2-3 --readout geometric --positions offset:0.5 --max-set 3 --temperature 1.5 --stop never --kv f16 --no-bos
    grep -q '"threads":[1-9]' "$dir/whole" || fail "a config does not say how many threads there are: $(grep -o '"threads":[^,]*' "$dir/whole")"
    end TERM 0
fi

# ---- keys
printf '  sesame\n' >"$dir/key" && chmod 600 "$dir/key"
if start --api-key-file "$dir/key"; then
    ask GET /health && answers 200 /health
    ask GET /v1/tempo/info && answers 401 'no key'
    ask GET /v1/tempo/info 'Authorization: Bearer sesam' && answers 401 'another key'
    ask GET /v1/tempo/info 'Authorization: Bearer sesame' && answers 200 'the key'
    end TERM 0
fi
: >"$dir/empty"
expect 1 'holds no key' --api-key-file "$dir/empty"
printf 'two words' >"$dir/words"
expect 1 'is not part of a key' --api-key-file "$dir/words"
expect 1 'cannot be opened' --api-key-file "$dir/none"
chmod 644 "$dir/key"
if start --api-key-file "$dir/key"; then
    grep -q 'can be read by everyone' "$dir/log" || fail 'no word on a key that everyone can read'
    end TERM 0
fi

# ---- other addresses
if start --host 0.0.0.0; then
    grep -q 'warning: whoever reaches 0.0.0.0' "$dir/log" || fail 'no warning about an open address'
    end TERM 0
fi
# ---- behind a forwarded port, a proxy, a path
# as HOST ORIGIN METHOD TARGET: ask as who comes to HOST from a page of ORIGIN (or '')
as() {
    local host=$1 origin=$2
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    { printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' "$3" "$4" "$host"
      [ -z "$origin" ] || printf 'Origin: %s\r\n' "$origin"
      printf '\r\n'; } >&3
    answer=$(tr -d '\0' <&3)
    exec 3>&-
}
if start; then
    as localhost:9000 http://localhost:9000 GET /v1/tempo/info && answers 200 'a forwarded port'
    as localhost:9000 http://localhost:9001 GET /v1/tempo/info && answers 403 'a page of another port'
    as tempo.example '' GET /health && answers 403 'a name that nobody allowed'
    contains "$answer" '--allow-host'
    end TERM 0
fi
if start --allow-host tempo.example --allow-host other.example:8443 --base-path /on/tempo; then
    as tempo.example:99 https://tempo.example:99 GET /on/tempo/v1/tempo/info && answers 200 'below a path'
    as other.example:8443 '' GET /health && answers 200 'another allowed name'
    as other.example '' GET /health && answers 403 'an allowed name at another port'
    as tempo.example '' GET /on/tempo && answers 308 'the path itself'
    contains "$answer" 'Location: tempo/'
    as tempo.example '' GET /on/tempo/ && answers 200 'the page below a path'
    contains "$answer" '<script type="module" crossorigin src="./assets/'
    end TERM 0
fi
expect 2 '--allow-host http://a: expected NAME' --allow-host http://a
expect 2 '--base-path /a/: expected a path' --base-path /a/

expect 1 'no.such.name.invalid' --host no.such.name.invalid
expect 2 'whole number from 0 to 65535' --port 70000
expect 2 'whole number from 1' --max-steps 0
expect 1 'none.gguf' -m "$dir/none.gguf"

# ---- a chat template that cannot be parsed is told at the start, once; what needs no chat is served, and so are chats by another template
mkdir "$dir/model"
ln -s "$PWD"/models/tempo-tiny/* "$dir/model"
printf '%s' '{% if %}' >"$dir/model/chat_template.jinja"
printf '%s' '{{ messages[0].content }}' >"$dir/good.jinja"
if start -m "$dir/model"; then
    contains "$(cat "$dir/log")" "the chat template of the model: line 1, column 7: expected an expression, found '%}': requests with messages are refused"
    ask GET /health && answers 200 'a model whose template is broken'
    [ "$(grep -c 'chat template of' "$dir/log")" -eq 1 ] || fail "said more than once: $(cat "$dir/log")"
    end TERM 0
fi
if start -m "$dir/model" --chat-template "$dir/good.jinja"; then
    if grep -q 'chat template' "$dir/log"; then fail "a template that is not used is told of: $(cat "$dir/log")"; fi
    end TERM 0
fi
"$tempo" generate -m "$dir/model" --chat -p x >"$dir/out" 2>"$dir/err" && fail 'a broken template is used'
[ ! -s "$dir/out" ] || fail "something was decoded: $(cat "$dir/out")"
[ "$(grep -c 'the chat template of the model: line 1, column 7' "$dir/err")" -eq 1 ] || fail "generate --chat: $(cat "$dir/err")"

# ---- the browser
mkdir "$dir/bin"
# shellcheck disable=SC2016 # expanded by that script
printf '#!/bin/sh\nprintf %%s "$1" >"%s/opened.tmp" && mv "%s/opened.tmp" "%s/opened"\n' "$dir" "$dir" "$dir" >"$dir/bin/xdg-open"
cp "$dir/bin/xdg-open" "$dir/bin/open" && chmod +x "$dir"/bin/*
if PATH=$dir/bin:$PATH start --open; then
    for ((i = 0; i < 400; i++)); do [ -e "$dir/opened" ] && break; sleep 0.05; done
    [ "$(cat "$dir/opened" 2>/dev/null)" = "http://127.0.0.1:$port/" ] || fail "opened: $(cat "$dir/opened" 2>/dev/null), the port is $port"
    end TERM 0
fi

finish
