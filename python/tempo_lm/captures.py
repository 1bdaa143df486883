"""What the program and decode(capture_dir=...) wrote, as arrays and tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._names import unknown

__all__ = ["Capture", "load_capture"]

_STEP = re.compile(r"step_(\d+)_(\w[\w.]*)")


def _read_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    types = {
        "F64": "<f8",
        "F32": "<f4",
        "F16": "<f2",
        "I64": "<i8",
        "I32": "<i4",
        "U8": "u1",
        "BOOL": "?",
        "U32": "<u4",
        "U64": "<u8",
    }
    data = np.memmap(path, np.uint8, "r")
    size = int.from_bytes(bytes(data[:8]), "little")
    if size > len(data) - 8:
        raise ValueError(f"{path}: a header of {size} bytes is more than the file has")
    header = json.loads(bytes(data[8 : 8 + size]))
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, of in header.items():
        begin, end = of["data_offsets"]
        if of["dtype"] not in types:
            raise ValueError(f"{path}: {name} is of type {of['dtype']}, which numpy has not")
        arrays[name] = data[8 + size + begin : 8 + size + end].view(types[of["dtype"]]).reshape(of["shape"])
    return arrays, metadata


class Capture(Mapping[str, Any]):
    """One arm's capture: ``capture["step_0_attention"]``, ``capture.steps("attention")``.

    Attributes:
        path: its directory.
        n_steps: steps that read something, the closing one counted.
        config, metadata: what the run was; taps among metadata says which layers and heads arrays have.
        results: results.json, or None; sets: of it, or of parallel_sets.json.
        positions: slot -> what RoPE rotated by, or None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, Any] = {}
        self._files: dict[str, Any] = {}
        for file in sorted(path.iterdir()):
            if file.suffix == ".npz":
                opened = np.load(file, allow_pickle=False)
                names = set(opened.files)
                if "metadata" in names:
                    self._note(json.loads(str(opened["metadata"])))
                self._files |= {name: opened for name in names - {"metadata"} if name not in self._files}
            elif file.suffix == ".safetensors":
                arrays, extra = _read_safetensors(file)
                if "metadata" in extra:
                    self._note(json.loads(extra["metadata"]))
                self._files |= {name: arrays for name in arrays if name not in self._files}
        self.config = self.metadata.get("config", {})
        self.n_steps = int(self.metadata.get("num_steps", 0))
        self.results = self._json("results.json")
        positions = self._json("rope_positions.json")
        self.positions = None if positions is None else {int(k): v for k, v in positions.items()}
        self.parallel_sets = self._json("parallel_sets.json")

    def _note(self, found: dict[str, Any]) -> None:
        self.metadata = {**found, **self.metadata}

    def _json(self, name: str) -> Any:
        file = self.path / name
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def __getitem__(self, name: str) -> Any:
        if name not in self._files:
            raise KeyError(unknown(str(self.path), name, self._files))
        return self._files[name][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<tempo_lm.Capture {self.path}: {self.n_steps} steps, {', '.join(self.kinds())}>"

    def kinds(self) -> list[str]:
        """What each step has: ``"attention"``, ``"logits"``, ``"resid_post"`` ..."""
        return sorted({m[2] for name in self._files if (m := _STEP.fullmatch(name)) is not None})

    def steps(self, kind: str) -> list[NDArray[Any]]:
        """Arrays of one kind, step by step.  KeyError with the nearest kind."""
        if kind not in self.kinds():
            raise KeyError(unknown(str(self.path), kind, self.kinds()))
        return [self[f"step_{i}_{kind}"] for i in range(self.n_steps) if f"step_{i}_{kind}" in self._files]


def load_capture(path: str | os.PathLike[str]) -> Capture | dict[str, Capture]:
    """Read a capture's directory; of a run with several arms a dict by their names.  Arrays are read when they are asked for.

    Raises:
        FileNotFoundError: there is no such directory, or no capture in it.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such directory")

    def is_capture(where: Path) -> bool:
        return (
            (where / "experiment_metadata.json").is_file()
            or any(where.glob("*.npz"))
            or any(where.glob("*_*.safetensors"))
        )

    if is_capture(folder):
        return Capture(folder)
    arms = {below.name: Capture(below) for below in sorted(folder.iterdir()) if below.is_dir() and is_capture(below)}
    if not arms:
        raise FileNotFoundError(
            f"{folder}: no capture: neither experiment_metadata.json nor arrays, here or one level below"
        )
    return arms
