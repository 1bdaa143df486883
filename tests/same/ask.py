"""Answers of `tempo serve` to fixed requests, each into a file.  Usage: ask.py PROGRAM DIRECTORY"""
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

TEXT = "Once upon a time, there was a little"
BASE = {"prompt": TEXT, "steps": 8, "threshold": 0.03}
ARMS = [{"name": "isolated", "mode": "isolated"}, {"name": "visible", "mode": "visible"}, {"name": "far", "mode": "causal", "positions": "offset:3"}]
REQUESTS = [
    ("info", "GET", "/v1/tempo/info", None),
    ("openapi", "GET", "/openapi.json", None),
    ("one", "POST", "/v1/tempo/generate", BASE),
    ("paired", "POST", "/v1/tempo/generate", {**BASE, "paired": True}),
    ("arms", "POST", "/v1/tempo/generate", {**BASE, "arms": ARMS, "attention": True, "top_keys": 3}),
    ("stream", "POST", "/v1/tempo/generate", {**BASE, "stream": True, "paired": True, "attention": True}),
    ("recorded", "POST", "/v1/tempo/generate", {**BASE, "record": True, "paired": True}),
    ("given", "POST", "/v1/tempo/generate", {**BASE, "given": [[{"id": 400, "probability": 0.5}, {"id": 401, "probability": 0.2}]]}),
    ("next", "POST", "/v1/tempo/next", {"prompt": TEXT, "top": 5}),
    ("tokenize", "POST", "/v1/tempo/tokenize", {"text": TEXT}),
    ("bad", "POST", "/v1/tempo/generate", {**BASE, "threshold": 2}),
    ("field", "POST", "/v1/tempo/generate", {**BASE, "thresh": 2}),
    ("none", "GET", "/v1/tempo/nothing", None),
    ("completion", "POST", "/v1/completions", {"model": "tempo-tiny", "prompt": TEXT, "max_tokens": 8, "temperature": 0}),
    ("sampled", "POST", "/v1/completions", {"model": "tempo-tiny", "prompt": TEXT, "max_tokens": 8, "seed": 7, "logprobs": 2}),
    ("lists", "POST", "/v1/completions", {"model": "tempo-tiny", "prompt": [TEXT, "A dog"], "n": 2, "max_tokens": 4, "seed": 7}),
    ("echo", "POST", "/v1/completions", {"model": "tempo-tiny", "prompt": TEXT, "max_tokens": 0, "echo": True, "logprobs": 1}),
    ("streamed", "POST", "/v1/completions", {"model": "tempo-tiny", "prompt": TEXT, "max_tokens": 6, "temperature": 0, "stream": True}),
    ("models", "GET", "/v1/models", None),
]
CHANGING = re.compile(rb'"(created|id|gen|url|generation)": ?("[^"]*"|\d+)|"[a-z_]*_(ms|s)": ?[\d.e+-]+')


def ask(port, method, path, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def main():
    program, out = sys.argv[1:3]
    server = subprocess.Popen([program, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    port = None
    for line in server.stdout:
        if m := re.search(r"http://[^:/]+:(\d+)", line):
            port = int(m.group(1))
            break
    for name, method, path, body in REQUESTS:
        status, data = ask(port, method, path, body)
        data = CHANGING.sub(b'"x": 0', data)
        with open(os.path.join(out, name), "wb") as f:
            f.write(b"%d\n" % status + data)
    server.terminate()
    server.wait()


main()
