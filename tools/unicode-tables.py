#!/usr/bin/env python3
"""Write src/text/unicode_tables.inc, all that tokenizing knows of Unicode.

    tools/unicode-tables.py [FOLDER]

The versions are those whose results the tokenizers library gives (tests/field/tokenizers.py compares them over all code
points): its regular expressions are of Unicode 16.0.0, its normalisation forms of 9.0.0, its "Punctuation" of 8.0.0, what
it calls numeric and its lower case of 17.0.0.  Sets and case mappings come from the npm packages @unicode/unicode-VERSION
(fetched into FOLDER, or a temporary one, with npm pack, read with node); decompositions and combining classes from
Python's own unicodedata, of the characters that Unicode 9.0.0 has: for those the stability policy lets no later version
change them.
"""
import json
import os
import subprocess
import sys
import tempfile
import unicodedata

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "text", "unicode_tables.inc")
CLASSES, FORMS, PUNCTUATION, RUST = "16.0.0", "9.0.0", "8.0.0", "17.0.0"

CATEGORIES = """Cn Unassigned|Lu Uppercase_Letter|Ll Lowercase_Letter|Lt Titlecase_Letter|Lm Modifier_Letter|Lo Other_Letter|
Mn Nonspacing_Mark|Mc Spacing_Mark|Me Enclosing_Mark|Nd Decimal_Number|Nl Letter_Number|No Other_Number|Pc Connector_Punctuation|
Pd Dash_Punctuation|Ps Open_Punctuation|Pe Close_Punctuation|Pi Initial_Punctuation|Pf Final_Punctuation|Po Other_Punctuation|
Sm Math_Symbol|Sc Currency_Symbol|Sk Modifier_Symbol|So Other_Symbol|Zs Space_Separator|Zl Line_Separator|Zp Paragraph_Separator|
Cc Control|Cf Format|Cs Surrogate|Co Private_Use"""
CATEGORIES = [c.strip().split() for c in CATEGORIES.replace("\n", "").split("|")]
PROPERTIES = ["Alphabetic", "Uppercase", "Lowercase", "White_Space", "Ideographic", "Emoji", "Extended_Pictographic"]

READER = """
import fs from 'fs';
const base = process.argv[2] + '/';
const wanted = process.argv[3].split(' ');
const out = {};
for (const kind of wanted) {
    for (const name of fs.readdirSync(base + kind)) {
        const at = base + kind + '/' + name;
        if (fs.existsSync(at + '/ranges.mjs'))
            out[kind + '/' + name] = (await import(at + '/ranges.mjs')).default.map(r => [r.begin, r.end - 1]);
        else if (fs.existsSync(at + '/code-points.mjs')) {
            const map = (await import(at + '/code-points.mjs')).default;
            if (map instanceof Map) out[kind + '/' + name] = [...map];
        }
    }
}
console.log(JSON.stringify(out));
"""


def package(folder, version, kinds):
    """Ranges and maps of one version: {"General_Category/Letter": [[first, last], ...], ...}."""
    place = os.path.join(folder, version)
    if not os.path.isdir(place):
        os.mkdir(place)
        subprocess.run(["npm", "pack", "--silent", "@unicode/unicode-" + version], cwd=place, check=True, stdout=subprocess.DEVNULL)
        subprocess.run("tar xzf *.tgz", cwd=place, shell=True, check=True)
    reader = os.path.join(folder, "reader.mjs")
    with open(reader, "w") as f:
        f.write(READER)
    text = subprocess.run(["node", reader, place + "/package", kinds], check=True, capture_output=True, text=True).stdout
    return json.loads(text)


def members(ranges):
    return {c for first, last in ranges for c in range(first, last + 1)}


