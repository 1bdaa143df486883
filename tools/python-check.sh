#!/usr/bin/env bash
# Install the wheel of tools/wheel.sh into a fresh environment and try it as its users would.
#   tools/python-check.sh DIR [PYTEST OPTIONS]      DIR: where the wheel is; the environment is DIR/parts/venv
# With EXTRAS=test,lm-eval the adapter for that package is tested, too; it brings much with it.
# With LIBRARY=libtempo.so and PRELOAD=libasan the tests use that library, of a build with sanitizers, and types are left out.
set -euo pipefail
dir=${1:?usage: tools/python-check.sh DIR [PYTEST OPTIONS]}
shift
dir=$(cd "$dir" && pwd)
cd "$(dirname "$0")/.."
fail() { printf 'python-check: %s\n' "$*" >&2; exit 1; }

wheel=$(find "$dir" -maxdepth 1 -name "tempo_lm-*-py3-none-*$(uname -m).whl")
[ -n "$wheel" ] || fail "no wheel in $dir"
venv=$dir/parts/venv
if [ -z "${LIBRARY:-}" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "${wheel}[${EXTRAS:-test}]"
fi
python=$venv/bin/python

# What is inside: one library of ours, nothing of the program's, 8 MB at most beside the built-in model.
if [ -z "${LIBRARY:-}" ]; then
    "$python" - "$wheel" <<'PY'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).infolist()
libraries = [i.filename for i in names if ".so" in i.filename]
foreign = [n for n in libraries if not n.startswith(("tempo_lm/libtempo.so", "tempo_lm.libs/libjansson"))]
assert libraries.count("tempo_lm/libtempo.so") == 1 and not foreign, libraries
size = sum(i.compress_size for i in names if "/models/" not in i.filename)
assert size < 8_000_000, size
assert any(i.filename.endswith("notices/tempo.txt") for i in names)
print(f"wheel: {size / 1e6:.1f} MB beside the built-in model: {', '.join(libraries)}")
PY
    # Without a compiler on the path, away from the source: the library and the model of the wheel.
    version=$(sed -n 's/^#define TEMPO_VERSION "\(.*\)"/\1/p' include/tempo.h)
    (cd / && env -i PATH=/nowhere "$python" -I - "$version" <<'PY'
import importlib.metadata, sys
import tempo_lm as tl
assert tl.__version__ == importlib.metadata.version("tempo-lm") == sys.argv[1], (tl.__version__, sys.argv[1])
with tl.Model.from_pretrained() as m:
    assert m(m.to_tokens("The cat sat on the")).shape[1] == m.cfg.d_vocab
PY
    ) || fail 'the installed package does not work away from the source'
fi

run=(env -u TEMPO_LIBRARY)
[ -z "${LIBRARY:-}" ] || run=(env LD_PRELOAD="$PRELOAD" TEMPO_LIBRARY="$LIBRARY" TEMPO_MODELS="$PWD/models" ASAN_OPTIONS=detect_leaks=0)
# Not in python/, whose tempo_lm is not the installed one.
"${run[@]}" "$python" -m pytest -q -p no:cacheprovider --rootdir python -c python/pyproject.toml "$@" python/tests
[ -n "${LIBRARY:-}" ] && exit

config=(--config-file python/pyproject.toml --cache-dir "$dir/parts/mypy")
"$python" -m mypy "${config[@]}" python/tempo_lm
(cd "$dir/parts" && "$python" -m mypy --strict --cache-dir mypy-user "$OLDPWD/python/tests/user.py")
