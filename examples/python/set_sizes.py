"""A study of one's own: do siblings that see each other change what comes next more where there are more of them?

Every prompt is decoded with isolated and with visible members, in lockstep: both arms take the sets of the first, so that what differs is
only what members saw of each other. Each step gives the pairs of siblings in its context and the distance between the two distributions.

    python examples/python/set_sizes.py [MODEL] [--out TABLE.csv]
"""

import argparse

import numpy as np
import pandas as pd
import tempo_lm as tl

PROMPTS = {"cat": "The cat sat on the", "time": "Once upon a", "door": "She opened the door and"}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", nargs="?", help="a .gguf, a directory, org/name; without: the built-in model")
parser.add_argument("--out", help="where the table goes")
options = parser.parse_args()

rows = []
with tl.Model.from_pretrained(options.model) as m:
    how = dict(threshold=0.04, steps=6, stop="never", regime="lockstep", driver="isolated", distributions=True)
    runs = m.decode(list(PROMPTS.values()), modes=["isolated", "visible"], **how)
    for name, run in zip(PROMPTS, runs):
        pairs = 0
        isolated, visible = run.arm("isolated").sets, run.arm("visible").sets
        for before, one, two in zip(isolated, isolated[1:], visible[1:]):
            pairs += len(before) * (len(before) - 1) // 2
            tv = 0.5 * np.abs(one.distribution - two.distribution).sum()
            rows.append({"prompt": name, "step": one.step, "pairs": pairs, "tv": tv})

table = pd.DataFrame(rows)
if options.out:
    table.to_csv(options.out, index=False)
print(table.pivot(index="step", columns="prompt", values="tv").round(3).to_string())
print("rank correlation of pairs and distance:", round(table[["pairs", "tv"]].rank().corr().iloc[0, 1], 2))
