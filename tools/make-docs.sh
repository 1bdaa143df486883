#!/usr/bin/env bash
# Let the program write its man pages and completions.  Usage: tools/make-docs.sh OUTDIR PROGRAM...
# PROGRAM may have an emulator in front.
set -euo pipefail
out=$1
shift
rm -rf "$out/man" "$out/completions"
mkdir -p "$out/man/man1" "$out/completions"
names=$("$@" help --list) || { echo 'no man pages: the program has no help --list'; exit 0; }
for name in $names; do
    page=tempo-$name
    [ "$name" = tempo ] && page=tempo
    "$@" help --man "$name" >"$out/man/man1/$page.1"
done
"$@" help --completion bash >"$out/completions/tempo"
"$@" help --completion zsh >"$out/completions/_tempo"
"$@" help --completion fish >"$out/completions/tempo.fish"
