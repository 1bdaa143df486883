"""One plain prompt of a few tokens: the shortest way, for loops of many short passes.

What a pass needs besides ids is kept from call to call, under the core's lock; what it gives is the same as of _passes.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import Core
from ._library import NULL, ffi, lib
from ._passes import LONG_PASS, MOST_ROWS, plain_item, row_array
from .errors import new_err

__all__ = ["Memory", "Single"]

_SMALL = 1 << 16
_KEPT = 3
_MOST_BYTES = 1 << 26
_COUNTED = getattr(sys, "_is_gil_enabled", lambda: True)()


class Memory:
    """Arrays for results: memory that the caller has let go of is given out again, for the system takes long to hand out fresh pages.

    Nobody else has a reference to a kept array whose count is what it is in a list alone: views hold what they are of.
    """

    def __init__(self) -> None:
        self._kept: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
        self._alone = self._counts()[0]
        self._kept = []

    def _counts(self) -> list[int]:
        return [sys.getrefcount(raw) for raw in self._kept]

    def take(self, rows: int, columns: int) -> NDArray[np.float32]:
        """float32 [rows, columns], anything in it.  Under a lock."""
        size = 4 * rows * columns
        if size < _SMALL or size > _MOST_BYTES or not _COUNTED:
            return np.empty((rows, columns), np.float32)
        for i, count in enumerate(self._counts()):
            if count == self._alone and size <= self._kept[i].size < 2 * size:
                return self._kept[i][:size].view(np.float32).reshape(rows, columns)
        raw = np.empty(size, np.uint8)
        self._kept = [raw, *self._kept[: _KEPT - 1]]
        return raw.view(np.float32).reshape(rows, columns)


class Single:
    """Of one model."""

    def __init__(self, core: Core, d_vocab: int, n_params: int, kv: int) -> None:
        self._core = core
        self._d_vocab = d_vocab
        self._most = min(MOST_ROWS, int(LONG_PASS / max(1, n_params)), (1 << 26) // (4 * d_vocab))
        self._seq, self._err = ffi.new("tempo_seq **"), new_err()
        self._options = ffi.new("tempo_seq_options *", {"size": ffi.sizeof("tempo_seq_options"), "kv": kv})
        self._memory = Memory()
        self._n = -1
        self._rows: Any = None
        self._token: Any = None
        self._of: Any = None
        self._pointer: Any = None

    def _shape(self, n: int) -> None:
        self._rows = row_array(plain_item(np.zeros(n, np.int32)), 0, n, NULL, lib.TEMPO_WANT_LOGITS)
        self._token, self._of = self._rows["token"], self._rows["seq"]
        self._pointer = ffi.from_buffer("tempo_row[]", self._rows)
        self._options.max_slots = n
        self._n = n

    def fits(self, tokens: Any) -> bool:
        """Is it int32 [pos], and short enough that nobody would interrupt the pass?"""
        return (
            type(tokens) is np.ndarray
            and tokens.dtype == np.int32
            and tokens.ndim == 1
            and 0 < len(tokens) <= self._most
        )

    def run(self, ids: NDArray[np.int32]) -> NDArray[np.float32] | None:
        """Logits [pos, d_vocab]; None: something is wrong, which the long way says."""
        n, d_vocab, seq = len(ids), self._d_vocab, self._seq
        with self._core as engine:
            if n != self._n:
                self._shape(n)
            if lib.tempo_seq_create(seq, engine, self._options, self._err) != 0:
                self._err = new_err()
                return None
            try:
                self._of[...] = int(ffi.cast("uintptr_t", seq[0]))
                self._token[...] = ids
                if lib.tempo_engine_forward(engine, self._pointer, n, NULL, self._err) != 0:
                    self._err = new_err()
                    return None
                out = self._memory.take(n, d_vocab)
                base = lib.tempo_engine_logits(engine, 0)
                if lib.tempo_engine_logits(engine, n - 1) != base + (n - 1) * d_vocab:
                    return None
                ffi.memmove(ffi.from_buffer(out), base, out.nbytes)
                return out
            finally:
                lib.tempo_seq_free(seq[0])
