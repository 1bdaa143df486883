#!/usr/bin/env bash
# Checks of the source tree and of what was built from it.  Usage: tools/lint.sh CHECK BUILD_DIR
# Run from the source root.  Exit 0: clean; 1: the findings are printed; 77: a tool is missing here.
set -euo pipefail
shopt -s nullglob globstar

check=${1:?usage: tools/lint.sh CHECK BUILD_DIR} build=${2:?usage: tools/lint.sh CHECK BUILD_DIR}
objects=("$build"/CMakeFiles/tempo_objects.dir/src/**/*.o "$build"/CMakeFiles/tempo_files_objects.dir/src/**/*.o "$build"/CMakeFiles/tempo_pull_objects.dir/src/**/*.o "$build"/CMakeFiles/tempo_study_objects.dir/src/**/*.o "$build"/CMakeFiles/tempo_server_objects.dir/src/**/*.o)

need() { command -v "$1" >/dev/null || { printf 'skipped: no %s here\n' "$1"; exit 77; }; }

# report TEXT FINDINGS: fail when there are any.
report() {
    [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; exit 1; }
}

# Everything with external linkage is named tempo_*.
lint_prefix() {
    report 'global symbols that do not begin with tempo_' \
        "$(nm -Ag --defined-only "${objects[@]}" | grep -v ' tempo_' || true)"
}

# Vector instructions beyond the baseline are confined to the files named after their instruction set.
lint_isa() {
    local plain=()
    case $(uname -m) in x86_64) ;; *) echo 'skipped: only x86-64 has a baseline to exceed'; exit 77 ;; esac
    for o in "${objects[@]}"; do
        case $o in */kernels/avx*.o | */kernels/fast/avx*.o | */kernels/amx*.o) ;; *) plain+=("$o") ;; esac
    done
    report 'VEX or EVEX instructions outside the instruction-set files' \
        "$(objdump -d --no-show-raw-insn "${plain[@]}" |
            awk '/file format/ {f = $1} /^ *[0-9a-f]+:\tv[a-z0-9]+ / {print f, $0}' | head -20)"
}

# No mutable state outside objects that a caller owns: nothing writable after relocation.
lint_globals() {
    report 'mutable variables with static storage' \
        "$(objdump -t "${objects[@]}" | awk '/file format/ {f = $1}
            / O (\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && !/ O \.data\.rel\.ro/ {print f, $NF}')"
}

# Both libraries export exactly the functions that tempo.h declares with TEMPO_API.
lint_exports() {
    local declared
    declared=$(tools/api-names.sh include/tempo.h)
    [ "$(grep -c '^TEMPO_API ' include/tempo.h)" -eq "$(wc -l <<<"$declared")" ] ||
        { echo 'tools/api-names.sh does not understand every TEMPO_API line of tempo.h'; exit 1; }
    report 'tempo.h (<) and libtempo.so (>) differ' "$(diff <(echo "$declared") \
        <(nm -D --defined-only "$build/libtempo.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | LC_ALL=C sort) || true)"
    report 'tempo.h (<) and libtempo.a (>) differ' "$(diff <(echo "$declared") \
        <(nm -g --defined-only "$build/libtempo.a" | awk 'NF == 3 {print $3}' | LC_ALL=C sort) || true)"
    report 'symbols of libtempo.so without the version TEMPO_0.1' \
        "$(nm -D --defined-only --with-symbol-versions "$build/libtempo.so" | grep ' T ' | grep -v '@@TEMPO_0\.1$' || true)"
}

# Every header compiles alone, as C11; the public one also as C++.
lint_headers() {
    local flags
    read -ra flags <<<"-D_GNU_SOURCE -Iinclude -Isrc -I. -Itests -Wall -Wextra -Werror $(pkg-config --cflags jansson cmocka)"
    for h in include/*.h src/**/*.h cli/**/*.h tests/**/*.h; do
        "${CC:-cc}" -std=c11 "${flags[@]}" -fsyntax-only -x c "$h" || exit 1
    done
    if command -v c++ >/dev/null; then c++ -Wall -Wextra -Werror -fsyntax-only -x c++ include/tempo.h; fi
}

# The layers a layer may include, itself included; docs/architecture.md draws the same arrows.
reach() {
    case $1 in
    base) echo base ;;
    io | kernels | text | metrics) echo base "$1" ;;
    token) echo base io text token ;;
    chat) echo base io token chat ;;
    model) echo base io kernels token chat model ;;
    convert) echo base io kernels token model convert ;;
    engine) echo base io kernels token model engine ;;
    decode) echo base io kernels token model engine decode ;;
    capture) echo base io engine decode capture ;;
    edit) echo base io engine capture edit ;;
    lens) echo base io kernels token model metrics engine decode capture run lens ;;
    score) echo base metrics engine decode score ;;
    table) echo base table ;;
    shard) echo base io table shard ;;
    sweep) echo base io table model engine decode run shard sweep ;;
    trace) echo base io kernels model metrics engine decode trace ;;
    run) echo base io engine metrics decode capture edit run ;;
    patch) echo base metrics engine run patch ;;
    files) echo base io files ;;
    pull) echo base io model/hub.h files pull ;;
    yaml | draw) echo base "$1" ;;
    stats | registry) echo base io "$1" ;;
    analyze) echo base io metrics capture run draw analyze ;;
    study) echo base io metrics trace run files yaml stats study ;;
    experiment) echo base io capture run files yaml stats draw study experiment ;;
    report) echo base io trace files stats draw registry study report ;;
    server/http) echo base server/http ;;
    server/page) echo base server/http server/page ;;
    server/worker) echo base metrics capture run server/worker ;;
    server/api) echo base io metrics capture lens run files registry experiment report server/http server/worker server/api ;;
    cli) echo cli run files metrics base/names.h base/status.h io/json.h io/json_file.h io/npy_rows.h ;;
    cli/score) echo "$(reach cli)" io table ;;
    cli/sweep) echo "$(reach cli)" io shard ;;
    cli/trace) echo "$(reach cli)" io draw trace cli/lens ;;
    cli/lens) echo "$(reach cli)" io draw lens ;;
    cli/pull) echo "$(reach cli)" pull ;;
    cli/patch) echo "$(reach cli)" io draw ;;
    cli/study) echo "$(reach cli)" yaml analyze draw experiment registry report study ;;
    cli/server) echo "$(reach cli)" report server ;;
    esac
}

