#!/usr/bin/env bash
# tempo pull against a hub made for it (test_NAME.py); of a program that was built without libcurl, what it says.
# Usage: test_pull.sh PROGRAM NAME.  Run from the source root.
set -uo pipefail
tempo=${1:?usage: test_pull.sh PROGRAM NAME} name=${2:?usage: test_pull.sh PROGRAM NAME}
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }

err=$(HF_ENDPOINT=http://127.0.0.1:1 HF_HUB_OFFLINE=1 "$tempo" pull org/name 2>&1 >/dev/null) && fail 'a pull while offline has worked'
rc=$?
case $err in
'tempo: this tempo was built without libcurl'*'libcurl4-openssl-dev'*)
    [ $rc -eq 1 ] || fail "exit code $rc without libcurl"
    echo 'built without libcurl, and that is said'
    exit 0
    ;;
esac
python3 -c '' 2>/dev/null || { echo 'skipped: no python3, in which the hub of this test is written'; exit 77; }
# Files are synchronised with the disk, which is no concern here.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
exec python3 "tests/pull/test_$name.py" "$tempo"
