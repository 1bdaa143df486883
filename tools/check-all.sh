#!/usr/bin/env bash
# Everything that `make check` leaves out, each part in a build directory of its own below build/check:
# both compilers with warnings as errors, sanitizers, fuzz targets, processors without AVX2, arm64 under
# qemu, and the installed library as a stranger would use it.
#   tools/check-all.sh          all parts
#   tools/check-all.sh but PART...  all but these
#   tools/check-all.sh PART...  only these: gcc clang address thread fuzz tiles cpus arm64 archs web install additions python field
# What this machine cannot run says so and is counted at the end, after the minutes that each part took; with CI=true,
# where every tool is installed, it is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

root=build/check
jobs=$(nproc)
skipped=() left_out=()
# shellcheck source=tools/compile-once.sh
. tools/compile-once.sh

# configure NAME [CMAKE OPTIONS]: below $root.  Debug information is a fifth of compiling: only what reports lines has some.
configure() {
    local dir=$root/$1
    shift
    mkdir -p "$dir"
    cmake -S . -B "$dir" -G Ninja -DTEMPO_WERROR=ON -DTEMPO_DEBUG_INFO=-g0 "$@" >"$dir/cmake.log" 2>&1 || { cat "$dir/cmake.log"; return 1; }
}

# build NAME [TARGET...]: all, or these.
build() {
    local dir=$root/$1
    shift
    cmake --build "$dir" -j "$jobs" ${1:+--target "$@"}
}

# run_by NAME [CTEST OPTIONS]: the targets that these tests run.  A test in C has the name of its program; all others run tempo,
# cli_doctor on what arch_files writes.
run_by() {
    local known name test
    known=" $(ninja -C "$root/$1" -t targets all | sed 's/: .*//' | paste -sd ' ') "
    echo tempo_program
    ctest --test-dir "$root/$1" -N "${@:2}" | sed -n 's/^ *Test *#[0-9]*: //p' | while read -r test; do
        for name in "$test" "${test/#cli_/test_}" "${test/#cli_doctor/arch_files}"; do
            case $known in *" $name "*) printf '%s\n' "$name" ;; esac
        done
    done
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

# The ordinary build, which other parts use too.
gcc_build() { configure gcc -DCMAKE_C_COMPILER=gcc && build gcc; }

part_gcc() { gcc_build && check gcc; }

# What looks at the source alone, or simulates hundreds of studies, finds the same whatever compiles it.
source_alone='lint_(shell|format|includes|sizes|output|json|errors)|chat_golden|make_targets'
part_clang() {
    configure clang -DCMAKE_C_COMPILER=clang
    build clang
    check clang -E "$source_alone|stats_simulated"
}

part_address() {
    configure address -DCMAKE_C_COMPILER=clang -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=address,undefined -DTEMPO_DOCS=OFF
    build address
    ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 check address -E "$source_alone"
}

# Data races can only be where threads are: the pool, the engine and what runs through it.
part_thread() {
    local tests=(-R 'pool|engine|decode|seq|forward|attention|test_edit|test_patch|test_lens|test_trace|test_pass|lockstep|capture|doctor|example|http|worker|api|server|page') targets
    configure thread -DCMAKE_C_COMPILER=clang -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=thread -DTEMPO_DOCS=OFF
    mapfile -t targets < <(run_by thread "${tests[@]}")
    build thread "${targets[@]}"
    check thread "${tests[@]}"
}

part_fuzz() {
    local targets
    configure fuzz -DCMAKE_C_COMPILER=clang -DTEMPO_FUZZ=ON -DTEMPO_TESTS=OFF -DTEMPO_DOCS=OFF -DTEMPO_DEBUG_INFO=-g1 -DTEMPO_SANITIZE=address,undefined
    mapfile -t targets < <(run_by fuzz | sed '/^tempo_program$/d')
    build fuzz "${targets[@]}"
    check fuzz
}

# What multiplies tiles, with the tile registers (and AVX-VNNI) played by AVX-512 instructions: few machines
# have the former, and no emulator has both.
part_tiles() {
    local flag tests=(-R 'kernels|golden|forward|engine|decode|doctor|arch') targets
    for flag in avx512_vnni avx512_bf16; do
        grep -qw "$flag" /proc/cpuinfo || { leave_out "emulated tiles: no $flag"; return; }
    done
    configure tiles -DTEMPO_EMULATE=ON -DTEMPO_DOCS=OFF -DTEMPO_STUDY=OFF -DTEMPO_SERVER=OFF
    mapfile -t targets < <(run_by tiles "${tests[@]}")
    build tiles "${targets[@]}"
    check tiles "${tests[@]}"
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
    [ -d $root/gcc ] || gcc_build
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
    configure arm64 -DCMAKE_TOOLCHAIN_FILE=cmake/arm64-linux.cmake -DTEMPO_ARM64_SYSROOT="$PWD/$root/sysroot" -DTEMPO_SERVER=OFF -DTEMPO_DOCS=OFF
    # The library's tests, the examples and the program's doctor, models and tokens.  Scripts about options, signals and terminals start the
    # program hundreds of times, studies simulate hundreds of others: an hour there, and nothing of it is about a processor.
    local names targets tests
    names=$(ctest --test-dir $root/arm64 -N | sed -n 's/^ *Test *#[0-9]*: //p' |
        grep -vE '^cli|stats_simulated|study_run|study_trace|registry_|experiment_run|chat_golden|make_targets')
    tests=(-R "^($(paste -sd '|' <<<"$names"$'\ncli_models\ncli_tokens'))\$")
    mapfile -t targets < <(run_by arm64 "${tests[@]}")
    build arm64 "${targets[@]}"
    check arm64 "${tests[@]}"
}

