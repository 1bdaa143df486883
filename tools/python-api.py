#!/usr/bin/env python3
"""Write docs/python-api.md from the docstrings of tempo_lm.

    PYTHONPATH=python TEMPO_LIBRARY=build/libtempo.so tools/python-api.py >docs/python-api.md

python/tests/test_docs.py says when it is no longer what the docstrings say.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

import tempo_lm as tl

HEAD = """# tempo_lm: reference

Made from the docstrings by `tools/python-api.py`. [python.md](python.md) is where to begin. `import tempo_lm as tl`; arrays are numpy's.
"""
SECTION = re.compile(r"^(Args|Returns|Raises|Attributes):$")
NAMES = {"Args": "Arguments"}
ITEM = re.compile(r"^(\*{0,2}[A-Za-z_][\w., ()*]*): (.*)$")


def code(text: str) -> str:
    return text.replace("``", "`")


def section(lines: list[str]) -> list[str]:
    """Items `name: words`, of which lines that are indented further are a part."""
    items: list[str] = []
    for line in lines:
        words = line.strip()
        if not words:
            continue
        found = ITEM.match(words) if len(line) - len(line.lstrip()) == 4 else None
        if found:
            items.append(f"- `{found[1]}`: {code(found[2])}")
        elif items:
            items[-1] += " " + code(words)
        else:
            items.append(f"- {code(words)}")
    return items


def written(doc: str | None) -> list[str]:
    """A docstring as Markdown."""
    out: list[str] = []
    lines = inspect.cleandoc(doc or "").split("\n")
    while lines:
        line = lines.pop(0)
        found = SECTION.match(line)
        if found:
            inner = []
            while lines and (not lines[0].strip() or lines[0].startswith("    ")):
                inner.append(lines.pop(0))
            out += [f"{NAMES.get(found[1], found[1])}:", "", *section(inner), ""]
        else:
            out.append(line if line.startswith("    ") else code(line))
    return [*out, ""]


def signature(name: str, of: Any) -> str:
    parts, star = [], False
    for p in inspect.signature(of).parameters.values():
        if p.name in ("self", "cls"):
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star = star or p.kind is p.VAR_POSITIONAL
        text = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        kind = (
            ""
            if p.annotation in (p.empty, "Any")
            else p.annotation
            if isinstance(p.annotation, str)
            else p.annotation.__name__
        )
        if kind:
            text += ": " + kind.strip("\"'")
        if p.default is not p.empty:
            text += f" = {p.default!r}" if kind else f"={p.default!r}"
        parts.append(text)
    return f"{name}({', '.join(parts)})"


def members(of: type) -> list[tuple[str, Any]]:
    """Own and inherited ones of this package, in the order of the source."""
    found: dict[str, Any] = {}
    for base in of.__mro__:
        if not base.__module__.startswith("tempo_lm"):
            continue
        for name, value in vars(base).items():
            if (name == "__call__" or not name.startswith("_")) and getattr(_function(value), "__doc__", None):
                found.setdefault(name, value)
    return list(found.items())


def _function(value: Any) -> Any:
    if isinstance(value, property):
        return value.fget
    if isinstance(value, (classmethod, staticmethod)):
        return value.__func__
    return value if callable(value) else None


def of_class(name: str, of: type) -> list[str]:
    out = [f"## tl.{name}", "", *written(of.__doc__)]
    for member, value in members(of):
        function = _function(value)
        if isinstance(value, property):
            out += [f"### {name}.{member}", ""]
        else:
            called = "model" if member == "__call__" else f"{name}.{member}"
            out += [f"### {called}", "", "```python", signature(called, inspect.unwrap(function)), "```", ""]
        out += written(function.__doc__)
    return out


def of_function(name: str, of: Any) -> list[str]:
    return [f"## tl.{name}", "", "```python", signature(f"tl.{name}", of), "```", "", *written(of.__doc__)]


def of_module(name: str, of: Any) -> list[str]:
    out = [f"## tl.{name}", "", *written(of.__doc__)]
    for function in of.__all__:
        out += [
            "#" + line if line.startswith("## ") else line
            for line in of_function(f"{name}.{function}", getattr(of, function))
        ]
    return out


def reference() -> str:
    out = [HEAD]
    for name in sorted(tl.__all__, key=lambda n: (n != "Model", n.lower())):
        of = getattr(tl, name)
        if inspect.isclass(of):
            out += of_class(name, of)
        elif inspect.ismodule(of):
            out += of_module(name, of)
        elif callable(of):
            out += of_function(name, of)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
