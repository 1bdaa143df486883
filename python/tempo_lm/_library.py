"""The library: found, opened, and compared with the declarations that this package was made with.

TEMPO_LIBRARY names another libtempo.so than the one that a wheel brings; a source tree has none of its own, so there it must.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import _header

_HERE = Path(__file__).resolve().parent
_BUNDLED = ("libtempo.so", "libtempo.so.0", "libtempo.dylib")


def _read_declarations() -> tuple[Any, dict[str, int], list[str], str]:
    """(ffi, constants, structs, version), compiled or from the source tree's header."""
    try:
        from . import _tempo_h  # type: ignore[attr-defined]

        return _tempo_h.ffi, _tempo_h.CONSTANTS, _tempo_h.STRUCTS, _tempo_h.VERSION
    except ImportError:
        pass
    header = _header.find_header()
    if header is None:
        raise ImportError(
            "tempo_lm: the package is incomplete: neither _tempo_h.py nor the source tree's include/tempo.h is there"
        )
    text = header.read_text(encoding="utf-8")
    made = _header.new_ffi()
    made.cdef(_header.declarations(text))
    return made, _header.constants(text), _header.structs(text), _header.version(text)


def library_path() -> Path:
    """The libtempo.so to open: that of TEMPO_LIBRARY, else the one beside this package.

    Raises:
        ImportError: neither is there; the message says what to do.
    """
    named = os.environ.get("TEMPO_LIBRARY")
    if named:
        path = Path(named).expanduser().resolve()
        if not path.is_file():
            raise ImportError(f"tempo_lm: TEMPO_LIBRARY is {named!r}, which is no file")
        return path
    for name in _BUNDLED:
        if (_HERE / name).is_file():
            return _HERE / name
    raise ImportError(
        f"tempo_lm: no libtempo.so in {_HERE}; install the package (pip install ./python), or build the library (make) and set "
        "TEMPO_LIBRARY=build/libtempo.so"
    )


def _open(path: Path) -> Any:
    try:
        return ffi.dlopen(str(path))
    except OSError as error:
        raise ImportError(f"tempo_lm: {path} cannot be opened: {error}") from None


def compare(library: Any, abi: int, names: list[str]) -> str | None:
    """Why the library is not the one that the declarations are of, or None."""
    found = library.tempo_abi_version()
    if found != abi:
        return f"it has ABI {found}, this package needs {abi}"
    size = ffi.new("size_t *")
    sizes: dict[str, int] = {}
    while (name := library.tempo_abi_struct(len(sizes), size)) != ffi.NULL:
        sizes[ffi.string(name).decode()] = size[0]
    for struct in names:
        if sizes.get(struct) != ffi.sizeof(struct):
            return f"its {struct} has {sizes.get(struct, 'no')} bytes, this package's {ffi.sizeof(struct)}"
    return None


ffi, constants, structs, header_version = _read_declarations()
path: Path = library_path()
lib: Any = _open(path)
try:
    _difference = compare(lib, constants["TEMPO_ABI"], structs)
except (AttributeError, getattr(ffi, "error", AttributeError)):  # what declarations that are compiled raise
    _difference = "it does not say its ABI"
if _difference is not None:
    raise ImportError(f"tempo_lm: {path} is of another version: {_difference}")

NULL = ffi.NULL
version: str = ffi.string(lib.tempo_version()).decode()


def text(pointer: Any) -> str:
    """A borrowed C string; ``""`` for NULL."""
    return "" if pointer == NULL else ffi.string(pointer).decode("utf-8", "replace")
