"""What passes show, by prompt: kept for a cache, or given to hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._passes import Item, Part
from .taps import Tap, Taps, memory_of, read_views, selections

__all__ = ["Watcher"]

Floats = NDArray[np.float32]
# Takes (tap, layer, item, values as users have them), which it may change.
Hook = Callable[[Tap, int, int, Floats], None]


def as_users_have_it(tap: Tap, rows: Floats) -> Floats:
    """Of [rows, dim0, dim1]: [pos, ...], or [head, query, key]."""
    if tap.by_slot:
        return rows.transpose(1, 0, 2)
    return rows[:, :, 0] if tap.n_dims == 1 else rows


class Watcher:
    """Told of each pass before it, then shown its taps.

    Args:
        items: the sequences.
        kept: what to keep for the caches.
        hooked: what goes to ``hook``.
    """

    def __init__(
        self,
        taps: Taps,
        items: Sequence[Item],
        kept: dict[int, set[int]],
        hooked: dict[int, set[int]],
        hook: Hook | None,
    ) -> None:
        self._taps = taps
        self._items = items
        self._kept = kept
        self._hooked = hooked
        self._hook = hook
        self._parts: list[Part] = []
        self._waiting: dict[tuple[int, int, int], list[Floats]] = {}
        both = {tap: kept.get(tap, set()) | hooked.get(tap, set()) for tap in {*kept, *hooked}}
        self.selections = selections(both, taps)
        self.caches: list[dict[str, Floats]] = [{} for _ in items]

    def begin(self, parts: list[Part], seqs: list[Any]) -> None:
        self._parts = parts

    def views(self, pointer: Any, n: int) -> None:
        """``tempo_tap_view[n]``, of one tap in one layer."""
        tap, layer = self._taps.all[pointer[0].tap], int(pointer[0].layer)
        seen = read_views(pointer, n)
        rows = seen["row"]
        first, last = int(rows[0]), int(rows[-1])
        for part in self._parts:
            end = part.first + part.end - part.begin
            if part.first > last or end <= first:
                continue
            here = seen if len(self._parts) == 1 else seen[(rows >= part.first) & (rows < end)]
            self._see(tap, layer, part, here)

    def _see(self, tap: Tap, layer: int, part: Part, here: np.ndarray[Any, Any]) -> None:
        memory = memory_of(here)
        whole = len(self._items[part.item].ids)
        if self._hook is not None and layer in self._hooked.get(tap.number, ()):
            if len(here) == whole or tap.short_name == "logits":
                self._run_hook(self._hook, tap, layer, part.item, memory)
            else:  # read-only taps come row by row
                self._wait(self._hook, tap, layer, part.item, memory, whole)
        if layer in self._kept.get(tap.number, ()):
            self._keep(tap, layer, part.item, int(here["slot"][0]), memory, whole)

    def _run_hook(self, hook: Hook, tap: Tap, layer: int, item: int, memory: list[Floats]) -> None:
        rows = np.concatenate(memory) if len(memory) > 1 else memory[0].copy()
        values = as_users_have_it(tap, rows)
        values.flags.writeable = tap.editable
        hook(tap, layer, item, values)
        values.flags.writeable = False
        if not tap.editable:
            return
        at = 0
        for one in memory:
            one[...] = rows[at : at + len(one)]
            at += len(one)

    def _wait(self, hook: Hook, tap: Tap, layer: int, item: int, memory: list[Floats], whole: int) -> None:
        waiting = self._waiting.setdefault((tap.number, layer, item), [])
        waiting.extend(one.copy() for one in memory)
        if sum(map(len, waiting)) == whole:
            del self._waiting[tap.number, layer, item]
            self._run_hook(hook, tap, layer, item, [np.concatenate(waiting)])

    def _keep(self, tap: Tap, layer: int, item: int, slot: int, memory: list[Floats], whole: int) -> None:
        cache, name = self.caches[item], tap.full_name(layer)
        d0, d1 = memory[0].shape[1:]
        if name not in cache:
            shape = (d0, whole, whole) if tap.by_slot else (whole, d0) if tap.n_dims == 1 else (whole, d0, d1)
            full = slot == 0 and sum(map(len, memory)) == whole
            cache[name] = np.empty(shape, np.float32) if full else np.zeros(shape, np.float32)
            if not full and tap.short_name == "attn_scores":
                cache[name][...] = -np.inf
        for one in memory:
            if tap.by_slot:
                cache[name][:, slot : slot + len(one), :d1] = one.transpose(1, 0, 2)
            elif tap.n_dims == 1:
                cache[name][slot : slot + len(one)] = one[:, :, 0]
            else:
                cache[name][slot : slot + len(one)] = one
            slot += len(one)
