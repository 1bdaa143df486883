#!/usr/bin/env bash
# Builds the page from its sources in a copy, with its checks and tests, and compares the result with the committed web/dist.
# Usage: tests/web/rebuild.sh [WORK_DIR]    Exit 0: the same bytes; 77: Node 20 is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
web=$here/../../web
# shellcheck source=tests/web/tools.sh
. "$here/tools.sh"

has_node || skip 'the page built anew: no Node 20 with npm'
work=${1:-}
[ -n "$work" ] || { work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; }
rm -rf "$work/web"
mkdir -p "$work/web"
(cd "$web" && tar -cf - --exclude=./node_modules --exclude=./dist .) | tar -xf - -C "$work/web"
install_packages "$work/web"
cd "$work/web"
npm run check
npm test
npm run build
diff -r "$web/dist" dist || { echo 'web/dist is not what its sources give: cd web && npm ci && npm run build' >&2; exit 1; }
echo 'web/dist is what its sources give'
