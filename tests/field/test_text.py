#!/usr/bin/env python3
"""Classes, patterns and normalisation against the tokenizers library.

    test_text.py [SCALE]

Over code points: what each class of the patterns holds, what each normalisation form makes of them alone and beside marks.
Then patterns of real tokenizers and random ones, in every behavior, on random strings.  Seeds are fixed; SCALE (default 1) is
how much: below 1, long runs of code points of one category are thinned everywhere.
"""
import itertools
import json
import random
import subprocess
import sys
import unicodedata

import tokens

try:
    from tokenizers import Regex, normalizers, pre_tokenizers
except ImportError:
    print("skipped: the tokenizers library is not here")
    sys.exit(77)

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def thinned():
    """Without most of what lies within long runs of one category, where nothing happens."""
    out = []
    for _, run in itertools.groupby(POINTS, lambda c: unicodedata.category(chr(c))):
        run = list(run)
        out += run if len(run) < 400 else run[:100] + run[100:-100:97] + run[-100:]
    return out


FEWER = thinned()
BEHAVIORS = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
FORMS = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD(),
         "Lowercase": normalizers.Lowercase(), "StripAccents": normalizers.StripAccents(), "Nmt": normalizers.Nmt(),
         "Strip left": normalizers.Strip(left=True, right=False), "Strip right": normalizers.Strip(left=False, right=True),
         "Strip": normalizers.Strip()}
CATEGORIES = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co LC"
CLASSES = [r"\p{%s}" % c for c in CATEGORIES.split()] + [
    r"\s", r"\S", r"\w", r"\W", r"\d", r"\D", r"\h", r"\H", r"[\w]", r"[\W]", r"[^\w]", r"[^\W]", r"[\s]", r"[^\s]", r"[^\S\n]", ".", r"\N", r"\R",
    r"\p{^L}", r"\P{L}", r"[\P{L}]", r"[\p{^L}a]", r"\p{Letter}", r"\p{uppercase_letter}", r"\p{Han}", r"\p{Hiragana}", r"\p{Katakana}",
    r"\p{Hangul}", r"\p{Latin}", r"\p{Cyrillic}", r"\p{Greek}", r"\p{Arabic}", r"\p{Thai}", r"\p{Devanagari}", r"\p{Common}", r"\p{Inherited}",
    r"\p{Hani}", r"\p{Latn}", r"\p{Alphabetic}", r"\p{White_Space}", r"\p{Uppercase}", r"\p{Lowercase}", r"\p{Emoji}", r"\p{Extended_Pictographic}",
    r"\p{Ideographic}", r"\p{alnum}", r"\p{punct}", r"\p{space}", r"\p{word}", r"\p{ascii}", r"\p{any}", r"\p{assigned}",
    "[[:alnum:]]", "[[:alpha:]]", "[[:ascii:]]", "[[:blank:]]", "[[:cntrl:]]", "[[:digit:]]", "[[:graph:]]", "[[:lower:]]", "[[:print:]]",
    "[[:punct:]]", "[[:space:]]", "[[:upper:]]", "[[:xdigit:]]", "[[:word:]]", "[[:^alpha:]]", "(?i:[a-z])", "(?i:[^a-z])", "(?i:s)", "(?i:k)",
    "(?i:\u03c3)", "(?i:[\u0410-\u042f])", r"(?i:\p{Lu})", r"(?i:[\p{Lu}])", r"[\p{L}&&[^a-zA-Z]]", r"[\p{L}&&\p{Lu}&&[^A-Z]]", r"[^\p{L}&&[^a]]",
    r"[a-z&&[^aeiou]]", r"[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]", r"[\r\n\p{L}\p{N}]", r"[^\r\n\p{L}\p{N}]", r"[\p{L}\p{M}]",
    r"[\p{P}\p{S}]", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]", "[\\-a]", "[a\\-z]", "[]a]", "[a-]", "[-a]", r"\x41", r"\x{1F600}", r"\u00e9", r"[\x{80}-\x{10ffff}]",
    r"[\n\t]", r"\e", r"\a", "'", r"\-", r"\/", r"\&"]
WHOLE = [r"\p{L}", r"\p{N}", r"\s", r"\p{M}", r"\p{P}", r"\p{S}", r"\w", r"\p{Lu}"]
PATTERNS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}|\s+",
    r" ?[^(\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+", r"[\p{P}\$\+<=>\^~\|]+", r"\p{N}", r"[0-9][0-9][0-9]", r"\s+$", r"\s?\p{L}+", r"\s?\p{P}+",
    r"(?=(\d{3})+(?!\d))", r"(?<=\p{Ll})(?=\p{Lu})", r"(?<!\S)\S", r"(?<=[ab]|cd)x", r"\b", r"\B", r"\w+|[^\w\s]+", r"^", r"$", r"\A.", r".\z", r".\Z", r"\G\w", r"x*",
    r"(?i)hello|world", r"a(?i)b|c", r"(?:ab|a)(?:bc|c)?", r"(?>a|ab)c", r"(a|b)*?c", r"(?:a*)*b", r"(?:|a)*b", r"(?:a|b?)+c", r"a{2}", r"a{2,}", r"a{,2}b", r"a{1,2}?b",
    r"a{2}?", r"a{2}+", r"a{x", r"(?x) a b # c", r"(?m).+", r".+", r"(?<word>\w)\d", r"(?#note)a", r"[a-c]+?b", r"\p{L}{2,4}?\d*+", r"(?:\p{L}\p{M}*)+", "\\u0020?\\w+"]
