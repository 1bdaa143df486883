#!/usr/bin/env python3
"""How far decoding with rounded activations is from decoding with float32 ones, in nats: mean KL(reference || other).

    kl.py TEMPO MODEL.gguf TEXT [TOKENS]

The reference is TEMPO on its scalar path, which multiplies the same weights with unrounded activations.  Others: TEMPO exact and
fast on the best path, and llama.cpp (PyPI llama-cpp-python) where it can be imported.  TEXT goes through the model in pieces of 500
tokens, TOKENS (2000) in all, every position counted.  Printed: mean and greatest KL, and how often the most probable token differs.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PIECE = 500


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def tempo_logits(tempo, model, ids, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'all.npy'
        subprocess.run([tempo, 'logits', '-m', model, '--prompt-ids', ','.join(map(str, ids)), '--all-positions', '--all', str(out), *options],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.load(out)


def llama_logits(model, pieces):
    from llama_cpp import Llama

    m = Llama(model_path=model, n_ctx=PIECE + 8, n_batch=PIECE, logits_all=True, verbose=False)
    for ids in pieces:
        m.reset()
        m.eval(list(ids))
        yield np.array(m.scores[:len(ids)])


def main():
    tempo, model, text = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 2000
    ids = subprocess.run([tempo, 'tokenize', '-m', model, '-f', text, '--no-special'], check=True, capture_output=True, text=True).stdout
    ids = [int(line.split()[0]) for line in ids.splitlines()][:count]
    pieces = [ids[i:i + PIECE] for i in range(0, len(ids), PIECE)]
    reference = [log_softmax(tempo_logits(tempo, model, p, '--cpu', 'scalar')) for p in pieces]
    others = {name: [tempo_logits(tempo, model, p, '--compute', name) for p in pieces] for name in ('exact', 'fast')}
    try:
        import llama_cpp
        others['llama.cpp ' + llama_cpp.__version__] = llama_logits(model, pieces)
    except ImportError:
        print('no llama_cpp here', file=sys.stderr)
    print(f'{len(ids)} tokens of {text}; nats')
    for name, logits in others.items():
        kl, differ = [], 0
        for want, got in zip(reference, logits):
            got = log_softmax(got)
            kl.append((np.exp(want) * (want - got)).sum(axis=1))
            differ += int((want.argmax(axis=1) != got.argmax(axis=1)).sum())
        kl = np.concatenate(kl)
        print(f'{name:24} mean {kl.mean():.3e}  greatest {kl.max():.3e}  other greedy token {differ}')


if __name__ == '__main__':
    main()
