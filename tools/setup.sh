#!/usr/bin/env bash
# Make sure that the programs and libraries which tempo is built with are there.
#
#   tools/setup.sh          what `make`, `make demo` and `make check` need
#   tools/setup.sh all      also what `make check-all` needs
#   tools/setup.sh --print  say what is missing, install nothing; exit 1 if something is that nothing goes without
#
# Each need is tested by trying it, so nothing is asked of a package manager when all is there.  On
# Debian and Ubuntu the rest is installed through apt, as root or with sudo and without questions;
# elsewhere the packages are named.
set -euo pipefail

# how it is tested | Debian, Ubuntu | Fedora | Arch | Homebrew
build_needs='
cc          | gcc libc6-dev     | gcc glibc-devel    | gcc       | -
cmake       | cmake             | cmake              | cmake     | cmake
ninja       | ninja-build       | ninja-build        | ninja     | ninja
pkg-config  | pkg-config        | pkgconf-pkg-config | pkgconf   | pkgconf
lib:jansson | libjansson-dev    | jansson-devel      | jansson   | jansson
lib:libutf8proc | libutf8proc-dev | utf8proc-devel | libutf8proc | utf8proc
lib:zlib    | zlib1g-dev        | zlib-devel         | zlib      | zlib
lib:libcrypto | libssl-dev      | openssl-devel      | openssl   | openssl
lib:yaml-0.1 | libyaml-dev      | libyaml-devel      | libyaml   | libyaml
lib:sqlite3 | libsqlite3-dev    | sqlite-devel       | sqlite    | sqlite
lib:gsl     | libgsl-dev        | gsl-devel          | gsl       | gsl
gzip        | gzip              | gzip               | gzip      | -
lib:cmocka  | libcmocka-dev     | libcmocka-devel    | cmocka    | cmocka
'
# Without these something is left out of the program: no reason to stop.
optional_needs='
lib:libcurl | libcurl4-openssl-dev | libcurl-devel   | curl      | curl
'
check_all_needs='
gcc         | gcc               | gcc                | gcc       | gcc
ccache      | ccache            | ccache             | ccache    | ccache
clang       | clang             | clang              | clang     | llvm
lib:clang-rt | libclang-rt-dev  | compiler-rt        | compiler-rt | -
llvm-symbolizer | llvm          | llvm               | llvm      | llvm
qemu-aarch64 | qemu-user        | qemu-user          | qemu-user | -
aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu libc6-dev-arm64-cross | gcc-aarch64-linux-gnu | aarch64-linux-gnu-gcc | -
py:ensurepip | python3-venv      | python3            | python    | python
py:jinja2   | python3-jinja2    | python3-jinja2     | python-jinja | -
shellcheck  | shellcheck        | ShellCheck         | shellcheck | shellcheck
mandoc      | mandoc            | mandoc             | mandoc    | mandoc
clang-format | clang-format     | clang-tools-extra  | clang     | clang-format
any:node,nodejs | nodejs        | nodejs             | nodejs    | node
npm         | npm               | npm                | npm       | node
any:chromium,chromium-browser,google-chrome | chromium | chromium | chromium | -
'

die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# present NEED: is it there?  The runtime of clang's sanitizers can only be tried.
present() {
    case $1 in
    lib:clang-rt) clang -fsanitize=address -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null ;;
    any:*) # the first of several names that is there
        local name
        for name in $(tr , ' ' <<<"${1#any:}"); do command -v "$name" >/dev/null && return; done
        return 1
        ;;
    lib:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#lib:}" ;;
    py:*) python3 -c "import ${1#py:}" 2>/dev/null || /usr/bin/python3 -c "import ${1#py:}" 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# missing COLUMN: names, in that column, of what the needs on stdin lack.
missing() {
    local need deb fed arch brew names
    while IFS='|' read -r need deb fed arch brew; do
        need=${need// /}
        [ -n "$need" ] || continue
        present "$need" && continue
        case $1 in debian) names=$deb ;; fedora) names=$fed ;; arch) names=$arch ;; *) names=$brew ;; esac
        for name in $names; do [ "$name" = - ] || printf '%s\n' "$name"; done
    done | sort -u | paste -sd ' '
}

install_apt() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "missing packages; as root run: apt-get install -y $1"
        as_root=(sudo)
        # Without a terminal nobody could type a password.
        [ -t 0 ] || as_root+=(-n)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    printf 'setup: installing with apt: %s\n' "$1"
    "${as_root[@]}" apt-get update -qq </dev/null || printf 'setup: apt-get update failed, trying without\n' >&2
    # shellcheck disable=SC2086 # a list of names
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends $1 </dev/null >/dev/null ||
        die "apt could not install: $1"
}

needs=$build_needs print_only=no
for arg; do
    case $arg in
    all) needs+=$check_all_needs ;;
    --print) print_only=yes ;;
    *) die "unknown argument '$arg' (all, --print)" ;;
    esac
done

if command -v apt-get >/dev/null; then system=debian how='apt-get install -y'
elif command -v dnf >/dev/null; then system=fedora how='dnf install'
elif command -v pacman >/dev/null; then system=arch how='pacman -S'
elif command -v brew >/dev/null; then system=brew how='brew install'
else system=debian how='(names as in Debian)'
fi

optional=$(missing $system <<<"$optional_needs")
lacking=$(missing $system <<<"$needs")
if [ -n "$optional" ]; then
    if [ $print_only = no ] && command -v apt-get >/dev/null && { [ -n "$lacking" ] || [ "$(id -u)" -eq 0 ]; }; then
        (install_apt "$optional") || true # a subshell, which may fail alone
    else
        printf 'setup: without it there is no "tempo pull": %s %s\n' "$how" "$optional" >&2
    fi
fi
[ -n "$lacking" ] || exit 0
if [ $system = debian ] && [ $print_only = no ] && command -v apt-get >/dev/null; then
    install_apt "$lacking"
    lacking=$(missing $system <<<"$needs")
    [ -z "$lacking" ] || die "still missing after the installation: $lacking"
else
    printf 'setup: missing; install with: %s %s\n' "$how" "$lacking" >&2
    exit 1
fi