# Many shapes of every architecture and type against double precision, and the identities in all of their files.
part_archs() {
    [ -d $root/gcc ] || gcc_build
    TEMPO_ARCH_SEEDS=10 $root/gcc/test_arch_shapes | grep -v '^\[ ' || return
    TEMPO_DOCTOR_ALL=1 tests/cli/test_doctor.sh $root/gcc/tempo $root/gcc/arch_files
}

# The page: built anew and compared with what is committed; then in a browser.  OpenAI's client against the same server.
part_web() {
    [ -d $root/gcc ] || gcc_build
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

part_install() { CC=gcc tools/test-install.sh $root/install; }

# The Python package: its wheel, built, installed and tried; from a source distribution too; and for arm64.  Its tests once more with the library
# that part address built: what is freed and used again, by Python, does not pass there.
part_python() {
    tools/wheel.sh $root/wheel
    EXTRAS=test,lm-eval tools/python-check.sh $root/wheel
    tools/sdist-check.sh $root/wheel
    if [ -e $root/address/libtempo.so ]; then
        LIBRARY=$PWD/$root/address/libtempo.so PRELOAD=$(clang -print-file-name=libclang_rt.asan-"$(uname -m)".so) \
            tools/python-check.sh $root/wheel
    else
        leave_out 'python: no library of part address'
    fi
    local rc=0
    has aarch64-linux-gnu-gcc qemu-aarch64 && tools/arm64-sysroot.sh $root/sysroot || rc=$?
    [ $rc -eq 0 ] || { skip 'arm64 wheel: no cross compiler or no libraries'; return; }
    tools/wheel.sh $root/wheel-arm64 arm64 $root/sysroot
    tools/wheel-arm64-check.sh $root/wheel-arm64 $root/sysroot
}

# One file and one row: what HACKING.md says of additions.
part_additions() { CC=gcc tests/additions/check.sh $root/additions; }

# field_test FILE: what it said and how long it took, in one piece, as $root/field/NAME.log; its exit status as NAME.rc.
field_test() {
    local name begin=$SECONDS rc=0 scale=()
    name=$root/field/$(basename "$1" .py)
    case $1 in */test_ids.py | */test_text.py) scale=(0.02) ;; esac # 1 by hand: it takes long
    TEMPO_FIELD_CASES=${TEMPO_FIELD_CASES:-500} "$TEMPO_FIELD/venv/bin/python" "$1" "${scale[@]}" >"$name.log" 2>&1 </dev/null || rc=$?
    printf -- '-- %s: %d s\n%s\n' "$1" $((SECONDS - begin)) "$(cat "$name.log")"
    printf '%d\n' $rc >"$name.rc"
}

# The program against real models, tokenizers and templates, and against the reference implementations of what it does.
part_field() {
    [ -d $root/gcc ] || gcc_build
    build gcc field_render field_tokenize
    local rc=0 test field=${TEMPO_FIELD:-build/field}
    mkdir -p "$field" $root/field
    TEMPO_FIELD=$(cd "$field" && pwd)
    export TEMPO_FIELD TEMPO_BUILD=$PWD/$root/gcc TEMPO=$PWD/$root/gcc/tempo
    tests/field/fetch.sh || rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 77 ] || return $rc
    [ -x "$TEMPO_FIELD/venv/bin/python" ] || { leave_out 'field: no reference implementations'; return; }
    export root
    export -f field_test
    printf '%s\0' tests/field/test_*.py | xargs -0 -P "$jobs" -I{} bash -c 'field_test {}'
    for test in tests/field/test_*.py; do
        rc=$(cat "$root/field/$(basename "$test" .py).rc")
        case $rc in 0) ;; 77) leave_out "field: $test" ;; *) printf '%s FAILED\n' "$test"; return "$rc" ;; esac
    done
}

all=(gcc clang address thread fuzz tiles cpus arm64 archs web install additions python field)
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