ALPHABET = ("abcxyzABCXYZ0123456789     \n\n\r\t.,;:!?'\"()[]{}-_/\\$+<=>^~|`@#%&*"
            "\u00e9\u00df\u0130\u0131\u017f\u212a\u01c5\u00b2\u00bd\u00a0\u0085\u2028\u3000\u200b\u200d\u180e\ufeff\u2581"
            "\u0301\u0323\u0308\u0345\u093f\u20dd\u4e2d\u6587\u3042\u30a2\ud55c\u1100\u1161\u11a8\u0e01\u0e33\u0627\u064b\u0531\u0432"
            "\u2160\u2460\u0663\u096b\u1c89\ua7cb\U0001f600\U0001f1e9\U0001f3fd\U00010d6f\U00016d43\U0001ccf0\U00020000\U0002ebf0\u0897\U000113b8")


class Ours:
    def __init__(self):
        self.process = subprocess.Popen([tokens.build("field_text")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def cut(self, pattern, texts, behavior="isolated", invert=False, kind=0):
        answer = self.ask(pattern=pattern, kind=kind, behavior=BEHAVIORS.index(behavior), invert=invert, texts=texts)
        if isinstance(answer, dict):
            return answer
        out = []
        for text, parts in zip(texts, answer):
            data = text.encode()
            out.append([data[a:b].decode() for a, b in zip(parts[::2], parts[1::2])])
        return out


failures = 0


def report(what, count, differences):
    global failures
    failures += len(differences)
    print(f"{what}: {count} compared, {len(differences)} differ", flush=True)
    for d in differences[:5]:
        print("   ", *map(ascii, d))


def members(parts):
    return {c for part in parts for c in part}


def check_classes(ours, scale):
    differences = []
    for pattern in CLASSES:
        whole = scale >= 1 and pattern in WHOLE
        text = "".join(map(chr, POINTS if whole else FEWER))
        theirs = members(p for p, _ in pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(text))
        got = ours.cut(pattern, [text], "removed", True)
        if isinstance(got, dict):
            differences.append((pattern, got))
            continue
        wrong = theirs ^ members(got[0])
        if wrong:
            differences.append((pattern, len(wrong), sorted(wrong)[:5]))
    report(f"classes over {len(FEWER)} code points, {len(WHOLE)} of them over all", len(CLASSES), differences)
    points = POINTS if scale >= 1 else FEWER
    separated = "a" + "a".join(map(chr, points)) + "a"
    for kind, name, theirs in ((2, "Digits", pre_tokenizers.Digits(individual_digits=True)), (3, "Punctuation", pre_tokenizers.Punctuation("isolated"))):
        a = [p for p, _ in theirs.pre_tokenize_str(separated)]
        b = ours.cut("", [separated], kind=kind)[0]
        report(f"{name} over code points", len(points), [] if a == b else [(name, sorted(set(a) ^ set(b))[:5])])


def check_forms(ours, scale):
    contexts = ["{}", "a{}b", "a\u0301{}\u0323\u0308", "\u1100{}\u11a8", "\u05d0\u05b7{}\u05bc", " {} ", "\u09c7{}"]
    for number, (name, form) in enumerate(FORMS.items()):
        differences, count = [], 0
        for context in contexts:
            points = POINTS if scale >= 1 and context == "a{}b" else FEWER
            texts = [context.format(chr(c)) for c in points]
            count += len(texts)
            for begin in range(0, len(texts), 65536):
                part = texts[begin:begin + 65536]
                for text, got in zip(part, ours.ask(form=number, texts=part)):
                    if form.normalize_str(text) != got:
                        differences.append((name, text, form.normalize_str(text), got))
        report(f"{name} over code points in {len(contexts)} contexts", count, differences)


def random_text(rng, marks=0.1):
    kind = rng.random()
    if kind < 0.6:
        return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(1, 24)))
    if kind < 0.8:
        return "".join(rng.choice("abc xyzAB12\n") for _ in range(rng.randrange(1, 24)))
    if kind < 0.9:
        return "".join(chr(rng.choice(POINTS)) for _ in range(rng.randrange(1, 12)))
    return "".join(rng.choice("ae\u0301\u0323\u0308\u0345\u05b7\u05bc\u3099\u1161\u11a8\u1100\uac00\u0327") for _ in range(rng.randrange(1, 30)))


