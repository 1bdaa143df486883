"""What the edges between the members of a set do: each read again with some of them cut, or with strangers in the siblings' place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer, failed
from ._library import NULL, ffi, lib
from ._options import as_int, names_of
from .decoding import Runs, RunSpec
from .errors import new_err
from .lenses import copy_array
from .progress import Bar, Progress
from .results import Set
from .tokens import Prompt

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Trace", "trace"]


@dataclass(frozen=True)
class Trace:
    """Effects of a set's edges on the next distribution, cell by cell.

    Attributes:
        set: the set whose members' edges were changed.
        cells: a dict for each cell: ``kind`` (``"all"``, ``"heads"``, ``"layers"``, ``"below"``, ``"above"``, ``"keep"``), ``layer``,
            ``head``, ``kept``, and for each effect its ``tv``, ``kl`` (nats) and ``set_changes``, as ``cut_tv`` ...  Effects: ``cut``, the run
            against it without those edges; where there are strangers also ``exchanged``, the run against it with them, and ``strangers``,
            with them against cut.
        first_layer, n_layers, n_heads: that were traced.
        tokens: ids that were asked for; token_q [token] in the run; token_cut, token_exchanged [cell, token], the latter None without strangers.
        strongest: [(layer, head)] by the effect of their cut alone.
    """

    set: Set
    cells: list[dict[str, Any]]
    first_layer: int
    n_layers: int
    n_heads: int
    tokens: NDArray[np.int32]
    token_q: NDArray[np.float64]
    token_cut: NDArray[np.float64]
    token_exchanged: NDArray[np.float64] | None
    strongest: list[tuple[int, int]]

    def heads(self, what: str = "cut_tv") -> NDArray[np.float64]:
        """[layer, head] of one column of the cells of single heads."""
        values = [cell[what] for cell in self.cells if cell["kind"] == "heads"]
        return np.array(values, np.float64).reshape(self.n_layers, self.n_heads)

    def layers(self, what: str = "cut_tv") -> NDArray[np.float64]:
        """[layer] of one column of the cells of single layers."""
        return np.array([cell[what] for cell in self.cells if cell["kind"] == "layers"], np.float64)

    def to_pandas(self) -> Any:
        """The cells as a table."""
        from ._extras import pandas

        return pandas().DataFrame(self.cells)

    def plot(self, what: str = "cut_tv", **options: Any) -> Any:
        """See tempo_lm.plot.trace."""
        from . import plot

        return plot.trace(self, what, **options)


def _effect(name: str, of: Any) -> dict[str, Any]:
    return {f"{name}_tv": of.tv, f"{name}_kl": of.kl, f"{name}_set_changes": of.set_changes}


def _cell(kinds: list[str], of: Any, exchanged: bool) -> dict[str, Any]:
    cell = {"kind": kinds[of.kind], "layer": of.layer, "head": of.head, "kept": of.kept, **_effect("cut", of.cut)}
    if exchanged:
        cell |= {**_effect("exchanged", of.exchanged), **_effect("strangers", of.strangers)}
    return cell


def trace(
    model: Model,
    prompt: Prompt,
    *,
    step: int = 0,
    strangers: Sequence[str | int] | None = None,
    tokens: Sequence[str | int] = (),
    first_layer: int = 0,
    last_layer: int | None = None,
    max_bytes: int = 0,
    progress: Progress = None,
    **options: Any,
) -> Trace:
    """Decode until the set of ``step``, then read that set again and again with some of the edges between its members changed.

    Args:
        step: of the set; it must have two members in the context.
        strangers: a token for each of those members, ids or texts of one token, to take the siblings' place; None: nothing is exchanged.
        tokens: whose probabilities are told.
        first_layer, last_layer: edges of these layers, both included.
        progress: called with (cells done, cells in all); True, False: a bar, none; None: one where a person looks.
        options: of decode; mode ``"visible"`` (the default here) or ``"causal"``.

    Raises:
        ValueError: the set has fewer than two members, or a token or layer that does not fit.
    """
    if model._hooks:
        raise ValueError("hooks do not reach decoding: edits do (m.edits)")
    at = as_int("step", step)
    items, one = model._items(prompt, "prompt")
    if not one:
        raise TypeError("prompt: one is expected, not a list")
    options = {"mode": "visible", **options, "steps": at + 1}
    mode = str(options["mode"])
    runs = Runs(model, [items[0].ids], RunSpec({mode: options}))
    try:
        while runs.running:
            runs.step()
        sets = runs.results[0].arms[mode].sets
        if len(sets) <= at:
            raise ValueError(f"step: {at} is not reached: decoding ended after {len(sets)}")
        want = ffi.new("tempo_trace_options *")
        lib.tempo_trace_options_init_size(want, ffi.sizeof("tempo_trace_options"))
        kept: list[Any] = [runs.decoding[0]]
        want.decoding, want.first_layer = runs.decoding[0], as_int("first_layer", first_layer)
        if last_layer is not None:
            want.last_layer = as_int("last_layer", last_layer)
        ids = np.array(
            [model._tokens.single("tokens", t) for t in ([tokens] if isinstance(tokens, (str, int)) else tokens)],
            np.int32,
        )
        memory = ffi.from_buffer("int32_t[]", ids)
        want.tokens, want.n_tokens, want.max_bytes = memory, len(ids), as_int("max_bytes", max_bytes)
        if strangers is not None:
            own = [m for m in sets[at] if m.slot is not None]
            if len(strangers) != len(own):
                raise ValueError(f"strangers: one for each of {len(own)} members is expected, not {len(strangers)}")
            others = ffi.new("int32_t[]", [model._tokens.single("strangers", s) for s in strangers])
            kept.append(others)
            want.strangers = others
        with Bar("trace", progress) as bar:
            return _run(model, runs, sets[at], want, ids, bar.told)
    finally:
        runs.close()


def _run(model: Model, runs: Runs, of_set: Set, want: Any, ids: NDArray[np.int32], progress: Any) -> Trace:
    if progress is not None:
        told = ffi.callback(
            "void(void *, size_t, size_t)", lambda user, done, total: progress(done, total), onerror=failed
        )
        want.progress = told
    out, err, run = ffi.new("tempo_trace **"), new_err(), runs.pointer(0)
    with model._core as engine:
        seq = lib.tempo_decoder_seq(lib.tempo_run_decoder(run, 0))
        observer = Observer(polled=True)
        with observer as pointer:
            want.poll = pointer.poll if pointer != NULL else NULL
            taken = lib.tempo_run_set(run, 0, of_set.step)
            observer.check(lib.tempo_trace_siblings(out, engine, seq, taken, want, err), err)
    try:
        of, kinds = out[0], names_of("trace_kind")
        shape = (of.n_cells, of.n_tokens)
        heads = of.n_heads
        order = copy_array(of.strongest, (of.n_layers * heads,), np.uint32).tolist()
        return Trace(
            set=of_set,
            cells=[_cell(kinds, of.cells[i], of.exchanged) for i in range(of.n_cells)],
            first_layer=of.first_layer,
            n_layers=of.n_layers,
            n_heads=heads,
            tokens=ids,
            token_q=copy_array(of.token_q, (of.n_tokens,), np.float64),
            token_cut=copy_array(of.token_cut, shape, np.float64),
            token_exchanged=copy_array(of.token_exchanged, shape, np.float64) if of.exchanged else None,
            strongest=[(of.first_layer + i // heads, i % heads) for i in order],
        )
    finally:
        lib.tempo_trace_free(out[0])
