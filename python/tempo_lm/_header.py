"""What include/tempo.h declares, in the form that cffi reads.

The header is the only source of the declarations.  A wheel holds them compiled (``_tempo_h.py``, written when it
is built by ``python _header.py tempo.h _tempo_h.py``); in a source tree they are read from the header at import.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NAMED = {"UINT32_MAX": 2**32 - 1, "UINT64_MAX": 2**64 - 1}


def constants(header: str) -> dict[str, int]:
    """The header's numbers: name -> value."""
    found: dict[str, int] = {}
    for line in _COMMENT.sub("", header).splitlines():
        words = line.split(None, 2)
        if len(words) != 3 or words[0] != "#define" or not words[1].startswith("TEMPO_"):
            continue
        value = words[2].strip()
        if value in _NAMED:
            found[words[1]] = _NAMED[value]
            continue
        plain = re.sub(r"\(size_t\)|UINT64_C|[()]", "", value)
        shifted = re.fullmatch(r"(\d+)u?(?: << (\d+))?", plain)
        if shifted is not None:
            found[words[1]] = int(shifted[1]) << int(shifted[2] or 0)
    return found


def version(header: str) -> str:
    """TEMPO_VERSION."""
    found = re.search(r'^#define TEMPO_VERSION "([^"]+)"', header, re.MULTILINE)
    if found is None:
        raise ValueError("tempo.h: no TEMPO_VERSION")
    return found[1]


def declarations(header: str) -> str:
    """The header without comments, preprocessor and inline functions, its numbers put in."""
    text = _COMMENT.sub("", header)
    text = text.replace("TEMPO_API ", "").replace(" TEMPO_MUST_CHECK", "")
    text = re.sub(r"#ifdef __cplusplus\n.*?#endif", "", text, flags=re.DOTALL)
    text = re.sub(r"static inline [^;{]*\{[^}]*\}", "", text)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    numbers = constants(header)
    text = re.sub(r"\bTEMPO_[A-Z_]+\b", lambda m: str(numbers.get(m[0], m[0])), text)
    text = re.sub(r"\n\s*\n+", "\n", text)
    return text.strip() + "\n"


def structs(header: str) -> list[str]:
    """Names of the structs whose members the header shows, in its order."""
    return re.findall(r"^typedef struct (tempo_\w+) \{", _COMMENT.sub("", header), re.MULTILINE)


def find_header() -> Path | None:
    """include/tempo.h of the source tree that this file lies in."""
    path = Path(__file__).resolve().parents[2] / "include" / "tempo.h"
    return path if path.is_file() else None


def new_ffi() -> Any:
    """A cffi.FFI; of no type, so that no stubs are needed."""
    return importlib.import_module("cffi").FFI()


def write_compiled(header: Path, out: Path) -> None:
    """Write the declarations as a module that needs no parsing: its ``ffi``, ``CONSTANTS``, ``STRUCTS`` and ``VERSION``."""
    import tempfile

    text = header.read_text(encoding="utf-8")
    builder = new_ffi()
    builder.cdef(declarations(text))
    builder.set_source("_tempo_h", None)
    with tempfile.TemporaryDirectory() as folder:
        module = Path(builder.compile(tmpdir=folder)).read_text(encoding="utf-8")
    module += f"\nVERSION = {version(text)!r}\nCONSTANTS = {constants(text)!r}\nSTRUCTS = {structs(text)!r}\n"
    out.write_text(module, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: _header.py tempo.h _tempo_h.py")
    write_compiled(Path(sys.argv[1]), Path(sys.argv[2]))
