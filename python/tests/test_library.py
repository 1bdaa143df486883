"""The declarations are the header's, and the library is the one that they are of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tempo_lm as tl
from tempo_lm import _header, _library

HEADER = Path(__file__).resolve().parents[2] / "include" / "tempo.h"


@pytest.fixture
def header() -> str:
    if not HEADER.is_file():
        pytest.skip("no source tree here")
    return HEADER.read_text(encoding="utf-8")


def test_version_is_the_headers(header: str) -> None:
    assert tl.__version__ == _header.version(header)


def test_all_structs_are_known_and_have_their_size(header: str) -> None:
    names = _header.structs(header)
    assert len(names) > 40
    assert _library.compare(_library.lib, _header.constants(header)["TEMPO_ABI"], names) is None


def test_another_abi_is_refused() -> None:
    found = _library.compare(_library.lib, 4711, [])
    assert found is not None and "4711" in found


def test_a_struct_that_the_library_does_not_have_is_refused() -> None:
    found = _library.compare(_library.lib, _library.constants["TEMPO_ABI"], ["tempo_row", "int"])
    assert found is not None and found.startswith("its int has no bytes")


def test_constants(header: str) -> None:
    numbers = _header.constants(header)
    assert numbers["TEMPO_ALL_LAYERS"] == 2**32 - 1
    assert numbers["TEMPO_MAX_SLOTS"] == 1 << 24
    assert numbers["TEMPO_MAX_EDIT_BYTES"] == 256_000_000


def test_compiled_declarations_are_the_same(header: str, tmp_path: Path) -> None:
    out = tmp_path / "_tempo_h.py"
    subprocess.run([sys.executable, _header.__file__, str(HEADER), str(out)], check=True)
    names: dict[str, object] = {}
    exec(out.read_text(encoding="utf-8"), names)
    ffi = names["ffi"]
    assert names["CONSTANTS"] == _header.constants(header)
    assert names["STRUCTS"] == _header.structs(header)
    for struct in _header.structs(header):
        assert ffi.sizeof(struct) == _library.ffi.sizeof(struct)  # type: ignore[attr-defined]


def run_import(library: str | None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "TEMPO_LIBRARY"}
    if library is not None:
        environment["TEMPO_LIBRARY"] = library
    done = subprocess.run([sys.executable, "-c", "import tempo_lm"], env=environment, capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


def test_a_library_that_is_not_there_is_named() -> None:
    assert "TEMPO_LIBRARY is '/nowhere/libtempo.so'" in run_import("/nowhere/libtempo.so")


def test_another_library_is_refused() -> None:
    libc = next((p for p in Path("/lib").rglob("libm.so.6")), None) or next(Path("/usr/lib").rglob("libm.so.6"))
    assert "libm.so.6 is of another version: it does not say its ABI" in run_import(str(libc))
