#!/usr/bin/env bash
# Install into a staging folder and use it as a stranger would: the program, its model, man pages and
# completions; the examples built with pkg-config against the shared and against the static library.
# Usage: tools/test-install.sh DIR       (run from the source root)
set -euo pipefail
dir=${1:?usage: tools/test-install.sh DIR}
cc=${CC:-cc}

fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# (as deep below the source as other builds: tools/compile-once.sh)
cmake -S . -B "$dir" -G Ninja -DTEMPO_WERROR=ON -DTEMPO_DEBUG_INFO=-g0 -DTEMPO_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/opt/tempo >"$dir/log" 2>&1 ||
    { cat "$dir/log"; fail 'cmake'; }
cmake --build "$dir" >"$dir/log" 2>&1 || { cat "$dir/log"; fail 'build'; }
DESTDIR=$dir/stage cmake --install "$dir" >"$dir/log" 2>&1 || { cat "$dir/log"; fail 'installation'; }
# A package is moved before it is used: nothing may depend on the place where it was built.
mv "$dir/stage/opt/tempo" "$dir/prefix"
prefix=$dir/prefix

for file in bin/tempo include/tempo.h share/man/man1/tempo.1 share/man/man1/tempo-generate.1 \
    share/bash-completion/completions/tempo share/zsh/site-functions/_tempo \
    share/fish/vendor_completions.d/tempo.fish share/tempo/models/tempo-tiny/model.safetensors \
    share/tempo/experiments/exp1.yaml share/tempo/experiments/hypotheses.yaml \
    share/doc/tempo/LICENSE; do
    [ -s "$prefix/$file" ] || fail "no $file"
done
lib=$(dirname "$(find "$prefix" -name libtempo.a)")
[ -L "$lib/libtempo.so.0" ] || fail 'no libtempo.so.0'

bash -n "$prefix/share/bash-completion/completions/tempo" || fail 'bash completion'
if command -v zsh >/dev/null; then zsh -n "$prefix/share/zsh/site-functions/_tempo" || fail 'zsh completion'; fi
if command -v fish >/dev/null; then fish -n "$prefix/share/fish/vendor_completions.d/tempo.fish" || fail 'fish completion'; fi

# The installed program finds the installed model, from any directory.
(cd / && "$prefix/bin/tempo" generate -p 'Once upon a time' --steps 4 >"$dir/out") || fail 'the installed program did not run'
grep -q 'Once upon a time' "$dir/out" || fail "the installed program printed: $(cat "$dir/out")"

# pkg-config's own variable moves the prefix; the libraries that ours needs come from the system.
pc() { PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --define-variable=prefix="$prefix" "$@" tempo; }
# A program that uses the library gets the library's flags, not those of what the library uses.
[ "$(pc --cflags | xargs)" = "-I$prefix/include" ] || fail "pkg-config --cflags gives $(pc --cflags)"
for source in examples/*.c; do
    name=$(basename "$source" .c)
    for kind in shared static; do
        out=$dir/$name-$kind
        if [ $kind = shared ]; then libs=$(pc --libs) path=$lib
        else libs="$(pc --libs --static | sed 's/-ltempo/-l:libtempo.a/')" path=
        fi
        # shellcheck disable=SC2046,SC2086 # lists of flags
        "$cc" -std=c11 -Wall -Wextra -Werror "$source" $(pc --cflags) $libs -o "$out" || fail "$name did not build ($kind)"
        LD_LIBRARY_PATH=$path tests/examples/test_examples.sh "$name" "$out" || fail "$name ($kind)"
    done
done
printf 'install: passed\n'
