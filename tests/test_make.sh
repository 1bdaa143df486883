#!/usr/bin/env bash
# What the targets of the Makefile promise about what they build, and what they say.  Usage: tests/test_make.sh BUILD
set -euo pipefail
build=${1:?usage: tests/test_make.sh BUILD}
fail() { printf 'make: %s\n' "$*" >&2; exit 1; }

# `make demo` builds the program alone, and the program is made of nothing of the tests.
plan=$(make --no-print-directory -n demo BUILD="$build" CMAKE=true)
grep -q -- "cmake --build $build --target tempo_program" <<<"$plan" || fail "demo does not build the program alone: $plan"
[ "$(grep -c 'cmake --build' <<<"$plan")" -eq 1 ] || fail "demo builds more than the program: $plan"
if command -v ninja >/dev/null && [ -e "$build/build.ninja" ]; then
    parts=$(ninja -C "$build" -t inputs tempo_program)
    grep -q 'cli/main.c' <<<"$parts" || fail "the program's parts are not known: $parts"
    ! grep -E '(^|[^i]/)(tests|examples|bench)/' <<<"$parts" || fail 'the program is built with parts of the tests'
fi

# A new user is told how `tempo` becomes a command.
grep -q "export PATH=" <<<"$(make --no-print-directory -n all BUILD="$build" CMAKE=true)" || fail 'make does not say how to put tempo on the path'
