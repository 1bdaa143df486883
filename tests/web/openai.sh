#!/usr/bin/env bash
# The official client of OpenAI's API against a program that serves.  Usage: tests/web/openai.sh PROGRAM [WORK_DIR]
# Exit 0: passed; 77: Node 20 is missing.
set -euo pipefail
program=$(realpath "${1:?usage: tests/web/openai.sh PROGRAM [WORK_DIR]}")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/web/tools.sh
. "$here/tools.sh"

has_node || skip 'the client of OpenAI: no Node 20 with npm'
work=${2:-}
[ -n "$work" ] || { work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; }
mkdir -p "$work"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$work"
install_packages "$work"
node "$work/openai.mjs" "$program"
