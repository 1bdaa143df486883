#!/usr/bin/env python3
"""src/chat/template/unicode.inc: what Python's str makes of each character, as tables.

  tools/chat-unicode.py           write it
  tools/chat-unicode.py --check   fail if it would change; exit 77 where this Python has another Unicode version

The tables are asked from str itself (upper, isalpha ...), so they are those of the Python that runs this: 3.11 has
Unicode 14.0.0, which is what the renderings are compared with.
"""
import pathlib
import re
import sys
import unicodedata

PATH = pathlib.Path(__file__).resolve().parent.parent / "src/chat/template/unicode.inc"
N = 0x110000


def is_ignorable(c):
    """lower() looks over it for the letter in front of a sigma that ends a word."""
    final = "\u03c2"
    return ("A" + c + "\u03a3").lower().endswith(final) and not (" " + c + "\u03a3").lower().endswith(final)


FLAGS = [
    ("ALPHA", str.isalpha),
    ("DECIMAL", str.isdecimal),
    ("DIGIT", str.isdigit),
    ("NUMERIC", str.isnumeric),
    ("PRINTABLE", str.isprintable),
    ("UPPER", str.isupper),
    ("LOWER", str.islower),
    ("TITLE", lambda c: c.istitle() and not c.isupper()),
    ("IGNORABLE", is_ignorable),
    ("NAME_BEGIN", str.isidentifier),
    ("NAME", lambda c: ("a" + c).isidentifier()),
]


def characters():
    return (chr(c) for c in range(N) if not 0xD800 <= c < 0xE000)


def flag_runs():
    runs, last = [], None
    for c in range(N):
        s = chr(c)
        flags = 0 if 0xD800 <= c < 0xE000 else sum(1 << i for i, (_, f) in enumerate(FLAGS) if f(s))
        if flags != last:
            runs.append(c | flags << 21)
            last = flags
    return runs


def one_to_one(f):
    """Runs (first, last, step, difference) of the characters that become one other."""
    runs = []
    for c in characters():
        to = f(c)
        if to == c or len(to) != 1:
            continue
        at, delta = ord(c), ord(to) - ord(c)
        if runs and runs[-1][3] == delta:
            first, last, step, _ = runs[-1]
            if (first == last and at - last <= 2) or at - last == step:
                runs[-1] = (first, at, at - last, delta)
                continue
        runs.append((at, at, 1, delta))
    return runs


def to_several(f):
    return [(ord(c), [ord(x) for x in f(c)]) for c in characters() if len(f(c)) > 1]


def decimals():
    """First characters of the runs 0 to 9."""
    zeros = [ord(c) for c in characters() if c.isdecimal() and unicodedata.decimal(c) == 0]
    for z in zeros:
        assert all(unicodedata.decimal(chr(z + i), None) == i for i in range(10))
    assert 10 * len(zeros) == sum(c.isdecimal() for c in characters())
    return zeros


def rows(items, width=118):
    line, out = "   ", []
    for item in items:
        if len(line) + len(item) + 2 > width:
            out.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(out + [line])


MAPS = [("upper", str.upper), ("lower", str.lower), ("title", str.title), ("fold", str.casefold)]


def document():
    out = [f"/* template/unicode.inc - Unicode {unicodedata.unidata_version} as Python's str has it; made by tools/chat-unicode.py. */", ""]
    out += ["enum {"] + [f"    U_{name} = 1 << {i}," for i, (name, _) in enumerate(FLAGS)] + ["};", ""]
    out += ["/* Each run: its first character, and above bit 21 the flags of all its characters. */"]
    out += ["static const uint32_t flag_runs[] = {", rows(f"0x{x:x}" for x in flag_runs()), "};", ""]
    out += ["static const uint32_t decimal_zeros[] = {", rows(f"0x{x:x}" for x in decimals()), "};", ""]
    for name, f in MAPS:
        out += [f"static const case_run {name}_runs[] = {{", rows("{0x%x, 0x%x, %d, %d}" % r for r in one_to_one(f)), "};", ""]
        several = to_several(f)
        out += [f"static const case_several {name}_several[] = {{",
                rows("{0x%x, {%s}}" % (c, ", ".join(f"0x{x:x}" for x in to)) for c, to in several), "};", ""]
    return "\n".join(out)


def main():
    if "--check" in sys.argv[1:]:
        old = PATH.read_text()
        version = re.search(r"Unicode (\S+) ", old).group(1)
        if version != unicodedata.unidata_version:
            print(f"skipped: the tables are of Unicode {version}, this Python has {unicodedata.unidata_version}")
            sys.exit(77)
        sys.exit(0 if old == document() else f"{PATH} is not what this script makes")
    PATH.write_text(document())


main()