# layer FOLDER: the layer that it is a part of.
layer() {
    case $1 in
    server/*/* | cli/study | cli/server | cli/lens | cli/patch | cli/pull | cli/score | cli/sweep | cli/trace) cut -d / -f 1,2 <<<"$1" ;;
    server/*) echo "$1" ;;
    *) echo "${1%%/*}" ;;
    esac
}

# Includes follow the arrows: a folder may include "B/x.h" only if its layer reaches B.  tempo.h is everybody's; the examples see
# nothing else of the library.
lint_includes() {
    local bad='' folder of='' reached='' target word
    while IFS=: read -r file line text; do
        target=${text#*\"} target=${target%%\"*}
        [ "$target" = tempo.h ] && continue
        folder=${file#src/} folder=${folder%/*}
        [ "$folder" = "$of" ] || { of=$folder reached=$(reach "$(layer "$folder")"); }
        for word in $reached; do case $target in "$word" | "$word"/*) continue 2 ;; esac; done
        bad+="$file:$line: $target"$'\n'
    done < <(grep -n '^ *# *include *"' /dev/null src/**/*.[ch] src/**/*.inc cli/**/*.[ch] cli/*.inc examples/*.c)
    report 'includes against the arrows of docs/architecture.md' "$bad"
}

# A reader finds every part: no file over 500 lines, but for tables that tools/ writes, and no folder over 25 files.  The lower
# half of the house is older than this rule: there no file and no folder grows beyond what it had.
lint_sizes() {
    local bad='' folder n
    while read -r n file; do
        case $file in
        src/text/unicode_tables.inc | src/chat/template/unicode.inc | *total) continue ;;
        src/base/* | src/io/* | src/kernels/* | src/model/* | src/engine/* | src/decode/*) [ "$n" -le 760 ] && continue ;;
        esac
        [ "$n" -le 500 ] || bad+="$file: $n lines, at most 500"$'\n'
    done < <(wc -l src/**/*.[ch] src/**/*.inc cli/**/*.[ch] cli/*.inc)
    for folder in src/*/ src/**/*/ cli/ cli/*/; do
        n=$(find "$folder" -maxdepth 1 -type f | wc -l)
        case $folder in src/io/ | src/kernels/) [ "$n" -le 36 ] && continue ;; esac
        [ "$n" -le 25 ] || bad+="$folder: $n files, at most 25"$'\n'
    done
    report 'files or folders that are too large' "$bad"
}

# Nothing in the library prints or ends the process.
lint_output() {
    report 'calls in src/ that print or exit' "$(nm -Au "${objects[@]}" |
        grep -E ' (_*(v?printf|puts|putchar|perror|exit|quick_exit|abort|err|errx|warn|warnx)(_chk)?|stdout|stderr)$' || true)"
}

# Reals become JSON in one place, which knows what to do with those that are not finite.  (Positions are finite, batch.c.)
lint_json() {
    report 'reals of JSON that are not made by tempo_json_number (io/json_file.h)' \
        "$(grep -nE 'json_real(_set)? *\(|"[^"]*(s:|\[|, )f+[],}][^"]*"|\\": *%[-0-9.]*[efgEFG]' src/**/*.c cli/**/*.c |
            grep -vE '^src/(io/json|io/json_file|capture/files)\.c:' || true)"
}

# What went wrong is told by a status and a field (tempo_err); the words of a message are for people.
lint_errors() {
    report 'errors that are recognised by the words of their message' \
        "$(grep -nE '\b(str(str|n?cmp|n?casecmp|r?chr|c?spn|pbrk)|mem(mem|cmp))\([^;]*(->|\.)msg\b' src/**/*.[ch] cli/**/*.[ch] \
            examples/*.c | grep -v '^src/base/status\.c:' || true)"
}

lint_shell() {
    need shellcheck
    shellcheck .ci/run tools/*.sh bench/*.sh tests/**/*.sh
}

# The reference is clang-format 14: other versions lay some lines out differently.
lint_format() {
    local program=clang-format-14
    command -v $program >/dev/null || program=clang-format
    need $program
    case $($program --version) in *' 14.'*) ;; *) echo 'skipped: clang-format is not version 14'; exit 77 ;; esac
    $program --dry-run -Werror src/**/*.c cli/**/*.c tests/**/*.c fuzz/*.c examples/*.c bench/*.c
    for f in src/kernels/{,fast/}{simd,quad,act}*.inc; do # C, but not a header that compiles alone
        $program --assume-filename=x.c --dry-run -Werror <"$f"
    done
}

lint_man() {
    need mandoc
    local pages=("$build"/share/man/man1/*.1)
    [ ${#pages[@]} -gt 0 ] || { echo 'skipped: no man pages were built'; exit 77; }
    mandoc -T lint -W warning "${pages[@]}"
}

declare -F "lint_$check" >/dev/null || { echo "tools/lint.sh: no check '$check'"; exit 2; }
"lint_$check"
