#!/usr/bin/env bash
# The page in Chromium, against a program that serves it.  Usage: tests/web/run.sh PROGRAM [WORK_DIR]
# Exit 0: passed; 77: Node 20 or Chromium is missing.  TEMPO_SHOTS=DIR keeps pictures of the page.
set -euo pipefail
program=$(realpath "${1:?usage: tests/web/run.sh PROGRAM [WORK_DIR]}")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/web/tools.sh
. "$here/tools.sh"

has_node || skip 'the page in a browser: no Node 20 with npm'
CHROMIUM=$(find_chromium) || skip 'the page in a browser: no Chromium'
export CHROMIUM

work=${2:-}
[ -n "$work" ] || { work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; }
mkdir -p "$work"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$work"
install_packages "$work"
rc=0
node "$work/e2e.mjs" "$program" || rc=1
node "$work/views.mjs" "$program" || rc=1
node "$work/inside.mjs" "$program" || rc=1
node "$work/places.mjs" "$program" || rc=1
exit "$rc"
