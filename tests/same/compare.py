"""Are two directories the same, but for times, ids, dates, versions and paths?  Usage: compare.py A B; exit 1 and the
differences when not."""
import json
import os
import re
import sys
import zipfile

TIMES = re.compile(r"(_ms|_s|seconds|_seconds)$")
GONE = {"timing", "times", "created", "id", "version", "argv", "host", "generation_time", "load_ms", "directory", "run_id",
        "finished", "path", "command", "written", "sha256", "git", "pid", "uptime_s", "started", "date", "bytes", "max_slots"}


def plain(value):
    """A JSON value without what may differ."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not (k in GONE and (k in ("bytes", "max_slots") or not isinstance(v, int))) and not TIMES.search(k)}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return re.sub(r"/\S*/(experiments|models)/", r"\1/", value)
    return value


def text_of(data):
    text = data.decode("utf-8", "replace")
    text = "\n".join(x for x in text.split("\n") if not re.search("(faster|slower) by|ABBA", x))
    text = re.sub(r"\d+\.\d+ ms", "T ms", text)
    text = re.sub(r"/tmp/[^\s\"']*", "PATH", text)
    text = re.sub(r"\d+(\.\d+)? s\b", "T s", text)
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d{8}T\d{6}Z?[-\w]*", "DATE", text)


def content(path):
    with open(path, "rb") as f:
        data = f.read()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as z:
            return {n: z.read(n) for n in z.namelist()}
    try:
        return plain(json.loads(data))
    except ValueError:
        pass
    try:
        return [plain(json.loads(line)) for line in data.splitlines()]
    except ValueError:
        return text_of(data)


def files(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, names in os.walk(top) for f in names)


def where(a, b, at=""):
    """The first place where two values differ."""
    if type(a) is type(b) and isinstance(a, dict):
        for k in sorted(set(a) | set(b)):
            if k not in a or k not in b:
                return f"{at}.{k}: only in {'the second' if k not in a else 'the first'}"
            if a[k] != b[k]:
                return where(a[k], b[k], f"{at}.{k}")
    if type(a) is type(b) and isinstance(a, list):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return where(x, y, f"{at}[{i}]")
        return f"{at}: {len(a)} and {len(b)} elements"
    if isinstance(a, str) and isinstance(b, str):
        for x, y in zip(a.splitlines() + [""], b.splitlines() + [""]):
            if x != y:
                return f"{at}: {x[:200]!r} and {y[:200]!r}"
    return f"{at}: {str(a)[:120]} and {str(b)[:120]}"


def main():
    a, b = sys.argv[1:3]
    bad = 0
    names = files(a), files(b)
    for name in sorted(set(names[0]) ^ set(names[1])):
        print(f"  {name}: only in {'the second' if name in names[1] else 'the first'}")
        bad = 1
    for name in sorted(set(names[0]) & set(names[1])):
        x, y = content(os.path.join(a, name)), content(os.path.join(b, name))
        if x != y:
            print(f"  {name}: {where(x, y)}")
            bad = 1
    print(f"  {len(set(names[0]) & set(names[1]))} files compared")
    sys.exit(bad)


main()
