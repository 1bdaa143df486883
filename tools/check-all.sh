#!/usr/bin/env bash
# Everything that `make check` leaves out, each part in a build directory of its own below build/check:
# both compilers with warnings as errors, sanitizers, fuzz targets, processors without AVX2, arm64 under
# qemu, and the installed library as a stranger would use it.
#   tools/check-all.sh          all parts
#   tools/check-all.sh but PART...  all but these
#   tools/check-all.sh PART...  only these: gcc clang address thread fuzz tiles cpus arm64 archs web install additions field
# What this machine cannot run says so and is counted at the end, after the minutes that each part took; with CI=true,
# where every tool is installed, it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

root=build/check
jobs=$(nproc)
skipped=() left_out=()

# build NAME [CMAKE OPTIONS]: configure and build below $root.  Debug information is a fifth of compiling: only what reports
# lines has some.
build() {
    local dir=$root/$1
    shift
    mkdir -p "$dir"
    cmake -S . -B "$dir" -G Ninja -DTEMPO_WERROR=ON -DTEMPO_DEBUG_INFO=-g0 "$@" >"$dir/cmake.log" 2>&1 || { cat "$dir/cmake.log"; return 1; }
    cmake --build "$dir" -j "$jobs"
}

# Sanitizers want their shadow at fixed addresses, where kernels that randomise much may put something else.
no_aslr=()
if setarch -R true 2>/dev/null; then no_aslr=(setarch -R); fi

has() { command -v "$@" >/dev/null; }

# For want of a tool; and what says that this processor, or what can be fetched, has not what a test is about.
skip() { printf 'skipped: %s\n' "$1"; skipped+=("$1"); }
leave_out() { printf 'left out: %s\n' "$1"; left_out+=("$1"); }

# check NAME [CTEST OPTIONS]
check() {
    local part=$1 dir=$root/$1 test
    shift
    "${no_aslr[@]}" ctest --test-dir "$dir" --output-on-failure --timeout 1200 -j "$jobs" "$@" 2>&1 | tee "$dir/ctest.log"
    for test in $(tools/skipped-tests.sh "$dir/ctest.log"); do leave_out "$part: $test"; done
}

part_gcc() { build gcc -DCMAKE_C_COMPILER=gcc && check gcc; }

# What looks at the source alone finds the same whatever compiles it.
part_clang() { build clang -DCMAKE_C_COMPILER=clang && check clang -E 'lint_(shell|format|includes)'; }

part_address() {
    build address -DCMAKE_C_COMPILER=clang -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=address,undefined -DTEMPO_DOCS=OFF
    ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 check address
}

# Data races can only be where threads are: the pool, the engine and what runs through it.
part_thread() {
    build thread -DCMAKE_C_COMPILER=clang -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=thread -DTEMPO_DOCS=OFF
    check thread -R 'pool|engine|decode|seq|forward|attention|test_edit|test_patch|test_lens|test_trace|test_pass|lockstep|capture|doctor|example|http|worker|api|server|page'
}

part_fuzz() {
    build fuzz -DCMAKE_C_COMPILER=clang -DTEMPO_FUZZ=ON -DTEMPO_TESTS=OFF -DTEMPO_DOCS=OFF -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=address,undefined
    check fuzz
}

# What multiplies tiles, with the tile registers (and AVX-VNNI) played by AVX-512 instructions: few machines
# have the former, and no emulator has both.
part_tiles() {
    local flag
    for flag in avx512_vnni avx512_bf16; do
        grep -qw "$flag" /proc/cpuinfo || { leave_out "emulated tiles: no $flag"; return; }
    done
    build tiles -DTEMPO_EMULATE=ON -DTEMPO_DOCS=OFF -DTEMPO_STUDY=OFF -DTEMPO_SERVER=OFF
    check tiles -R 'kernels|golden|forward|engine|decode|doctor|arch'
}

# on_cpu CPU PATH: the kernels' tests on an emulated processor, and a run there that must choose this path and give the
# bits that it gives here; the output in one piece.
on_cpu() {
    local test out here there run=(generate -p 'The cat sat on the' --paired --steps 3 --threshold 0.05 --jsonl)
    for test in "$root"/gcc/test_kernels*; do
        # The emulator reads all of a masked load, which a processor does not.
        out=$(TEMPO_TEST_NO_GUARD=1 qemu-x86_64 -cpu "$1" "$test" 2>&1) || { printf '%s on %s FAILED\n%s\n' "$test" "$1" "$out"; return 1; }
        printf '%s on %s\n%s\n' "$test" "$1" "$out"
    done
    here=$("$root/gcc/tempo" "${run[@]}" --cpu "$2")
    there=$(qemu-x86_64 -cpu "$1" "$root/gcc/tempo" "${run[@]}")
    if [ -z "$here" ] || [ "$here" != "$there" ]; then
        printf 'tempo on %s FAILED: not the sets of --cpu %s\n%s\n' "$1" "$2" "$there"
        return 1
    fi
    printf 'tempo on %s gives the bits of --cpu %s\n' "$1" "$2"
}

# The same program on other processors: one without AVX, and all that the emulator has.
part_cpus() {
    has qemu-x86_64 || { skip 'other x86-64 processors: no qemu-x86_64'; return; }
    [ "$(uname -m)" = x86_64 ] || { leave_out 'other x86-64 processors: this is none'; return; }
    [ -d $root/gcc ] || build gcc -DCMAKE_C_COMPILER=gcc
    local rc=0 first
    on_cpu Nehalem scalar &
    first=$!
    on_cpu max avx2 || rc=$?
    wait $first || rc=$?
    return $rc
}

part_arm64() {
    has aarch64-linux-gnu-gcc qemu-aarch64 || { skip 'arm64: no cross compiler or no qemu-aarch64'; return; }
    local rc=0
    tools/arm64-sysroot.sh $root/sysroot || rc=$?
    [ $rc -ne 77 ] || { skip 'arm64: no libraries'; return; }
    [ $rc -eq 0 ] || return $rc
    build arm64 -DCMAKE_TOOLCHAIN_FILE=cmake/arm64-linux.cmake -DTEMPO_ARM64_SYSROOT="$PWD/$root/sysroot" -DTEMPO_SERVER=OFF
    # What simulates hundreds of studies, or kills one again and again, or is about a terminal, says nothing about a processor; some of it takes an hour there.
    check arm64 -E 'stats_simulated|study_run|registry_faults|experiment_run|cli_study|cli_experiment|cli_view_terminal'
}

# Many shapes of every architecture and type against double precision, and the identities in all of their files.
part_archs() {
    [ -d $root/gcc ] || build gcc -DCMAKE_C_COMPILER=gcc
    TEMPO_ARCH_SEEDS=10 $root/gcc/test_arch_shapes | grep -v '^\[ ' || return
    TEMPO_DOCTOR_ALL=1 tests/cli/test_doctor.sh $root/gcc/tempo $root/gcc/arch_files
}

# The page: built anew and compared with what is committed; then in a browser.  OpenAI's client against the same server.
part_web() {
    [ -d $root/gcc ] || build gcc -DCMAKE_C_COMPILER=gcc
    local rc=0
    tests/web/rebuild.sh $root/web-build || rc=$?
    [ $rc -ne 77 ] || { skip 'the page built anew'; rc=0; }
    [ $rc -eq 0 ] || return $rc
    tests/web/run.sh $root/gcc/tempo $root/web-tests || rc=$?
    [ $rc -ne 77 ] || { skip 'the page in a browser'; rc=0; }
    [ $rc -eq 0 ] || return $rc
    tests/web/openai.sh $root/gcc/tempo $root/web-tests || rc=$?
    [ $rc -ne 77 ] || { skip "OpenAI's client"; rc=0; }
    return $rc
}

part_install() { tools/test-install.sh $root/install; }

# One file and one row: what HACKING.md says of additions.
part_additions() { tests/additions/check.sh $root/additions; }

# The program against real models, tokenizers and templates, and against the reference implementations of what it does.
part_field() {
    [ -d $root/gcc ] || build gcc -DCMAKE_C_COMPILER=gcc
    cmake --build $root/gcc -j "$jobs" --target field_render field_tokenize
    local rc=0 test field=${TEMPO_FIELD:-build/field}
    mkdir -p "$field"
    TEMPO_FIELD=$(cd "$field" && pwd)
    export TEMPO_FIELD TEMPO_BUILD=$PWD/$root/gcc TEMPO=$PWD/$root/gcc/tempo
    tests/field/fetch.sh || rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 77 ] || return $rc
    [ -x "$TEMPO_FIELD/venv/bin/python" ] || { leave_out 'field: no reference implementations'; return; }
    for test in tests/field/test_*.py; do
        rc=0
        printf -- '-- %s\n' "$test"
        local scale=()
        case $test in */test_ids.py | */test_text.py) scale=(0.02) ;; *) scale=() ;; esac # 1 by hand: it takes long
        TEMPO_FIELD_CASES=${TEMPO_FIELD_CASES:-500} "$TEMPO_FIELD/venv/bin/python" "$test" "${scale[@]}" || rc=$?
        case $rc in 0) ;; 77) leave_out "field: $test" ;; *) return $rc ;; esac
    done
}

all=(gcc clang address thread fuzz tiles cpus arm64 archs web install additions field)
if [ "${1:-}" = but ]; then
    shift
    for part; do
        case " ${all[*]} " in *" $part "*) ;; *) echo "check-all: no part '$part'" >&2; exit 2 ;; esac
    done
    but=" $* "
    set --
    for part in "${all[@]}"; do case $but in *" $part "*) ;; *) set -- "$@" "$part" ;; esac; done
fi
[ $# -gt 0 ] || set -- "${all[@]}"
for part; do
    declare -F "part_$part" >/dev/null || { echo "check-all: no part '$part'" >&2; exit 2; }
done
minutes=
for part; do
    printf '\n== %s\n' "$part"
    begin=$SECONDS
    "part_$part"
    minutes+=$(printf '  %-8s %5d.%d' "$part" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60 / 6)))$'\n'
done
printf '\nminutes\n%scheck-all: %d parts passed, %d skips, %d left out' "$minutes" $# ${#skipped[@]} ${#left_out[@]}
[ $((${#skipped[@]} + ${#left_out[@]})) -eq 0 ] || printf ': %s' "$(printf '%s; ' "${skipped[@]}" "${left_out[@]}")"
printf '\n'
if [ "${CI:-}" = true ] && [ ${#skipped[@]} -gt 0 ]; then
    echo 'check-all: FAILED: with CI=true nothing may be skipped' >&2
    exit 1
fi
