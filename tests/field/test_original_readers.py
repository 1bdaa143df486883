#!/usr/bin/env python3
"""Captures and flat experiments, read with numpy as the original project's loader and scripts read them.

Usage: test_original_readers.py [PROGRAM]     else $TEMPO; run from the source root.  Exits 77 where something is missing.
"""
import glob
import os
import subprocess
import sys
import tempfile

program = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get('TEMPO', 'build/tempo'))
files = os.path.realpath('../shared/design/original-experiments')
checks = os.path.realpath('tests/cli')
os.environ['TEMPO_MODELS'] = os.path.realpath('models')


def run(*words, cwd):
    done = subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'{" ".join(words)}: exit code {done.returncode}\n{done.stderr}')


def check(name, *paths):
    code = subprocess.run([sys.executable, os.path.join(checks, name), *paths]).returncode
    if code != 0:
        sys.exit(code)


with tempfile.TemporaryDirectory() as place:
    run('generate', '-p', 'The cat sat on the', '--threshold', '0.05', '--steps', '8', '--paired', '--capture', 'pair', cwd=place)
    check('check_capture.py', f'{place}/pair/isolated', f'{place}/pair/visible')
    if not os.path.isdir(files):
        print('skipped: the original project\'s experiment files are not here')
        sys.exit(77)
    ours = [glob.glob(f'{files}/exp{i}*.yaml') for i in range(1, 6)]
    run('experiment', 'run', *sorted(ours[0] + ours[2] + ours[3]), '--layout', 'flat', '--pairs', '2', '--no-db', cwd=place)
    run('experiment', 'run', *sorted(ours[1] + ours[4]), '--layout', 'flat', '--out', 'experiments/output', '--pairs', '2', '--no-db', cwd=place)
    check('check_flat.py', place)
