"""The files of `tempo study run`, as tables."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["Study", "load_study"]


def _flat(prefix: str, value: Any, row: dict[str, Any]) -> None:
    """Members of objects as columns a.b; lists of numbers and the like stay what they are."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _flat(f"{prefix}.{name}" if prefix else name, inner, row)
    else:
        row[prefix] = value


class Study:
    """One study.

    Attributes:
        path: its directory.
        plan, report, manifest: study.json, report.json and manifest.json, or None where one is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan: dict[str, Any] = json.loads((path / "study.json").read_text(encoding="utf-8"))
        self.report = self._json("report.json")
        self.manifest = self._json("manifest.json")

    def _json(self, name: str) -> Any:
        file = self.path / name
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def documents(self, kind: str = "units") -> list[dict[str, Any]]:
        """``"units"``, ``"floor"``, ``"control"``, ``"trace"``: the files of that folder, each with its ``file``.

        Raises:
            ValueError: there is no such folder.
        """
        folder = self.path / kind
        if not folder.is_dir():
            found = sorted(p.name for p in self.path.iterdir() if p.is_dir())
            raise ValueError(f"kind: no {kind!r} in {self.path} (there are: {', '.join(found)})")
        return [
            {"file": file.stem, **json.loads(file.read_text(encoding="utf-8"))}
            for file in sorted(folder.glob("*.json"))
        ]

    def frame(self, kind: str = "units") -> Any:
        """A pandas table with a row for each of those files, members of objects as columns ``a.b``.

        Raises:
            ImportError: pandas is not installed (``pip install 'tempo-lm[frame]'``).
        """
        from ._extras import pandas

        rows = []
        for document in self.documents(kind):
            row: dict[str, Any] = {}
            _flat("", document, row)
            rows.append(row)
        return pandas().DataFrame(rows)

    def __repr__(self) -> str:
        return f"<tempo_lm.Study {self.path}>"


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read the directory of a study.

    Raises:
        FileNotFoundError: it has no study.json.
    """
    folder = Path(path)
    if not (folder / "study.json").is_file():
        raise FileNotFoundError(f"{folder}: no study: study.json is not there")
    return Study(folder)
