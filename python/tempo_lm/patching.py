"""Activation patching: which part of what a model computes makes the difference between two runs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer
from ._core import Handle
from ._library import NULL, ffi, lib
from ._options import as_int, choice
from .errors import check, new_err
from .lenses import copy_array
from .progress import Bar, Progress
from .taps import Taps
from .tokens import Prompt

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Grid", "Patched", "patch"]


@dataclass(frozen=True)
class Grid:
    """The cells of one tap.

    Attributes:
        tap: its short name.
        direction: ``"denoise"`` or ``"noise"``.
        values: float64 [layer, head, pos]: the metric in each cell; 1 where cells are not told apart by that.
        layers, heads, positions: which those are; None: all of them in one cell.
        str_tokens: the clean prompt's tokens at the positions, or None.
    """

    tap: str
    direction: str
    values: NDArray[np.float64]
    layers: list[int] | None
    heads: list[int] | None
    positions: list[int] | None
    str_tokens: list[str] | None

    def to_pandas(self) -> Any:
        """A tidy table: ``tap, direction, layer, head, pos, value``."""
        from ._extras import pandas

        places = np.indices(self.values.shape).reshape(3, -1)
        names = {}
        for name, at, axis in zip(
            ("layer", "head", "pos"), (self.layers, self.heads, self.positions), places, strict=True
        ):
            names[name] = np.array(at)[axis] if at is not None else pandas().array([None] * axis.size, dtype="Int64")
        return pandas().DataFrame({"tap": self.tap, "direction": self.direction, **names, "value": self.values.ravel()})

    def plot(self, **options: Any) -> Any:
        """See tempo_lm.plot.grid."""
        from . import plot

        return plot.grid(self, **options)


@dataclass(frozen=True)
class Patched:
    """What came of patching: ``grids``, and the metric of the two runs.

    Attributes:
        clean, corrupt: the metric of the runs themselves.
        n_cells, n_unchanged: cells in all, and those in which nothing differs, so that they took no pass.
    """

    grids: list[Grid]
    metric: str
    clean: float
    corrupt: float
    n_cells: int
    n_unchanged: int

    def __getitem__(self, tap: str) -> Grid:
        for grid in self.grids:
            if grid.tap == tap:
                return grid
        raise KeyError(f"no grid of {tap!r} (there are: {', '.join(g.tap for g in self.grids)})")

    def normalised(self, values: Any) -> NDArray[np.float64]:
        """Values on the scale on which the corrupt run is 0 and the clean one 1."""
        return (np.asarray(values, np.float64) - self.corrupt) / (self.clean - self.corrupt)

    def to_pandas(self) -> Any:
        """All grids as one tidy table."""
        from ._extras import pandas

        return pandas().concat([grid.to_pandas() for grid in self.grids], ignore_index=True)

    def plot(self, **options: Any) -> Any:
        """See tempo_lm.plot.patched."""
        from . import plot

        return plot.patched(self, **options)


def _selections(model: Model, what: str, names: str | Sequence[str] | None) -> Any:
    """``tempo_tap_selection[]`` with layers and heads, or NULL."""
    if names is None:
        return NULL
    given = [names] if isinstance(names, str) else list(names)
    array = ffi.new("tempo_tap_selection[]", len(given))
    taps: Taps = model._taps
    for i, name in enumerate(given):
        taps.parse(what, name)
        with model._core.use() as of:
            err = new_err()
            check(lib.tempo_tap_parse(ffi.addressof(array, i), of, name.encode(), err), err)
    return array


def patch(
    model: Model,
    clean: Prompt,
    corrupt: Prompt,
    *,
    taps: str | Sequence[str] | None = None,
    each: str = "default",
    metric: str = "logit_diff",
    answers: Sequence[str | int] = (),
    direction: str = "denoise",
    positions: Sequence[int] | None = None,
    receivers: str | Sequence[str] | None = None,
    free_mlps: bool = False,
    max_bytes: int = 0,
    progress: Progress = None,
) -> Patched:
    """Run the corrupt prompt again and again, each time with one place as the clean one has it, and measure what comes of it.

    Args:
        clean, corrupt: texts or ids, of the same number of tokens.
        taps: names, with ``:layers=..`` and ``:heads=..`` at will, each a grid; None: resid_pre, attn_out, mlp_out.
        each: what a cell is: ``"position"``, ``"head"``, ``"head-position"``, ``"layer"``; ``"default"``: a head where the tap has heads.
        metric: ``"logit_diff"`` (two answers), ``"prob"`` (one), ``"kl_clean"``, ``"kl_corrupt"``, ``"tv_clean"``, ``"tv_corrupt"``.
        answers: tokens: ids, or texts of one token.
        direction: ``"denoise"``; ``"noise"``: the clean run gets values of the corrupt one; ``"both"``.
        positions: that cells are of; None: all.
        receivers, free_mlps: path patching: values go into these taps alone (docs/interventions.md).
        max_bytes: of all that a grid takes; 0: 1 GB, or half of what there is.
        progress: called with (cells done, cells in all) after each batch; True, False: a bar, none; None: one where a person looks.

    Raises:
        ValueError: a name or answer that is not there, prompts of other lengths.
        TempoError: ``"limit"`` where max_bytes does not do.
        KeyboardInterrupt: everything stays usable.
    """
    if model._hooks or model._edits:
        raise ValueError("patch: hooks and edits in force do not go with patching")
    wanted = [
        model._tokens.single("answers", answer)
        for answer in ([answers] if isinstance(answers, (str, int)) else answers)
    ]
    if len(wanted) > 2:
        raise ValueError(f"answers: one or two tokens are expected, not {len(wanted)}")
    options, kept = ffi.new("tempo_patch_options *"), []
    lib.tempo_patch_options_init_size(options, ffi.sizeof("tempo_patch_options"))
    for name, member in (("taps", "taps"), ("receivers", "receivers")):
        array = _selections(model, name, taps if name == "taps" else receivers)
        kept.append(array)
        setattr(options, member, array)
        setattr(options, f"n_{member}", 0 if array == NULL else len(array))
    options.each, options.metric = choice("patch_each", "each", each), choice("patch_metric", "metric", metric)
    options.direction = choice("patch_direction", "direction", direction)
    options.n_answers = len(wanted)
    for i, answer in enumerate(wanted):
        options.answers[i] = answer
    if positions is not None:
        memory = ffi.new("uint32_t[]", [as_int("positions", p, 0, 2**32 - 1) for p in positions])
        kept.append(memory)
        options.positions, options.n_positions = memory, len(positions)
    options.free_mlps, options.max_bytes, options.kv = free_mlps, as_int("max_bytes", max_bytes), model._kv
    runs = []
    ids = [model._tokens.ids(what, prompt) for what, prompt in (("clean", clean), ("corrupt", corrupt))]
    for one in ids:
        memory = ffi.from_buffer("int32_t[]", one)
        kept.append(memory)
        runs.append(ffi.new("tempo_patch_run *", {"ids": memory, "n": len(one)}))
    out, err = ffi.new("tempo_patch **"), new_err()
    with model._core as engine:
        check(lib.tempo_patch_create(out, engine, runs[0], runs[1], options, err), err)
        handle = Handle(model._core, out[0], lib.tempo_patch_free, "grid of patches")
    try:
        with Bar("patch", progress) as bar:
            while (info := lib.tempo_patch_get_info(handle.pointer)).n_left > 0:
                with model._core:
                    observer = Observer(polled=True)
                    with observer as pointer:
                        observer.check(lib.tempo_patch_step(handle.pointer, pointer, err), err)
                if bar.told is not None:
                    bar.told(info.n_cells - lib.tempo_patch_get_info(handle.pointer).n_left, info.n_cells)
        grids = [_grid(model, lib.tempo_patch_get_grid(handle.pointer, i), ids[0]) for i in range(info.n_grids)]
        return Patched(grids, metric, info.clean, info.corrupt, info.n_cells, info.n_unchanged)
    finally:
        handle.close()


def _grid(model: Model, of: Any, ids: NDArray[np.int32]) -> Grid:
    shape = (of.n_layers, of.n_heads, of.n_positions)

    def which(pointer: Any, n: int) -> list[int] | None:
        return None if pointer == NULL else list(pointer[0:n])

    positions = which(of.positions, of.n_positions)
    tap = model._taps.all[of.tap].short_name
    direction = ffi.string(lib.tempo_patch_direction_name(of.direction)).decode()
    words = model._tokens.texts(ids[positions]) if positions is not None else None
    values = copy_array(of.values, shape, np.float64)
    return Grid(tap, direction, values, which(of.layers, of.n_layers), which(of.heads, of.n_heads), positions, words)
