"""Real models against llama.cpp: the first 16 greedy tokens after five prompts, and `tempo doctor`.

Where the two part, after the same prefix, the logits of the two tokens must be so near that what the programs differ by at that place
explains it: llama.cpp rounds activations to 8 bits and takes GELU from a table of half floats.  What 8 bits do to a model is the model's
doing, so the measure is this program's own: the difference, there and after the prompt, must be below TIMES what --compute fast differs
from exact by at the same place.  Its blocks are of 32 activations; those of llama.cpp are of 256 with the K types, whose largest value is
larger (of normal numbers 2.8 standard deviations instead of 2.1), and outliers reach more of their neighbours.

The prompts are the text's tokens as tempo has them, given to both as ids.

Environment: TEMPO (the program), TEMPO_FIELD (what fetch.sh fetched), TEMPO_LLAMA (a Python that has llama_cpp; default: this one, or
venv-llama/bin/python of that folder).  Exit status 77: no llama_cpp, or no model there.
"""
import json
import os
import subprocess
import sys
import tempfile

TEMPO = os.environ.get("TEMPO", "build/tempo")
FIELD = os.environ.get("TEMPO_FIELD", "build/field")
MODELS = ["gemma3-270m.gguf", "smollm2.gguf", "qwen2.5-coder-0.5b.gguf"]
PROMPTS = ["The capital of France is", "Once upon a time, in a small village by the sea,",
           "def fibonacci(n):\n    if n < 2:\n        return n\n", "Water boils at a temperature of",
           "Bonjour, je m'appelle Zoë et j'habite à"]
STEPS = 16
TIMES = 4  # of the root mean square of the differences


def have_llama():
    """Restarts in a Python that has llama_cpp."""
    try:
        import llama_cpp  # noqa: F401
        import numpy  # noqa: F401
        return True
    except ImportError:
        other = os.environ.get("TEMPO_LLAMA", os.path.join(FIELD, "venv-llama/bin/python"))
        if os.environ.get("TEMPO_LLAMA_TRIED") or not os.path.exists(other):
            return False
        os.environ["TEMPO_LLAMA_TRIED"] = "1"
        os.execv(other, [other, *sys.argv])


def tempo(*arguments):
    return subprocess.run([TEMPO, *arguments], check=True, capture_output=True, text=True).stdout


def greedy_of_llama(llama, ids):
    """Its next STEPS tokens, and the logits [STEPS, V] that they were taken from."""
    import numpy as np
    llama.reset()
    llama.eval(ids)
    tokens, rows = [], []
    for step in range(STEPS):
        row = np.array(llama.scores[llama.n_tokens - 1], dtype=np.float64)
        rows.append(row)
        tokens.append(int(row.argmax()))
        if step + 1 < STEPS:
            llama.eval(tokens[-1:])
    return tokens, np.array(rows)


def logits_of_tempo(path, ids, folder, compute="exact"):
    """[V] after the last of ids."""
    import numpy as np
    out = os.path.join(folder, "logits.npy")
    tempo("logits", "-m", path, "--prompt-ids", ",".join(map(str, ids)), "--all", out, "--compute", compute)
    return np.load(out).astype(np.float64)


def greedy_of_tempo(path, ids):
    run = json.loads(tempo("generate", "-m", path, "--prompt-ids", ",".join(map(str, ids)), "-t", "1", "-n", str(STEPS),
                           "--stop", "never", "--json"))
    return [step["members"][0]["id"] for step in run["steps"]]


def rms_of(x):
    return float((x ** 2).mean() ** 0.5)


def explained(theirs, ours):
    """Do two rows of logits have another largest one because they are that near?  Also the gap."""
    a, b = int(theirs.argmax()), int(ours.argmax())
    gap = theirs[a] - theirs[b]
    moved = abs((ours - theirs)[b] - (ours - theirs)[a])
    return a != b and gap <= moved and gap <= 6 * rms_of(ours - theirs), gap


def compare(name, path, llama, text, folder):
    ids = json.loads(tempo("tokenize", "-m", path, "--json", text))["ids"]
    tokens, theirs = greedy_of_llama(llama, ids)
    theirs = theirs[:, :llama.n_vocab()]
    alone = greedy_of_tempo(path, ids)
    parts = next((i for i in range(STEPS) if alone[i] != tokens[i]), STEPS)
    good, share = True, 0
    for i in {0, parts} - {STEPS}:
        ours = logits_of_tempo(path, ids + tokens[:i], folder)
        row = theirs[i, :len(ours)]
        share = max(share, rms_of(ours - row) / rms_of(ours - logits_of_tempo(path, ids + tokens[:i], folder, "fast")))
        if i == parts:
            good, gap = explained(row, ours)
            print(f"{name}: token {i}: {tokens[i]} of llama.cpp, {alone[i]} here: a gap of {gap:.3f}, the logits differ by "
                  f"{rms_of(ours - row):.3f} (rms){'' if good else '  NOT EXPLAINED'}")
    good = good and share <= TIMES  # a NaN is not
    print(f"{name}: {text[:30]!r}: {parts} of {STEPS} tokens equal; differences are {share:.2f} times those of 8 bits here"
          f"{'' if good else '  FAILED'}", flush=True)
    return good, parts == STEPS


def main():
    paths = [os.path.join(FIELD, "models", name) for name in MODELS]
    paths = [path for path in paths if os.path.exists(path)]
    if not paths:
        print("skipped: no real model in", FIELD)
        return 77
    if not have_llama():
        print("skipped: llama_cpp cannot be imported (pip install llama-cpp-python; TEMPO_LLAMA=PYTHON)")
        return 77
    from llama_cpp import Llama
    bad = compared = equal = 0
    for path in paths:
        name = os.path.basename(path)
        llama = Llama(path, n_ctx=256, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0)
        with tempfile.TemporaryDirectory() as folder:
            for text in PROMPTS:
                good, same = compare(name, path, llama, text, folder)
                compared += 1
                bad += not good
                equal += same
        llama.close()
        holds = subprocess.run([TEMPO, "doctor", "-m", path], capture_output=True).returncode == 0
        bad += not holds
        print(f"{name}: doctor {'holds' if holds else 'FAILED'}", flush=True)
    print(f"greedy: {equal} of {compared} runs equal, {bad} failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
