"""Logits of real models against double precision, on every path of this processor, within what theory says of rounding.

The reference is a forward pass in float64 over the weights as dequantised (numpy; only the files are read by the `gguf`
package).  What a path may differ by is found by letting the reference itself round at random where the path rounds, within
the bounds of src/kernels/kernels.h, and looking at what becomes of it in the logits:

  integer form   an activation is off by at most max |x| of its block of 32 / 32639 / 2: uniform noise of that width
  float form     a sum of k products in floats, random-walked: each partial sum is off by 2^-24 of itself at most, so the
                 sum's standard deviation is at most 2^-24 / sqrt(6) sqrt(k) sqrt(sum (w x)^2)
  bf16 form      as the float form, and activations off by 2^-16 of themselves (two BF16 terms)

Everything else (norms, attention, residuals) is counted as one rounding to float of each value.  With v the variance of a
logit over SEEDS such passes, averaged over the vocabulary, the largest of V differences of a normal distribution is below
sqrt(2 ln V) + 3 standard deviations but once in some hundred prompts; that is the tolerance.

Environment: TEMPO (the program), TEMPO_FIELD (what fetch.sh fetched).  Exit status 77: no model there.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

SEEDS = 4
TEMPO = os.environ.get("TEMPO", "build/tempo")
FIELD = os.environ.get("TEMPO_FIELD", "build/field")
PROMPTS = ["The cat sat on the", "def fibonacci(n):\n    if n < 2:\n        return n\n",
           "Bonjour, je m'appelle Zoë et j'habite à"]
QUANTISED = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"}
U = 2.0 ** -24


class Model:
    """A llama or qwen2 GGUF in double precision."""

    def __init__(self, path):
        from gguf import GGUFReader
        from gguf.quants import dequantize
        reader = GGUFReader(path)
        value = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
        arch = value["general.architecture"]
        key = lambda name, default=None: value.get(f"{arch}.{name}", default)
        self.arch = arch
        self.layers = key("block_count")
        self.heads = key("attention.head_count")
        self.kv_heads = key("attention.head_count_kv", self.heads)
        self.eps = key("attention.layer_norm_rms_epsilon")
        self.theta = key("rope.freq_base", 10000.0)
        self.w, self.squares, self.type = {}, {}, {}
        for tensor in reader.tensors:
            self.w[tensor.name] = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float64)
            self.type[tensor.name] = tensor.tensor_type.name
        self.head = key("attention.key_length", self.w["token_embd.weight"].shape[1] // self.heads)

    def forward(self, ids, noise=None):
        """Logits [V] after the last of ids; noise: what rounds, or None."""
        w = self.w
        round_ = noise.floats if noise else lambda x: x
        x = w["token_embd.weight"][ids]
        for i in range(self.layers):
            layer = f"blk.{i}."
            h = self.norm(x, w[layer + "attn_norm.weight"], round_)
            q, k, v = (self.product(h, layer + f"attn_{name}", noise) for name in "qkv")
            a = self.attention(self.rotate(q, self.heads, round_), self.rotate(k, self.kv_heads, round_), v, round_)
            x = round_(x + self.product(a, layer + "attn_output", noise))
            h = self.norm(x, w[layer + "ffn_norm.weight"], round_)
            gate, up = (self.product(h, layer + f"ffn_{name}", noise) for name in ("gate", "up"))
            x = round_(x + self.product(round_(gate / (1 + np.exp(-gate)) * up), layer + "ffn_down", noise))
        h = self.norm(x[-1:], w["output_norm.weight"], round_)
        return self.product(h, "output" if "output.weight" in w else "token_embd", noise)[0]

    def product(self, x, name, noise):
        w = self.w[name + ".weight"]
        if noise:
            if name not in self.squares:
                self.squares[name] = (w * w).astype(np.float32)
            squares = self.squares[name]
            y = noise.product(x, w, squares, self.type[name + ".weight"])
        else:
            y = x @ w.T
        bias = self.w.get(name + ".bias")
        return y if bias is None else y + bias

    def norm(self, x, w, round_):
        return round_(x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * w)

    def rotate(self, x, heads, round_):
        n, d = len(x), self.head
        x = x.reshape(n, heads, d)
        angle = np.arange(n)[:, None, None] * self.theta ** (-np.arange(0, d, 2) / d)
        cos, sin = np.cos(angle), np.sin(angle)
        if self.arch == "llama":  # adjacent pairs
            a, b = x[..., 0::2], x[..., 1::2]
        else:
            a, b = x[..., : d // 2], x[..., d // 2:]
        return round_(np.concatenate([a * cos - b * sin, b * cos + a * sin], -1))

    def attention(self, q, k, v, round_):
        n, group = len(q), self.heads // self.kv_heads
        k = np.repeat(k, group, 1)
        v = np.repeat(v.reshape(n, self.kv_heads, -1), group, 1)
        s = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head)
        s = np.where(np.tril(np.ones((n, n), bool)), s, -np.inf)
        p = np.exp(s - s.max(-1, keepdims=True))
        p = round_(p / p.sum(-1, keepdims=True))
        return round_(np.einsum("hqk,khd->qhd", p, v).reshape(n, -1))


class Noise:
    """Roundings of one path, at random."""

    def __init__(self, integers, bf16, seed):
        self.integers, self.bf16, self.random = integers, bf16, np.random.default_rng(seed)

    def uniform(self, shape):
        return self.random.uniform(-1, 1, shape)

    def floats(self, x):
        return x * (1 + U * self.uniform(x.shape))

    def product(self, x, w, squares, kind):
        if self.integers and kind in QUANTISED:
            blocks = np.abs(x).reshape(len(x), -1, 32).max(-1)
            x = x + self.uniform(x.shape) * np.repeat(blocks / 32639 / 2, 32, 1)
            k = x.shape[1] // 32  # what is left to round: a sum of blocks in floats
        else:
            k = x.shape[1]
            if self.bf16 and kind in ("BF16", "F16"):
                x = x * (1 + 2.0 ** -16 * self.uniform(x.shape))
        spread = U / np.sqrt(6) * np.sqrt(k) * np.sqrt((x * x).astype(np.float32) @ squares.T)
        return x @ w.T + spread * self.random.standard_normal(spread.shape)


def tempo(*arguments):
    return subprocess.run([TEMPO, *arguments], check=True, capture_output=True, text=True).stdout


def logits_of(path, cpu, ids, folder):
    out = os.path.join(folder, "logits.npy")
    tempo("logits", "-m", path, "--cpu", cpu, "--prompt-ids", ",".join(map(str, ids)), "--all", out)
    return np.load(out).astype(np.float64)


def paths(model):
    """The kernel paths of this machine."""
    names = ["scalar", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "amx", "neon", "neon-dotprod", "neon-i8mm"]
    return [name for name in names
            if subprocess.run([TEMPO, "logits", "-m", model, "-p", "x", "--cpu", name], capture_output=True).returncode == 0]


def main():
    files = [os.path.join(FIELD, "models", name) for name in ("smollm2.gguf", "qwen2.5-coder-0.5b.gguf")]
    files = [name for name in files if os.path.exists(name)]
    if not files:
        print("skipped: no real model in", FIELD)
        return 77
    bad = compared = 0
    for path in files:
        model = Model(path)
        vocabulary = len(model.w["token_embd.weight"])
        spread = np.sqrt(2 * np.log(vocabulary)) + 3
        with tempfile.TemporaryDirectory() as folder:
            for text in PROMPTS:
                ids = json.loads(tempo("tokenize", "-m", path, "--json", text))["ids"]
                exact = model.forward(ids)
                sigma = {}
                for cpu in paths(path):
                    form = (cpu != "scalar", cpu == "amx")
                    if form not in sigma:
                        passes = [model.forward(ids, Noise(*form, seed)) - exact for seed in range(SEEDS)]
                        sigma[form] = np.sqrt(np.mean(np.square(passes)))
                    worst = np.abs(logits_of(path, cpu, ids, folder) - exact).max()
                    tolerance = spread * sigma[form]
                    ok = worst <= tolerance  # a NaN is not
                    bad += not ok
                    compared += 1
                    print(f"{os.path.basename(path)}: {cpu:12} {len(ids):3} tokens: largest difference {worst:.2e} of "
                          f"logits to {np.abs(exact).max():.0f}, tolerance {tolerance:.2e}{'' if ok else '  FAILED'}", flush=True)
    print(f"accuracy: {bad} of {compared} comparisons failed")
    return 1 if bad or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
