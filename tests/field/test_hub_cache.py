#!/usr/bin/env python3
"""Where tempo looks for models, against the hub's own client: the same directory for the same environment."""
import importlib
import os
import random
import re
import subprocess
import sys

try:
    from huggingface_hub import constants
except ImportError:
    print("skipped: huggingface_hub is not there")
    sys.exit(77)

tempo = sys.argv[1] if len(sys.argv) > 1 else os.environ["TEMPO"]
VARIABLES = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"]
OTHERS = {"ALPHA": "first", "BETA": "$ALPHA/second", "GAMMA_1": "/third", "EMPTY": ""}
PIECES = ["~", "~/", "~root", "~nobody-has-this-name", "/", "/a", "b c", "$ALPHA", "${ALPHA}", "$BETA", "${BETA}/", "$GAMMA_1",
          "${GAMMA_1", "$UNKNOWN", "${UNKNOWN}", "$", "$$ALPHA", "$EMPTY", "{", "}", ".", "\u00e9", "$ALPHA-x", "${}", "~$ALPHA"]


def client(environment):
    """HF_HUB_CACHE as the client computes it when it starts."""
    old = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        return importlib.reload(constants).HF_HUB_CACHE
    finally:
        os.environ.clear()
        os.environ.update(old)


def ours(environment):
    done = subprocess.run([tempo, "inspect", "no-such-org/no-such-model"], env=environment, capture_output=True, text=True)
    found = re.search(r'is not in the cache (.*): fetch it with "tempo pull no-such-org/no-such-model"', done.stderr)
    return found.group(1) if found else done.stderr


rng = random.Random(4)
differences = cases = 0
for _ in range(500):
    environment = {"PATH": os.environ["PATH"], **OTHERS}
    if rng.random() < 0.9:
        environment["HOME"] = rng.choice(["/home/somebody", "/", "/home/slash/", "/home/$ALPHA"])
    for name in VARIABLES:
        if rng.random() < 0.4:
            environment[name] = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 4)))
    cases += 1
    want, got = client(environment), ours(environment)
    if want != got:
        differences += 1
        if differences <= 10:
            print({k: v for k, v in environment.items() if k in VARIABLES or k == "HOME"}, "client:", want, "tempo:", got)
print(f"{cases} environments, {differences} differences")
sys.exit(differences > 0)