def ranges_of(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def runs(points):
    """Points that have a number, as runs (first, last, number)."""
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1 and out[-1][2] == points[c]:
            out[-1][1] = c
        else:
            out.append([c, c, points[c]])
    return out


def array(kind, name, rows, comment=""):
    """One C array; a row is a number or a list of them."""
    lines, line = [], ""
    for row in rows:
        text = ("{" + ",".join(map(number, row)) + "}" if isinstance(row, (list, tuple)) else number(row)) + ","
        if len(line) + len(text) > 116:
            lines.append(line)
            line = ""
        line += text
    lines.append(line)
    head = f"/* {comment} */\n" if comment else ""
    return f"{head}static const {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def number(n):
    return str(n) if n < 10 else hex(n)


def strings(name, texts):
    return f"static const char *const {name}[] = {{\n" + "\n".join(f'"{t}",' for t in texts) + "\n};\n"


def case_runs(mapping):
    """One-to-one mappings as (first, last, step, what is added modulo 2^32)."""
    out = []
    for c in sorted(mapping):
        delta = (mapping[c] - c) & 0xFFFFFFFF
        if out and out[-1][3] == delta:
            first, last, step, _ = out[-1]
            if c - last in (1, 2) and (step == c - last or first == last):
                out[-1][1], out[-1][2] = c, c - last
                continue
        out.append([c, c, 1, delta])
    return out


def full_mappings(simple, special):
    """One-to-one mappings, and those to two or three characters as [from, to, to, to]."""
    one = {c: to for c, to in simple if c != to}
    many = []
    for c, to in special:
        to = [to] if isinstance(to, int) else to
        if len(to) == 1:
            one[c] = to[0]
            if to[0] == c:
                one.pop(c)
        else:
            many.append([c] + to + [0] * (3 - len(to)))
    return one, sorted(many)


def decompositions(assigned):
    """Full decompositions of both kinds, {point: [points]}; Hangul syllables are computed, not listed."""
    canonical, compatible = {}, {}
    for c in assigned:
        if 0xAC00 <= c <= 0xD7A3 or 0xD800 <= c <= 0xDFFF:
            continue
        for form, into in (("NFD", canonical), ("NFKD", compatible)):
            text = [ord(x) for x in unicodedata.normalize(form, chr(c))]
            if text != [c]:
                into[c] = text
    return canonical, {c: t for c, t in compatible.items() if canonical.get(c) != t}


def compositions(assigned):
    """Pairs that compose, by first and second."""
    out = []
    for c in assigned:
        parts = unicodedata.decomposition(chr(c)).split() if not 0xD800 <= c <= 0xDFFF else []
        if len(parts) == 2 and not parts[0].startswith("<") and unicodedata.normalize("NFC", chr(c)) == chr(c):
            out.append([int(parts[0], 16), int(parts[1], 16), c])
    return sorted(out)


def pool(maps):
    """Rows [from, where in the pool << 5 | length] of each map, and the pool."""
    points, seen, tables = [], {}, []
    for mapping in maps:
        rows = []
        for c in sorted(mapping):
            text = tuple(mapping[c])
            if text not in seen:
                seen[text] = len(points)
                points.extend(text)
            rows.append([c, seen[text] << 5 | len(text)])
        tables.append(rows)
    return tables, points


def write(folder):
    classes = package(folder, CLASSES, "General_Category Script Binary_Property Case_Folding")
    rust = package(folder, RUST, "General_Category Simple_Case_Mapping Special_Casing")
    category = {}
    for number_, (_, name) in enumerate(CATEGORIES):
        if name != "Unassigned":
            category.update(dict.fromkeys(members(classes["General_Category/" + name]), number_))
    names = sorted(k.split("/")[1] for k in classes if k.startswith("Script/"))
    script = {}
    for number_, name in enumerate(names):
        script.update(dict.fromkeys(members(classes["Script/" + name]), number_))

    older = package(folder, FORMS, "General_Category")
    assigned = sorted(set(range(0x110000)) - members(older["General_Category/Unassigned"]))
    classes_of = {c: unicodedata.combining(chr(c)) for c in assigned if unicodedata.combining(chr(c))}
    (canonical, compatible), points = pool(decompositions(assigned))
    punctuation = members(package(folder, PUNCTUATION, "General_Category")["General_Category/Punctuation"])

    fold = {c: to for kind in "CS" for c, to in classes["Case_Folding/" + kind]}
    sequences = sorted([c] + to + [0] * (3 - len(to)) for c, to in classes["Case_Folding/F"])
    lower, lower_many = full_mappings(rust["Simple_Case_Mapping/Lowercase"], rust.get("Special_Casing/Lowercase", []))

    parts = [
        "/* Written by tools/unicode-tables.py; its head says what comes from which version of Unicode. */\n",
        "/* clang-format off */\n",
        array("category_run", "category_runs", runs(category), f"General categories of Unicode {CLASSES}: first, last, tempo_category"),
        strings("script_names", names),
        array("category_run", "script_runs", runs(script), f"Scripts of Unicode {CLASSES}: first, last, index of the name"),
    ]
    for name in PROPERTIES:
        parts.append(array("tempo_range", "property_" + name.lower(), ranges_of(members(classes["Binary_Property/" + name])), f"{name}, Unicode {CLASSES}"))
    parts += [
        array("tempo_range", "punctuation_ranges", ranges_of(punctuation), f"General category P, Unicode {PUNCTUATION}"),
        array("tempo_range", "numeric_ranges", ranges_of(members(rust["General_Category/Number"])), f"General category N, Unicode {RUST}"),
        array("tempo_range", "mark_ranges", ranges_of(members(older["General_Category/Mark"])), f"General category M, Unicode {FORMS}"),
        array("case_run", "fold_runs", case_runs(fold), f"Simple case folding, Unicode {CLASSES}: first, last, step, added"),
        array("case_many", "fold_many", sequences, "Full case folding to more than one character"),
        array("case_run", "lower_runs", case_runs(lower), f"Lower case, Unicode {RUST}"),
        array("case_many", "lower_many", lower_many),
        array("category_run", "combining_runs", runs(classes_of), f"Canonical combining classes, Unicode {FORMS}"),
        array("uint32_t", "decomposed_points", points, "What characters decompose to, one after another"),
        array("decomposition", "canonical_rows", canonical, f"Canonical decompositions, Unicode {FORMS}: character, where << 5 | how many"),
        array("decomposition", "compatible_rows", compatible, "Compatibility decompositions that differ from those"),
        array("composition", "composition_rows", compositions(assigned), "First, second, what they compose to"),
    ]
    with open(OUT, "w") as f:
        f.write("\n".join(parts) + "/* clang-format on */\n")
    print(f"{OUT}: classes {CLASSES}, forms {FORMS}, punctuation {PUNCTUATION}, numeric and case {RUST}; {os.path.getsize(OUT)} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(os.path.abspath(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            write(temporary)
