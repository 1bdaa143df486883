#!/usr/bin/env python3
"""Ids of real tokenizers against the tokenizers library.

    test_ids.py [SCALE] [NAME...]

For each tokenizer that its makers published (or those named): random strings (22,000 at SCALE 1, the default), names of its
special tokens in between, each code point in contexts (long runs of one category thinned), runs of marks, spaces and letters; the
ids, and the text that they spell.  A tenth of that for each vocabulary of a GGUF file: as it is, and written as the tokenizer.json
that it was made from.  Where such a file has texts and ids of its own beside it (.inp, .out), these too.  Seeds are fixed.
"""
import itertools
import json
import pathlib
import random
import sys
import tempfile
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
        wanted = [encoding.ids for encoding in theirs.encode_batch(part, add_special_tokens=False)]
        spelled = theirs.decode_batch(wanted, skip_special_tokens=False)
        for text, want, back in zip(part, wanted, spelled):
            got = ours.ids(text)
            if got != want:
                differ.append((text, want, got))
            elif (got := ours.text(want)) != back:
                differ.append((text, ascii(back), ascii(got)))
    print(f"{name}: {len(texts)} texts, {len(differ)} differ", flush=True)
    for text, want, got in differ[:5]:
        print("   ", ascii(text[:200]), want[:200], got[:200])
    ours.close()
    return len(differ)


def check_given(path):
    """The texts and ids beside a vocabulary."""
    texts = path.with_name(path.name + ".inp").read_text().split("\n__ggml_vocab_test__\n")
    wanted = [list(map(int, line.split())) for line in path.with_name(path.name + ".out").read_text().splitlines()]
    ours = tokens.Ours(path)
    differ = [(text, want, got) for text, want in zip(texts, wanted) if (got := ours.ids(text, special=False)) != want]
    print(f"{path.name}: {len(wanted)} texts beside it, {len(differ)} differ", flush=True)
    for text, want, got in differ[:5]:
        print("   ", ascii(text), want[:40], got[:40])
    ours.close()
    return len(differ)


def check_gguf(path, scale):
    """The vocabulary of a GGUF file; None where there is nothing to compare it with."""
    given = path.with_name(path.name + ".out").exists()
    ours = tokens.Ours(path)
    if ours.failure and "tokenizer model '" in ours.failure:
        print(f"{path.name}: refused by name")
        return None
    differences = check_given(path) if given else 0
    try:
        document, control, user, _ = tokens.document_of_gguf(path)
    except KeyError:
        return differences if given else None  # cut in a way that tokenizers has not, or not said
    specials = [*control.values(), *user.values()]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(document))
        theirs = tokens.reference(pathlib.Path(folder))
        differences += check(path.name, ours, theirs, specials, scale)
        differences += check(path.name + " as tokenizer.json", tokens.Ours(folder), theirs, specials, scale)
        if tokens.write_lists(pathlib.Path(folder), document):
            differences += check(path.name + " as vocab.json and merges.txt", tokens.Ours(folder), theirs, specials, scale)
    return differences


def main():
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    differences, count = 0, 0
    for path in tokens.npm_tokenizers():
        if len(sys.argv) > 2 and path.name not in sys.argv[2:]:
            continue
        specials = [t["content"] for t in json.loads((path / "tokenizer.json").read_text())["added_tokens"]]
        differences += check(path.name, tokens.Ours(path), tokens.reference(path), specials, scale)
        count += 1
    for path in sorted([*(tokens.FIELD / "models").glob("*.gguf"), *(tokens.FIELD / "vocab").glob("*.gguf")]):
        if len(sys.argv) > 2 and path.name not in sys.argv[2:]:
            continue
        differ = check_gguf(path, scale / 10)
        differences += differ or 0
        count += differ is not None
    print(f"{differences} differences in {count} tokenizers")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
