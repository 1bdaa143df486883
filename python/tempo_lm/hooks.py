"""Functions that see, and change, what a model computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .taps import NamesFilter, Tap, Taps

__all__ = ["HookFn", "HookPoint", "Hooks"]

HookFn: TypeAlias = "Callable[[NDArray[np.float32], HookPoint], NDArray[np.floating[Any]] | None]"


@dataclass
class HookPoint:
    """Where a hook runs.

    Attributes:
        name: the whole name, ``"blocks.5.attn.hook_z"``.
        layer_index: its layer, or None.
        prompt: number of the prompt, where a list of them runs.
        ctx: the hook's own, empty at first; the same in all calls of one run.
    """

    name: str
    layer_index: int | None = None
    prompt: int = 0
    ctx: dict[str, Any] = field(default_factory=dict)

    def layer(self) -> int:
        """The layer, as TransformerLens has it.  ValueError outside of layers."""
        if self.layer_index is None:
            raise ValueError(f"{self.name} is in no layer")
        return self.layer_index


FwdHooks: TypeAlias = "Sequence[tuple[NamesFilter, HookFn]]"


class Hooks:
    """Hooks of one call, ready to run."""

    def __init__(self, taps: Taps, given: FwdHooks) -> None:
        self.chosen: dict[int, set[int]] = {}
        self._functions: list[tuple[dict[int, set[int]], HookFn]] = []
        self._contexts: dict[tuple[int, int, int], dict[str, Any]] = {}
        for i, pair in enumerate(given):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not callable(pair[1]):
                raise TypeError(
                    f"fwd_hooks[{i}]: a pair of a name and a function of (values, hook) is expected, not {pair!r}"
                )
            where = taps.choose(f"fwd_hooks[{i}]", pair[0])
            self._functions.append((where, pair[1]))
            for tap, layers in where.items():
                self.chosen.setdefault(tap, set()).update(layers)

    def __call__(self, tap: Tap, layer: int, item: int, values: NDArray[np.float32]) -> None:
        for number, (where, function) in enumerate(self._functions):
            if layer not in where.get(tap.number, ()):
                continue
            context = self._contexts.setdefault((number, tap.number, layer), {})
            point = HookPoint(tap.full_name(layer), layer if tap.by_layer else None, item, context)
            given = function(values, point)
            if given is None:
                continue
            found = np.asarray(given, np.float32)
            if not tap.editable:
                raise ValueError(
                    f"{point.name}: the hook returns values, but the model does not read this one: it cannot be changed"
                )
            if found.shape != values.shape:
                raise ValueError(f"{point.name}: the hook returns shape {found.shape}, not {values.shape}")
            values[...] = found
