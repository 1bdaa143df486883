# shellcheck shell=bash
# Sourced: what the parts of one run compile alike is compiled once, if ccache is there and nobody has set a launcher.  What is kept lies
# below build/check, so that a clean clone is a clean run.
if [ -z "${CMAKE_C_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_DIR=$PWD/build/check/ccache CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi
