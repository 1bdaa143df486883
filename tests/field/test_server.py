#!/usr/bin/env python3
"""The server with OpenAI's Python client, as an evaluation harness asks, and through what stands in front of servers.

Usage: test_server.py [PROGRAM]     default: $TEMPO, or build/tempo.  The models: the built-in one, and SmolLM2-135M from
$TEMPO_FIELD (default build/field) where it is there.  Exit 0: all passed, 1: a difference, 77: no client.
"""
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from operator import itemgetter
from urllib.request import Request, urlopen

try:
    import openai
except ImportError:
    print("skipped: the Python client of OpenAI is not there")
    sys.exit(77)

program = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TEMPO", "build/tempo")
field = os.environ.get("TEMPO_FIELD", "build/field")
passed = 0
TEXTS = [
    "The capital of France is Paris.", "Once upon a time there was", "2 + 2 = 4", "A", "def f(x):\n    return x", "日本語のテキスト",
    "The quick brown fox jumps over the lazy dog, and then it sleeps.", "  two spaces", "naïve café", "\n\nNew line", "x" * 40, "The end.",
]
HARMLESS = {
    "user": "me", "store": True, "metadata": {"run": "7"}, "service_tier": "auto", "parallel_tool_calls": False, "tool_choice": "none",
    "prompt_cache_key": "k", "safety_identifier": "s", "reasoning_effort": "low", "verbosity": "low", "logit_bias": {},
    "response_format": {"type": "text"}, "presence_penalty": 0, "frequency_penalty": 0.0, "modalities": ["text"],
}


def check(good, what):
    global passed
    if not good:
        print(f"FAILED {what}")
        sys.exit(1)
    passed += 1


class Server:
    def __init__(self, *options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([program, "serve", "--port", str(self.port), *options], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        while line and " at http" not in line:
            line = self.process.stderr.readline()
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        check(bool(line), "the server starts")

    def client(self, base="/v1", port=None, key="none"):
        return openai.OpenAI(base_url=f"http://localhost:{port or self.port}{base}", api_key=key, max_retries=0)

    def tokens(self, text):
        request = Request(f"http://127.0.0.1:{self.port}/tokenize", json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})
        return json.load(urlopen(request))["tokens"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        check(self.process.wait(30) == 0, "the server ends with 0")


# ---- the client -------------------------------------------------------------------------------------------

def joined(stream, n):
    texts, finish, usage = [""] * n, [None] * n, None
    for piece in stream:
        usage = piece.usage or usage
        for c in piece.choices:
            check(finish[c.index] is None, "nothing after the end of a choice")
            texts[c.index] += (c.delta.content if hasattr(c, "delta") else c.text) or ""
            finish[c.index] = c.finish_reason
    return texts, finish, usage


def completions(client):
    one = client.completions.create(model="tempo", prompt=TEXTS[0], max_tokens=8, temperature=0)
    two = client.completions.create(model="tempo", prompt=[TEXTS[0], TEXTS[1]], max_tokens=8, temperature=0)
    check([c.index for c in two.choices] == [0, 1], "two prompts: two choices")
    check(two.choices[0].text == one.choices[0].text, "a prompt in a list is answered as alone")
    ask = dict(model="tempo", prompt=[TEXTS[0], TEXTS[1]], n=3, seed=5, max_tokens=8)
    whole = client.completions.create(**ask)
    texts, finish, usage = joined(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}), 6)
    check(texts == [c.text for c in whole.choices], "n of two prompts: a stream says what a document says")
    check(finish == [c.finish_reason for c in whole.choices] and usage == whole.usage, "how it ended, and the usage")
    mixed = client.completions.create(model="tempo", prompt=[[5, 6, 7], [8]], max_tokens=2)
    check(len(mixed.choices) == 2, "lists of ids")


def chats(client):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello", "name": "Ann"}]
    ask = dict(model="tempo", messages=messages, n=2, seed=3, max_completion_tokens=8)
    whole = client.chat.completions.create(**ask)
    texts, finish, _ = joined(client.chat.completions.create(**ask, stream=True), 2)
    check(texts == [c.message.content for c in whole.choices], "n chats, streamed and whole")
    check(all(finish), "each ends")
    answer = client.chat.completions.create(model="tempo", messages=messages, max_tokens=1, **HARMLESS)
    warned = {w.split(":")[0] for w in answer.model_extra["warnings"]}
    expected = {"user", "store", "metadata", "service_tier", "tool_choice", "prompt_cache_key", "safety_identifier", "messages[1].name"}
    check(expected <= warned, f"warnings: {expected - warned} missing")


