"""Many prompts, each decoded in several ways, as one tidy table (docs/sweeps.md)."""

from __future__ import annotations

import csv
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._calls import Observer, failed
from ._library import NULL, ffi, lib
from ._options import as_int, new_options
from .errors import new_err
from .progress import Bar, Progress

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Sweep", "sweep"]

_MOST_BAD = 20  # lines of a file that are named
_INTEGERS = {
    "step",
    "members",
    "reached",
    "member",
    "id",
    "slot",
    "prompt_tokens",
    "steps",
    "largest_set",
    "max_set",
    "min_steps",
    "max_slots",
}
_TEXTS = {
    "prompt",
    "mode",
    "text",
    "top_text",
    "stopped_by",
    "readout",
    "context",
    "positions",
    "stop",
    "replay",
    "kv",
    "order",
}


def _line_problem(document: Any) -> str | None:
    if not isinstance(document, dict):
        return "an object is expected"
    words = document.get("prompt", document.get("text"))
    if not isinstance(words, str) or not words:
        return '"prompt": a text that is not empty is expected'
    name = document.get("id", 0)
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        return '"id": a text or an integer is expected'
    return None


def _documents(where: str, lines: Iterable[tuple[int, str | dict[str, Any]]]) -> list[tuple[Any, str]]:
    """(id, text) of each; ValueError names the bad ones, each with its reason, up to 20."""
    found: dict[str, tuple[Any, str]] = {}
    bad: list[str] = []
    for number, line in lines:
        document: Any = line
        if isinstance(line, str):
            try:
                document = json.loads(line)
            except json.JSONDecodeError as error:
                bad.append(f"{where}:{number}: no JSON: {error.msg} at column {error.colno}")
                continue
        problem = _line_problem(document)
        name = document.get("id", number) if problem is None else None
        if problem is None and str(name) in found:
            problem = f'"id": {name!r} is another line\'s'
        if problem is not None:
            bad.append(f"{where}:{number}: {problem}")
        else:
            found[str(name)] = (name, document.get("prompt", document.get("text")))
    if bad:
        more = [f"and {len(bad) - _MOST_BAD} more bad lines"] if len(bad) > _MOST_BAD else []
        raise ValueError("\n".join(bad[:_MOST_BAD] + more))
    if not found:
        raise ValueError(f"{where}: no prompt")
    return list(found.values())


