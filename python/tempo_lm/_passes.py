"""Sequences through the model, in as few passes as there may be: logits of every row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer
from ._core import Core
from ._library import NULL, ffi, lib
from .errors import check, new_err

__all__ = ["Item", "Part", "Passes", "plain_item"]

_ROW = np.dtype(
    {
        "names": ["seq", "token", "set", "position", "mode", "first_layer", "n_layers", "want"],
        "formats": ["u8", "i4", "u4", "f8", "u4", "u4", "u4", "u4"],
        "offsets": [
            ffi.offsetof("tempo_row", name)
            for name in ("seq", "token", "set", "position", "mode", "first_layer", "n_layers", "want")
        ],
        "itemsize": ffi.sizeof("tempo_row"),
    }
)
_LOGITS = 1
_TAPS = 2
MOST_ROWS = 512
_MOST_LOGIT_BYTES = 1 << 28  # of one pass
LONG_PASS = 2e9  # rows times parameters: about a tenth of a second


@dataclass
class Item:
    """A sequence to run: its slots, and what they see of their own set."""

    ids: NDArray[np.int32]
    sets: NDArray[np.uint32]
    positions: NDArray[np.float64]
    mode: int = 0

    def ends(self) -> list[int]:
        """Slots at which a set ends, exclusive: where passes may be cut."""
        return (np.flatnonzero(np.diff(self.sets)) + 1).tolist() + [len(self.ids)]


def fill_rows(rows: NDArray[Any], item: Item, begin: int, end: int, seq: Any, want: int) -> None:
    """Slots [begin, end) of an item as rows of its sequence."""
    rows["seq"] = int(ffi.cast("uintptr_t", seq))
    rows["token"] = item.ids[begin:end]
    rows["set"] = item.sets[begin:end]
    rows["position"] = item.positions[begin:end]
    rows["mode"] = item.mode
    rows["want"] = want


def row_array(item: Item, begin: int, end: int, seq: Any, want: int) -> NDArray[Any]:
    """A new array of them."""
    rows = np.zeros(end - begin, _ROW)
    fill_rows(rows, item, begin, end, seq, want)
    return rows


@dataclass
class Part:
    """Slots [begin, end) of item ``item`` as rows first, first + 1, ... of a pass."""

    item: int
    begin: int
    end: int
    first: int


_COUNT: NDArray[np.float64] = np.arange(4096, dtype=np.float64)
_NUMBERS: NDArray[np.uint32] = np.arange(4096, dtype=np.uint32)


def plain_item(ids: NDArray[np.int32]) -> Item:
    """A prompt: every token a set of its own, at the next position."""
    global _COUNT, _NUMBERS
    n = len(ids)
    if n > len(_COUNT):
        _COUNT, _NUMBERS = np.arange(2 * n, dtype=np.float64), np.arange(2 * n, dtype=np.uint32)
    return Item(ids, _NUMBERS[:n], _COUNT[:n])


def _cut(items: Sequence[Item], most: int, whole: bool) -> list[list[Part]]:
    """All rows in order, in passes of at most ``most`` rows; sets (or whole items) are never cut."""
    passes: list[list[Part]] = [[]]
    room = most
    for number, item in enumerate(items):
        begin, n = 0, len(item.ids)
        if n <= room or (whole and n <= most):  # the usual case
            ends = [n]
        else:
            ends = [n] if whole else item.ends()
        at = 0
        while begin < n:
            if ends[at] - begin > room and passes[-1]:
                passes.append([])
                room = most
            while at + 1 < len(ends) and ends[at + 1] - begin <= room:
                at += 1
            passes[-1].append(Part(number, begin, ends[at], most - room))
            room = max(0, room - (ends[at] - begin))
            begin = ends[at]
            at += 1
    return passes


def _logits_of(engine: Any, first: int, n: int, d_vocab: int, out: NDArray[np.float32]) -> None:
    """Rows first .. first + n - 1 of the last pass into out[n, d_vocab]: one copy where they lie one behind the other."""
    base, last = lib.tempo_engine_logits(engine, first), lib.tempo_engine_logits(engine, first + n - 1)
    if last == base + (n - 1) * d_vocab:
        ffi.memmove(ffi.from_buffer("float[]", out, require_writable=True), base, 4 * n * d_vocab)
        return
    for i in range(n):
        ffi.memmove(ffi.from_buffer("float[]", out[i]), lib.tempo_engine_logits(engine, first + i), 4 * d_vocab)


# What sees a pass: told its parts and sequences before it.
Watch = Callable[[list[Part], list[Any]], None]


@dataclass
class Passes:
    """How sequences run."""

    core: Core
    d_vocab: int
    n_params: int
    kv: int = 0
    edits: Any = None  # tempo_edits *
    watch: Watch | None = None
    views: Callable[[Any, int], None] | None = None
    taps: Any = None
    whole: bool = False  # no sequence is cut
    want: str = "all"  # or "last", "none": of which rows there are logits

    def run(self, items: Sequence[Item]) -> list[NDArray[np.float32]]:
        """Logits of each item: [pos, d_vocab], or [1, d_vocab] of the last row.

        Raises:
            TempoError: ``"limit"`` beyond the context, ``"format"`` for logits that are not finite, ``"memory"``.
        """
        most = max(1, min(MOST_ROWS, _MOST_LOGIT_BYTES // (4 * self.d_vocab)))
        passes = _cut(items, most, self.whole)
        rows_of = {"all": 10**9, "last": 1, "none": 0}[self.want]
        out = [np.empty((min(rows_of, len(item.ids)), self.d_vocab), np.float32) for item in items]
        seqs: list[Any] = [NULL] * len(items)
        with self.core as engine:
            try:
                for parts in passes:
                    if parts:
                        self._one(engine, items, parts, seqs, out)
            finally:
                for seq in seqs:
                    lib.tempo_seq_free(seq)
        return out

    def _one(
        self, engine: Any, items: Sequence[Item], parts: list[Part], seqs: list[Any], out: list[NDArray[np.float32]]
    ) -> None:
        n = sum(part.end - part.begin for part in parts)
        rows = np.zeros(n, _ROW)
        for part in parts:
            item = items[part.item]
            if part.begin == 0:
                seqs[part.item] = self.sequence(engine, item)
            want = (_LOGITS if self.want == "all" else 0) | (_TAPS if self.views is not None else 0)
            here = rows[part.first : part.first + part.end - part.begin]
            fill_rows(here, item, part.begin, part.end, seqs[part.item], want)
            if self.want == "last" and part.end == len(item.ids):
                here["want"][-1] |= _LOGITS
        if self.watch is not None:
            self.watch(parts, seqs)
        observer = Observer(n * self.n_params > LONG_PASS, self.views, self.taps)
        err = new_err()
        with observer as pointer:
            observer.check(lib.tempo_engine_forward(engine, ffi.from_buffer("tempo_row[]", rows), n, pointer, err), err)
        for part in parts:
            if self.want == "all":
                _logits_of(
                    engine, part.first, part.end - part.begin, self.d_vocab, out[part.item][part.begin : part.end]
                )
            elif self.want == "last" and part.end == len(items[part.item].ids):
                _logits_of(engine, part.first + part.end - part.begin - 1, 1, self.d_vocab, out[part.item])

    def sequence(self, engine: Any, item: Item) -> Any:
        options = ffi.new(
            "tempo_seq_options *", {"size": ffi.sizeof("tempo_seq_options"), "kv": self.kv, "max_slots": len(item.ids)}
        )
        seq, err = ffi.new("tempo_seq **"), new_err()
        check(lib.tempo_seq_create(seq, engine, options, err), err)
        try:
            if self.edits is not None:
                check(lib.tempo_seq_set_edits(seq[0], self.edits, len(item.ids), err), err)
        except BaseException:
            lib.tempo_seq_free(seq[0])
            raise
        return seq[0]
