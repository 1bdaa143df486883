# shellcheck shell=bash
# What the tests of the program share.  A script is run from the source root; it sets tempo to the program, and sources
#   . tests/cli/preamble.sh NAME [WORD]...    the words are what `run` puts in front of its arguments, such as a command
# for dir (a directory that is removed in the end), failures, and the functions below.  Variables of the environment that
# change what the program does are set or unset.
set -uo pipefail
: "${tempo:?}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/tempo-$1.XXXXXX")
# Not in a child that a signal meets before it has become the program: it has the trap, too.
trap '[ "$BASHPID" -ne $$ ] || rm -rf "$dir"' EXIT
failures=0
first_words=("${@:2}")
export TEMPO_MODELS=$PWD/models XDG_DATA_HOME=$dir/data
unset NO_COLOR COLUMNS

fail() { printf 'FAILED: %s\n' "$*"; failures=$((failures + 1)); }

# The end of a script.
finish() {
    [ "$failures" -eq 0 ] || { printf '%d checks failed\n' "$failures"; exit 1; }
    echo 'all checks passed'
    exit 0
}

# Leave, as skipped, where the program is built without the command.
needs_command() {
    "$tempo" "$1" --help >/dev/null 2>&1 || { echo 'skipped: built without studies'; exit 77; }
}

# run ARGS...: standard output to $out and $dir/out, standard error to $err and $dir/err, exit code to $rc
run() {
    "$tempo" "${first_words[@]}" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    rc=$?
    out=$(tr -d '\0' <"$dir/out") err=$(cat "$dir/err")
}

# works ARGS...: exit code 0
works() {
    run "$@"
    [ $rc -eq 0 ] || fail "tempo ${first_words[*]} $*: exit code $rc ($err)"
}

# expect CODE TEXT ARGS...: that exit code, and TEXT in a message that says who speaks
expect() {
    local code=$1 text=$2
    shift 2
    run "$@"
    [ $rc -eq "$code" ] || fail "tempo ${first_words[*]} $*: exit code $rc, expected $code ($err)"
    case $err in *'tempo: '*"$text"*) ;; *) fail "tempo ${first_words[*]} $*: message '$err' has no '$text'" ;; esac
}

# refuses CODE TEXT ARGS...: the same, the message alone and nothing on standard output
refuses() {
    expect "$@"
    case $err in 'tempo: '*) ;; *) fail "tempo ${first_words[*]} ${*:3}: message '$err' does not begin with who speaks" ;; esac
    [ -z "$out" ] || fail "tempo ${first_words[*]} ${*:3}: printed '$out'"
}

# contains WHERE TEXT
contains() { case $1 in *"$2"*) ;; *) fail "no '$2' in: ${1:0:600}" ;; esac; }

has_python() { python3 -c '' 2>/dev/null; }

# check_document FILE PYTHON: assertions about the JSON document d in a file
check_document() {
    if ! has_python; then return; fi
    python3 -c "
import json, sys
d = json.load(open('$1'))
$2" || fail "JSON of $1: $2"
}

# check_json PYTHON: about what was just printed
check_json() { check_document "$dir/out" "$1"; }
