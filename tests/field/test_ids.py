#!/usr/bin/env python3
"""Ids of real tokenizers against the tokenizers library.

    test_ids.py [SCALE] [NAME...]

For each tokenizer that its makers published (or those named) and those of GGUF files: random strings (22,000 at SCALE 1, the
default), names of its special tokens in between, each code point in contexts (long runs of one category thinned), runs of
marks, spaces and letters.  Seeds are fixed.
"""
import itertools
import json
import random
import sys
import unicodedata

import tokens

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
WORDS = ("the The of and  in to it's we'll I'M HE'S caf\u00e9 na\u00efve 12345 3.14 1,000 x+y==z \u4e2d\u6587\u5b57\u7b26 \u65e5\u672c\u8a9e\u3067\u3059 \ud55c\uad6d\uc5b4 "
         "\u041f\u0440\u0438\u0432\u0435\u0442 \u03b1\u03b2\u03b3 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 "
         "e\u0301\u0323 \ufb01ne \u212b \u2460 \uff21\uff22 \u00bd \u1e9e foo_bar camelCase HTTPServer \\n //comment #define <tag> </tag> {\"a\":[1]} \u2581x \u3000 \u00a0 \u180e \u200b \u2028 "
         "\ua7cb \U00010d6f \U00016d43 \U0001ccf0 \u1c89 \u0897 \U000113b8 \U00020000 \U0002ebf0 \U000323af").split(" ")


def thinned():
    out = []
    for _, run in itertools.groupby(POINTS, lambda c: unicodedata.category(chr(c))):
        run = list(run)
        out += run if len(run) < 300 else run[:20] + run[20:-20:211] + run[-20:]
    return out


def texts_of(rng, specials, scale):
    out = []
    for _ in range(int(22000 * scale)):
        parts = []
        for _ in range(rng.randrange(1, 9)):
            kind = rng.random()
            if kind < 0.55:
                parts.append(rng.choice(WORDS))
            elif kind < 0.65:
                parts.append("".join(rng.choice("abcdeXYZ0123 '.,!-") for _ in range(rng.randrange(1, 8))))
            elif kind < 0.75:
                parts.append("".join(chr(rng.choice(POINTS)) for _ in range(rng.randrange(1, 4))))
            elif kind < 0.8:
                parts.append("a" + "".join(rng.choice("\u0301\u0323\u0308\u0345\u0327\u05b7\u3099") for _ in range(rng.randrange(1, 6))))
            elif kind < 0.85 and specials:
                parts.append(rng.choice(specials))
            else:
                parts.append(rng.choice([" ", "  ", "\n", "\n\n", " \n", "\t", "\r\n", "   \n  ", "\u3000", "\u00a0"]) * rng.randrange(1, 3))
        out.append(rng.choice(["", " "]).join(parts))
    step = max(1, int(1 / scale))
    for context in ("{}", " {}", "a{}b", "1{}2", "{}{}", "\n{} ", "'{}"):
        out += [context.format(*[chr(c)] * 2) for c in thinned()[::step]]
    out += ["\u0301\u0323" * 2000, "a" + "\u0323\u0301" * 2000, " " * 5000, " " * 5000 + "x", "\n" * 3000, "ab" * 4000, "a" * 5000, "1" * 3000, "\u4e2d" * 3000, "!" * 3000,
            "", " ", "a "]
    return out


def check(name, ours, theirs, specials, scale):
    if ours.failure:
        print(f"{name}: {ours.failure}")
        return 1
    texts = texts_of(random.Random(13), specials[:40] + specials[-20:], scale)
    differ = []
    for begin in range(0, len(texts), 1000):
        part = texts[begin : begin + 1000]
        for text, want in zip(part, theirs.encode_batch(part, add_special_tokens=False)):
            got = ours.ids(text)
            if got != want.ids:
                differ.append((text, want.ids, got))
    print(f"{name}: {len(texts)} texts, {len(differ)} differ", flush=True)
    for text, want, got in differ[:5]:
        print("   ", ascii(text[:200]), str(want[:40]), got if isinstance(got, str) else got[:40])
    ours.close()
    return len(differ)


def main():
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    differences, count = 0, 0
    for path in tokens.npm_tokenizers():
        if len(sys.argv) > 2 and path.name not in sys.argv[2:]:
            continue
        specials = [t["content"] for t in json.loads((path / "tokenizer.json").read_text())["added_tokens"]]
        differences += check(path.name, tokens.Ours(path), tokens.reference(path), specials, scale)
        count += 1
    for path in sorted((tokens.FIELD / "models").glob("*.gguf")):
        if len(sys.argv) > 2 and path.name not in sys.argv[2:]:
            continue
        try:
            theirs, control, user, _ = tokens.reference_of_gguf(path)
        except (ValueError, KeyError):
            continue  # not byte-level, or cut in another way
        differences += check(path.name, tokens.Ours(path), theirs, [*control.values(), *user.values()], scale)
        count += 1
    print(f"{differences} differences in {count} tokenizers")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