def check_random_forms(ours, scale):
    rng = random.Random(11)
    texts = [random_text(rng) for _ in range(int(20000 * scale))]
    marks = [chr(c) for c in POINTS if FORMS["StripAccents"].normalize_str("a" + chr(c)) == "a"]
    texts += ["a" + "".join(rng.choice(marks) for _ in range(rng.randrange(2, 40))) + "b" for _ in range(int(5000 * scale))]
    texts += ["\u0301\u0323" * 5000, "e" + "\u0301\u0323" * 5000 + "x"]
    for number, (name, form) in enumerate(FORMS.items()):
        got = ours.ask(form=number, texts=texts)
        report(f"{name} of random texts", len(texts),
               [(name, t, form.normalize_str(t), g) for t, g in zip(texts, got) if form.normalize_str(t) != g])


def random_pattern(rng, depth=0):
    atoms = ["a", "b", "c", " ", r"\s", r"\S", r"\w", r"\d", r"\p{L}", r"\p{Lu}", r"[abc]", r"[^a\s]", r"[a-cx]", ".", r"(?i:a)", r"\n", "x", "1"]

    def atom(d):
        k = rng.random()
        if d < 3 and k < 0.15:
            return "(?:" + random_pattern(rng, d + 1) + ")"
        if d < 3 and k < 0.19:
            return rng.choice(["(?=", "(?!"]) + random_pattern(rng, d + 1) + ")"
        if d < 3 and k < 0.22:
            return "(?>" + random_pattern(rng, d + 1) + ")"
        if k < 0.24:
            return rng.choice(["(?<=", "(?<!"]) + rng.choice(["a", r"\s", "bc", r"\p{L}"]) + ")"
        if k < 0.27:
            return rng.choice([r"\b", "^", "$", r"\B"])
        return rng.choice(atoms)

    def item(d):
        a = atom(d)
        # what has no width is not repeated: there the library counts turns in its own way
        if rng.random() < 0.4 and not a.startswith(("(?=", "(?!", "(?<", "^", "$", r"\b", r"\B")):
            a += rng.choice(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "*+", "++", "?+", "{2,}"])
        return a

    return "|".join("".join(item(depth) for _ in range(rng.randrange(1, 4))) for _ in range(rng.choice([1, 1, 2, 3])))


def check_patterns(ours, scale):
    rng = random.Random(12)
    texts = [random_text(rng) for _ in range(int(600 * scale))] + ["aa aa", "x" * 10 + "\n", "\n", " \n \n", "it's we'll HE'S '\u017f"]
    count, differences = 0, []
    for pattern in PATTERNS:
        for behavior in BEHAVIORS:
            for invert in (False, True):
                theirs = pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)
                got = ours.cut(pattern, texts, behavior, invert)
                if isinstance(got, dict):
                    differences.append((pattern, got))
                    break
                for text, parts in zip(texts, got):
                    count += 1
                    want = [p for p, _ in theirs.pre_tokenize_str(text)]
                    if want != parts:
                        differences.append((pattern, behavior, invert, text, want, parts))
    report("patterns of real tokenizers and of each construct", count, differences)
    count, differences, refused = 0, [], 0
    for _ in range(int(3000 * scale)):
        pattern = random_pattern(rng)
        some = ["".join(rng.choice("aabbcABx 1\n") for _ in range(rng.randrange(0, 14))) for _ in range(12)]
        try:
            theirs = pre_tokenizers.Split(Regex(pattern), "isolated")
            want = [[p for p, _ in theirs.pre_tokenize_str(t)] for t in some]
        except Exception:
            continue
        got = ours.cut(pattern, some)
        if isinstance(got, dict):
            refused += 1
            if got["code"] != "unsupported":
                differences.append((pattern, got))
            continue
        count += len(some)
        differences += [(pattern, t, w, g) for t, w, g in zip(some, want, got) if w != g]
    report(f"random patterns ({refused} refused)", count, differences)
    count, differences = 0, []
    for text in (" ", "\u2581", "--", "", "."):
        for behavior in BEHAVIORS:
            theirs = pre_tokenizers.Split(text, behavior)
            got = ours.cut(text, texts, behavior, kind=1)
            count += len(texts)
            differences += [(text, behavior, t) for t, g in zip(texts, got) if [p for p, _ in theirs.pre_tokenize_str(t)] != g]
    report("plain texts as patterns", count, differences)


def main():
    ours = Ours()
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    check_classes(ours, scale)
    check_patterns(ours, scale)
    check_random_forms(ours, scale)
    check_forms(ours, scale)
    print(f"{failures} differences")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
