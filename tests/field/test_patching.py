"""Copying of a name in a real model, found by patching: SmolLM2-135M on "When Mary and John went to the store, John gave a drink to".

What is known of this task: the model answers with the name that was not repeated; what decides is carried at the repeated name until
late in the network, and then moves, within few layers, to the last token.  Checked here, of the residual stream by layer and position,
in both directions:
  - at the repeated name the whole effect is there from the first layer up to the middle of the network, at the last token none;
  - in the last layers it is the other way round; the change of places, where the last token takes over, is in the last half;
  - the earliest layer at which one position flips the answer is layer 0, at the repeated name alone; at the last token it is a late one;
  - positions that tell the two prompts nothing apart (all before the repeated name) do nothing in any layer, to the bit;
  - a control: the same grid between two prompts that differ in another word ("a drink" and "a book"): no cell flips the answer.

Environment: TEMPO (the program), TEMPO_FIELD (what fetch.sh fetched).  Exit status 77: no model there.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

TEMPO = os.environ.get("TEMPO", "build/tempo")
FIELD = os.environ.get("TEMPO_FIELD", "build/field")
MODEL = os.path.join(FIELD, "models", "smollm2.gguf")
CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPT = "When Mary and John went to the store, Mary gave a drink to"
CONTROL = "When Mary and John went to the store, John gave a book to"
REPEATED, LAYERS = 9, 30

failed = 0


def check(what, holds):
    global failed
    failed += not holds
    print(f"{'ok' if holds else 'FAILED'}: {what}")


def grid(clean, corrupt, direction):
    """raw [layers, positions], and the metric of both runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "grid.json")
        with open(path, "wb") as out:
            subprocess.run([TEMPO, "patch", "-m", MODEL, "--clean", clean, "--corrupt", corrupt, "--answers", " Mary, John", "--taps",
                            "resid_pre", "--direction", direction, "--json"], check=True, stdout=out, stderr=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as text:
            return json.load(text)


def values(doc, direction):
    one = next(g for g in doc["grids"] if g["direction"] == direction)
    return np.array(one["values"])


def check_curve(doc, direction):
    """The whole effect: from what the patched run is by itself (0) to the other run (1)."""
    begin, end = (doc["corrupt"], doc["clean"]) if direction == "denoise" else (doc["clean"], doc["corrupt"])
    raw = values(doc, direction)
    effect = (raw - begin) / (end - begin)
    flips = np.sign(raw) == np.sign(end)
    name, last = effect[:, REPEATED], effect[:, -1]
    print(f"{direction}: at the repeated name", np.array2string(name, precision=2, max_line_width=200))
    print(f"{direction}: at the last token   ", np.array2string(last, precision=2, max_line_width=200))
    check(f"{direction}: the repeated name has the whole effect in the first half", np.abs(name[:LAYERS // 2] - 1).max() < 0.1)
    check(f"{direction}: the last token has none there", np.abs(last[:LAYERS // 2]).max() < 0.1)
    check(f"{direction}: the last token has it in the last layers, the name none", last[-4:].min() > 0.8 and np.abs(name[-4:]).max() < 0.2)
    check(f"{direction}: earliest flip: layer 0, at the repeated name alone", flips[0].tolist() == [p == REPEATED for p in range(raw.shape[1])])
    takes_over = int(np.argmax(flips[:, -1]))
    check(f"{direction}: the last token flips the answer from layer {takes_over} on, in the last half, and not before",
          flips[takes_over:, -1].all() and takes_over > LAYERS // 2)
    check(f"{direction}: what stands before the first difference does nothing, to the bit", (raw[:, :REPEATED] == begin).all())


def main():
    if not os.path.exists(MODEL):
        print(f"no {MODEL}")
        return 77
    doc = grid(CLEAN, CORRUPT, "both")
    check("the two prompts have two answers", doc["clean"] > 0 > doc["corrupt"])
    for direction in ("denoise", "noise"):
        check_curve(doc, direction)
    control = grid(CLEAN, CONTROL, "both")
    raw = np.stack([values(control, d) for d in ("denoise", "noise")])
    check(f"control: of {raw.size} cells none flips the answer", (raw > 0).all() and control["clean"] > 0 and control["corrupt"] > 0)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
