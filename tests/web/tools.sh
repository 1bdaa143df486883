#!/usr/bin/env bash
# For the scripts beside it: finds what the page's tests need, or says what is missing and ends with 77.

# has_node: Node 20 or later, with npm.
has_node() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'
}

# find_chromium: its path; CHROMIUM in the environment goes first.
find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -z "$name" ] || { command -v "$name" && return; }
    done
    return 1
}

skip() { printf 'skipped: %s\n' "$1"; exit 77; }

# install_packages DIR: what DIR's lock file names.  Without a registry this cannot be done; with one it must.
install_packages() {
    (cd "$1" && npm ci --no-audit --no-fund >npm.log 2>&1) && return
    (cd "$1" && npm ping >/dev/null 2>&1) || skip 'no package registry can be reached from here'
    cat "$1/npm.log" >&2
    return 1
}
