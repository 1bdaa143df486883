#!/usr/bin/env bash
# The Python package from a source distribution: it is made, it names what a machine lacks, and it is installed and used.
# Usage: tools/sdist-check.sh DIR       DIR: that of tools/wheel.sh, whose tools it uses
set -euo pipefail
dir=$(cd "${1:?usage: tools/sdist-check.sh DIR}" && pwd)
cd "$(dirname "$0")/.."
fail() { printf 'sdist-check: %s\n' "$*" >&2; exit 1; }

rm -rf "$dir/parts/sdist" "$dir/parts/sdist-venv"
"$dir/parts/tools/bin/python" -m build --sdist --outdir "$dir/parts/sdist" python >"$dir/parts/sdist.log" 2>&1 || { tail -40 "$dir/parts/sdist.log"; fail 'no sdist'; }
sdist=$(find "$dir/parts/sdist" -name 'tempo_lm-*.tar.gz')
[ -n "$sdist" ] || fail 'no sdist'

# A machine without a compiler and libraries: one message that names them all, and nothing compiled.
python3 -m venv "$dir/parts/sdist-venv"
python=$dir/parts/sdist-venv/bin/python
"$python" -m pip install -q --disable-pip-version-check scikit-build-core cffi numpy
mkdir "$dir/parts/sdist/empty"
if PATH=$dir/parts/sdist/empty "$python" -m pip install --no-build-isolation --no-deps "$sdist" >"$dir/parts/sdist/lacking" 2>&1; then fail 'built without a compiler'; fi
for word in 'a C compiler' pkg-config 'jansson >= 2.13' zlib libjansson-dev; do
    grep -q -- "$word" "$dir/parts/sdist/lacking" || { cat "$dir/parts/sdist/lacking"; fail "what is missing is not named: $word"; }
done

"$python" -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps "$sdist" || fail 'not installed from the sdist'
(cd / && "$python" -c 'import tempo_lm as tl; m = tl.Model.from_pretrained(); print("from an sdist:", tl.__version__, m(m.to_tokens("The cat")).shape)') || fail 'it does not work'