def read_prompts(prompts: str | os.PathLike[str] | Sequence[str | Mapping[str, Any]]) -> list[tuple[Any, str]]:
    """(id, text) of a JSONL file, or of texts and dicts with prompt and id.  ValueError names a bad line."""
    if isinstance(prompts, (str, os.PathLike)):
        text = Path(prompts).read_text(encoding="utf-8")
        return _documents(str(prompts), ((i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip()))
    made = [dict(p) if isinstance(p, Mapping) else {"prompt": p, "id": i} for i, p in enumerate(prompts)]
    return _documents("prompts", list(enumerate(made)))


class Sweep(Mapping[str, Any]):
    """The tidy table, a mapping from column to numpy array, a row for each member of each set: ``prompt`` (the users' own ids),
    ``threshold``, ``mode`` and other options of which there were several, ``step``, ``position``, ``entropy``, ``members``, ``reached``,
    ``member``, ``id``, ``text``, ``probability``, ``slot`` (-1: none), ``slot_position`` (NaN: none).

    Attributes:
        runs: the same of runs.csv: a row for each prompt and way.
        out: the directory, or None where none was asked for.
    """

    def __init__(self, sets: dict[str, Any], runs: dict[str, Any], out: Path | None) -> None:
        self._columns = sets
        self.runs = runs
        self.out = out

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<tempo_lm.Sweep: {len(self['prompt'])} members of sets, {len(self.runs['prompt'])} runs>"

    def to_pandas(self) -> Any:
        """The table.  ImportError without pandas (``pip install 'tempo-lm[frame]'``)."""
        from ._extras import pandas

        return pandas().DataFrame(self._columns)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write it as Parquet.  ImportError without pyarrow (``pip install 'tempo-lm[parquet]'``)."""
        from ._extras import need

        parquet = need("pyarrow.parquet")
        table = need("pyarrow").table(
            {k: [str(x) for x in v] if k == "prompt" else v for k, v in self._columns.items()}
        )
        parquet.write_table(table, os.fspath(path))


def _column(name: str, values: list[str], ids: dict[str, Any]) -> Any:
    if name == "prompt":
        return np.array([ids[v] for v in values], dtype=object)
    if name in _TEXTS:
        return np.array(values, dtype=object)
    if name in _INTEGERS:
        return np.array([int(v) if v else -1 for v in values], np.int64)
    return np.array([float(v) if v else np.nan for v in values], np.float64)


def _read_csv(path: Path, ids: dict[str, Any]) -> dict[str, Any]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = next(rows)
        columns: list[list[str]] = [[] for _ in names]
        for row in rows:
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    return {name: _column(name, values, ids) for name, values in zip(names, columns, strict=True)}


def _ways(model: Model, options: dict[str, Any]) -> tuple[Any, list[str]]:
    """(``tempo_decode_options[]``, names of the columns)."""
    lists = {name: list(v) for name, v in options.items() if isinstance(v, (list, tuple))}
    for name, values in lists.items():
        if not values:
            raise ValueError(f"{name}: an empty list")
    fixed = {name: v for name, v in options.items() if name not in lists}
    ways = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    array = ffi.new("tempo_decode_options[]", len(ways))
    for i, way in enumerate(ways):
        array[i] = new_options(
            "decode_options", {"kv": ["f32", "f16"][model._kv], **fixed, **way}, ("thresholds", "modes")
        )[0]
        if model._edits:
            array[i].edits = model._edits[-1].pointer
    several = [name for name, values in lists.items() if len(values) > 1 and name not in ("threshold", "mode")]
    return array, ["threshold", "mode", *several]


def sweep(
    model: Model,
    prompts: str | os.PathLike[str] | Sequence[str | Mapping[str, Any]],
    *,
    thresholds: Sequence[float] = (0.1,),
    modes: Sequence[str] = ("isolated",),
    out: str | os.PathLike[str] | None = None,
    batch: int = 0,
    progress: Progress = None,
    **options: Any,
) -> Sweep:
    """Decode many prompts in every combination of ways: one tidy table with the users' own ids.

    Args:
        prompts: a JSONL file, ``{"id": "q-17", "prompt": ".."}`` a line; or texts, or dicts like those lines.
        thresholds, modes: the ways; any other option of decode may be a list, too.
        out: the directory that `tempo sweep` would write: sets.csv, runs.csv ...; a sweep that was interrupted goes on there.
        batch: prompts that go through the model together at most; 0: 64.
        progress: called with (prompts done, prompts in all); True, False: a bar, none; None: one where a person looks.

    Raises:
        ValueError: a bad line, by file and number, before anything runs; an option out of range.
        TempoError: a prompt beyond the context, with its id; a directory of another sweep.
        KeyboardInterrupt: what is finished stays in ``out``.
    """
    if not hasattr(lib, "tempo_sweep"):
        raise NotImplementedError("sweep: this library has no tempo_sweep")
    if model._hooks:
        raise ValueError("hooks do not reach decoding: edits do (m.edits)")
    given = {"thresholds": thresholds, "modes": modes}
    for name, value in given.items():
        if isinstance(value, (str, float, int)):
            raise TypeError(f"{name}: a list is expected, not {value!r}")
    documents = read_prompts(prompts)
    decoding, columns = _ways(model, {"threshold": list(thresholds), "mode": list(modes), **options})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(out) if out is not None else Path(temporary) / "sweep"
        with Bar("sweep", progress) as bar:
            _run(model, documents, decoding, columns, folder, batch, bar.told)
        ids = {str(name): name for name, _ in documents}
        return Sweep(
            _read_csv(folder / "sets.csv", ids),
            _read_csv(folder / "runs.csv", ids),
            Path(out) if out is not None else None,
        )


def _run(
    model: Model,
    documents: list[tuple[Any, str]],
    decoding: Any,
    columns: list[str],
    out: Path,
    batch: int,
    progress: Any,
) -> None:
    kept: list[Any] = []

    def words(text: str) -> Any:
        kept.append(ffi.new("char[]", text.encode()))
        return kept[-1]

    array = ffi.new("tempo_sweep_prompt[]", len(documents))
    for one, (name, text) in zip(array, documents, strict=True):
        ids = model._tokens.encode(text)
        memory = ffi.from_buffer("int32_t[]", ids)
        kept.append(memory)
        one.id, one.ids, one.n = words(str(name)), memory, len(ids)
    options, err = ffi.new("tempo_sweep_options *"), new_err()
    lib.tempo_sweep_options_init_size(options, ffi.sizeof("tempo_sweep_options"))
    names = ffi.new("const char *[]", [words(column) for column in columns])
    options.decoding, options.n_decoding = decoding, len(decoding)
    options.columns, options.n_columns = names, len(columns)
    options.out, options.batch = words(os.fspath(out)), as_int("batch", batch)
    if progress is not None:
        told = ffi.callback(
            "void(void *, size_t, size_t)", lambda user, done, total: progress(done, total), onerror=failed
        )
        options.progress = told
    with model._core as engine:
        observer = Observer(polled=True)
        with observer as pointer:
            options.poll = pointer.poll if pointer != NULL else NULL
            observer.check(lib.tempo_sweep(engine, array, len(array), options, err), err)