def errors(client):
    def refused(kind, code, **ask):
        try:
            client.completions.create(**{"model": "tempo", "prompt": "a", "max_tokens": 1, **ask})
        except kind as e:
            check(e.code == code, f"{ask}: code {e.code}, expected {code}")
            check(os.getcwd() not in str(e), "an error names a path")
            return
        check(False, f"{ask}: not refused")

    refused(openai.NotFoundError, "model_not_found", model="gpt-4o")
    refused(openai.BadRequestError, "context_length_exceeded", prompt=[5] * 100000)
    refused(openai.BadRequestError, "unknown_parameter", extra_body={"max_tokenz": 3})
    refused(openai.BadRequestError, "invalid_type", max_tokens="3")
    refused(openai.BadRequestError, "invalid_type", max_tokens=2.1)
    refused(openai.BadRequestError, "invalid_value", max_tokens=-1)
    check(client.completions.create(model="tempo", prompt="a", max_tokens=3.0).usage.completion_tokens <= 3, "3.0 is a whole number")


# ---- an evaluation harness: log probabilities of continuations, four texts to a request -------------------

def loglikelihoods(client, texts, lengths, max_tokens):
    """As lm-evaluation-harness reads them: the last position is what was generated, and is left out."""
    out = client.completions.create(model="tempo", prompt=texts, max_tokens=max_tokens, temperature=0, logprobs=1, seed=1234, echo=True)
    results = []
    end = -1 if max_tokens else None
    for choice, context in zip(sorted(out.model_dump()["choices"], key=itemgetter("index")), lengths):
        scores = choice["logprobs"]["token_logprobs"][context:end]
        tops = choice["logprobs"]["top_logprobs"][context:end]
        results.append((sum(scores), len(scores), all(s == max(t.values()) for s, t in zip(scores, tops))))
    return results


def harness(server, client):
    rng = random.Random(7)
    ids = [server.tokens(t) for t in TEXTS]
    ids = [i for i in ids if len(i) > 1]
    lengths = [rng.randrange(1, len(i)) for i in ids]
    for max_tokens in (0, 1):
        alone = [loglikelihoods(client, [i], [n], max_tokens)[0] for i, n in zip(ids, lengths)]
        batches = []
        for at in range(0, len(ids), 4):
            batches += loglikelihoods(client, ids[at:at + 4], lengths[at:at + 4], max_tokens)
        check(batches == alone, "a batch of four scores as each alone, to the bit")
        for (_, n, _), i, context in zip(batches, ids, lengths):
            check(n == len(i) - context, "one score a token of the continuation")
    until = client.completions.create(model="tempo", prompt=ids[:4], max_tokens=12, temperature=0, stop=["\n\n", ".", "Q:", "</s>", "<|im_end|>"], seed=1)
    check(len(until.choices) == 4 and all("." not in c.text for c in until.choices), "generate until, four at a time")
    chat = client.chat.completions.create(model="tempo", messages=[{"role": "user", "content": "Hi", "type": "text"}], max_tokens=4, temperature=0, stop=["\n"], seed=1)
    check(chat.choices[0].finish_reason in ("stop", "length"), "a chat as harnesses write it")


# ---- in front of it -----------------------------------------------------------------------------------------

def forward(port):
    """Another port that leads to this one, as `ssh -L` makes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(a, b):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)

    def run():
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def raw(port, text):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while data := s.recv(65536):
            answer += data
    return answer


def hostile(server):
    """What is no proper request is answered in our words and with our headers, too."""
    rng = random.Random(11)
    good = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n"
    cases = [b"GET / HTTP/1.1\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70000 + b"\r\n\r\n"]
    for _ in range(300):
        text = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(3)] = bytes(rng.choice(b"\r\n\0 :;0aZ\xff") for _ in range(rng.randrange(3)))
        cases.append(bytes(text))
    for text in cases:
        answer = raw(server.port, text)
        if not answer:
            continue
        while answer:
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
            body, answer = rest[:length], rest[length:]
            if head.startswith(b"HTTP/1.1 2"):
                continue
            check(b"Content-Security-Policy: default-src 'self'" in head and b"X-Content-Type-Options: nosniff" in head, f"{text!r}: {head!r}")
            check(set(json.loads(body)["error"]) == {"message", "type", "param", "code"}, f"{text!r}: {body!r}")


def main():
    with Server() as server:
        client = server.client()
        completions(client)
        chats(client)
        errors(client)
        harness(server, client)
        hostile(server)
        check(len(server.client(port=forward(server.port)).models.list().data) == 1, "a forwarded port")
    with tempfile.NamedTemporaryFile("w") as key:
        key.write("sesame\n")
        key.flush()
        with Server("--api-key-file", key.name, "--base-path", "/on/tempo") as server:
            check(len(server.client("/on/tempo/v1", key="sesame").models.list().data) == 1, "below a path, with a key")
            try:
                server.client("/on/tempo/v1", key="wrong").models.list()
                check(False, "a wrong key is let in")
            except openai.AuthenticationError as e:
                check(e.code == "invalid_api_key", f"code {e.code}")
    smollm2 = os.path.join(field, "models", "smollm2.gguf")
    if os.path.exists(smollm2):
        begin = time.time()
        with Server("-m", smollm2, "--max-steps", "64") as server:
            client = server.client()
            completions(client)
            harness(server, client)
        print(f"SmolLM2: {time.time() - begin:.0f} s")
    print(f"{passed} checks passed, client {openai.__version__}")


main()
