#!/usr/bin/env bash
# The arm64 wheel's library, with what the wheel holds beside it: an example linked with it decodes with the wheel's model under qemu-aarch64.
# Usage: tools/wheel-arm64-check.sh DIR SYSROOT      DIR: that of tools/wheel.sh DIR arm64 SYSROOT
set -euo pipefail
dir=$(cd "${1:?usage: tools/wheel-arm64-check.sh DIR SYSROOT}" && pwd) sysroot=$(cd "${2:?usage: tools/wheel-arm64-check.sh DIR SYSROOT}" && pwd)
cd "$(dirname "$0")/.."
inside=$dir/parts/unpacked
rm -rf "$inside"
python3 -m zipfile -e "$dir"/tempo_lm-*manylinux*_aarch64.whl "$inside"
aarch64-linux-gnu-gcc -std=c11 -Iinclude examples/decode.c -o "$inside/decode" -L"$inside/tempo_lm" -ltempo -Wl,--allow-shlib-undefined
out=$(cd / && qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$inside/tempo_lm:$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu" \
    -E TEMPO_MODELS= "$inside/decode")
[ -n "$out" ] || { echo 'wheel-arm64-check: the example printed nothing' >&2; exit 1; }
printf 'arm64 wheel: %s\n' "$(head -1 <<<"$out")"
