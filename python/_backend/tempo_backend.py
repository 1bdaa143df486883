"""The build backend: scikit-build-core over the project's own CMake, with three things around it.

What the C library needs is looked for before anything is built, and named in one message.  A source distribution
holds the C sources too (in c/), which in a clone lie around this folder.  The version is that of include/tempo.h.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scikit_build_core import build as _skbuild
from scikit_build_core.build import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "dynamic_metadata",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_HERE = Path(__file__).resolve().parent.parent
_C_SOURCES = ("CMakeLists.txt", "LICENSE", "cmake", "include", "src", "tools", "models")
_LIBRARIES = (("jansson >= 2.13", "libjansson-dev", "jansson-devel"), ("zlib", "zlib1g-dev", "zlib-devel"))


def _c_root() -> Path:
    """Where CMakeLists.txt lies: around this folder in a clone, in c/ of a source distribution."""
    for place in (_HERE / "c", _HERE.parent):
        if (place / "CMakeLists.txt").is_file() and (place / "include" / "tempo.h").is_file():
            return place
    raise SystemExit(f"tempo-lm: the C sources are neither in {_HERE / 'c'} nor in {_HERE.parent}: build from a clone or an sdist")


def dynamic_metadata(field: str, settings: dict[str, Any] | None = None, project: Any = None) -> str:
    """The version, which only the header holds."""
    if field != "version":
        raise ValueError(f"tempo-lm: no dynamic {field}")
    found = re.search(r'^#define TEMPO_VERSION "([^"]+)"', (_c_root() / "include" / "tempo.h").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("tempo-lm: include/tempo.h has no TEMPO_VERSION")
    return found[1]


def _compiler() -> str | None:
    named = os.environ.get("CC")
    return next((path for name in ([named] if named else ["cc", "gcc", "clang"]) if (path := shutil.which(name.split()[0]))), None)


def _compiles(compiler: str) -> bool:
    source = "#include <stdlib.h>\nint main(void) { return 0; }\n"
    done = subprocess.run([compiler, "-x", "c", "-o", os.devnull, "-"], input=source.encode(), capture_output=True)
    return done.returncode == 0


def _require() -> None:
    """End with one message if something is missing that neither pip nor this package brings."""
    lacking, debian, fedora = [], [], []

    def miss(what: str, deb: str, rpm: str) -> None:
        lacking.append(what)
        debian.append(deb)
        fedora.append(rpm)

    compiler = _compiler()
    if compiler is None:
        miss("a C compiler (CC, cc, gcc or clang)", "gcc libc6-dev", "gcc glibc-devel")
    elif not _compiles(compiler):
        miss(f"what {compiler} needs to build a program (the C library's headers)", "libc6-dev", "glibc-devel")
    config = shutil.which(os.environ.get("PKG_CONFIG", "pkg-config"))
    if config is None:
        miss("pkg-config", "pkg-config", "pkgconf-pkg-config")
    for name, deb, rpm in _LIBRARIES:
        if config is None or subprocess.run([config, "--exists", name], capture_output=True).returncode != 0:
            miss(f"the C library {name}, with its headers", deb, rpm)
    if shutil.which("cmake") is None and find_spec("cmake") is None:  # pip brings it into a build environment of its own
        miss("cmake >= 3.22", "cmake", "cmake")
    if lacking:
        raise SystemExit(
            "tempo-lm is compiled here, and this machine lacks:\n"
            + "".join(f"  - {what}\n" for what in lacking)
            + f"Debian, Ubuntu: apt-get install {' '.join(debian)}\nFedora: dnf install {' '.join(fedora)}\n"
            "A wheel (make wheel, on another machine) needs none of this."
        )


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    _require()
    return _skbuild.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None) -> str:
    _require()
    return _skbuild.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None) -> str:
    _require()
    return _skbuild.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    target = Path(sdist_directory).resolve()
    root, back = _c_root(), Path.cwd()
    hidden = shutil.ignore_patterns("__pycache__", ".*_cache")
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / "package"
        shutil.copytree(_HERE, copy, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", "c", "dist"))
        for name in _C_SOURCES:
            if (root / name).is_dir():
                shutil.copytree(root / name, copy / "c" / name, ignore=hidden)
            else:
                (copy / "c").mkdir(exist_ok=True)
                shutil.copy2(root / name, copy / "c" / name)
        os.chdir(copy)
        try:
            return _skbuild.build_sdist(str(target), config_settings)
        finally:
            os.chdir(back)
