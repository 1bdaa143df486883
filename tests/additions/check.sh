#!/usr/bin/env bash
# What HACKING.md says of additions is so: each patch here adds one thing with one new file and one row; all are applied to a copy of the
# source, which is built, and each shows that it is there.  Usage: tests/additions/check.sh WORK_DIR
set -euo pipefail
work=${1:?usage: tests/additions/check.sh WORK_DIR}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

# The tree as it is, but for what is built.
rm -rf "$work/tree" "$work/study"
mkdir -p "$work/tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --ignore-failed-read 2>/dev/null | tar -xf - -C "$work/tree"
for patch in "$here"/*.patch; do
    rows=$(grep -c '^+++ b/' "$patch")
    files=$(grep -c '^--- /dev/null' "$patch")
    if [ "$files" -ne 1 ] || [ "$rows" -ne 2 ]; then echo "additions: $(basename "$patch") touches $rows files, $files of them new: one file and one row were meant" >&2; exit 1; fi
    patch -s -d "$work/tree" -p1 <"$patch" || { echo "additions: $(basename "$patch") does not apply: mend it together with HACKING.md" >&2; exit 1; }
done
# As deep below its tree as the other builds are below theirs: what they compiled is not compiled again (tools/compile-once.sh).
build=$work/tree/build/check/gcc
cmake -S "$work/tree" -B "$build" -G Ninja -DTEMPO_WERROR=ON -DTEMPO_TESTS=OFF -DTEMPO_DOCS=OFF -DTEMPO_DEBUG_INFO=-g0 >"$work/cmake.log"
cmake --build "$build" --target tempo_program -j "$(nproc)" >"$work/build.log" || { tail -40 "$work/build.log"; exit 1; }
tempo=$build/tempo
fail() { printf 'additions: %s\n' "$*" >&2; exit 1; }

[ "$("$tempo" count -p 'The cat sat')" -eq "$("$tempo" tokenize 'The cat sat' | wc -l)" ] || fail 'the command does not count'
"$tempo" help | grep -q '^  count ' || fail 'help does not know the command'
"$tempo" study run --max-prompts 2 --steps 4 --no-db --out "$work/study" >/dev/null 2>"$work/study.log" || { cat "$work/study.log"; fail 'the study does not run'; }
grep -q '"hellinger"' "$work/study/report.json" || fail 'the report does not know the metric'
rm -rf "$work/study"
[ "$("$tempo" generate -p "The cat" -n 3 --json 2>&1 >/dev/null | grep -c "^size isolated ")" -eq 3 ] || fail "the sink hears nothing"
"$tempo" serve --port 0 >"$work/serve.out" 2>"$work/serve.log" </dev/null & server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until port=$(sed -n 's|^tempo: serving .* at http://.*:\([0-9]*\)/.*$|\1|p' "$work/serve.log") && [ -n "$port" ]; do
    kill -0 "$server" 2>/dev/null || { cat "$work/serve.log"; fail 'the server does not start'; }
    sleep 0.05
done
ask() { exec 3<>"/dev/tcp/127.0.0.1/$port"; printf 'GET %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$1" "$port" >&3; cat <&3; exec 3>&-; }
ask /version | grep '"version"' >/dev/null || fail 'the server does not know the route'
ask '/version?x=1' | grep 'there is no such parameter' >/dev/null || fail 'the route takes what its row does not name'
ask /openapi.json | grep '#/components/schemas/Version' >/dev/null || fail 'the document does not know the route'
echo "additions: $(find "$here" -name '*.patch' | wc -l) applied, built, there"
