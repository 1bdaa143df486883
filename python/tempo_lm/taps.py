"""What a pass can show: names as TransformerLens has them, shapes, and choices among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ._core import Core
from ._library import NULL, constants, ffi, lib, text
from ._names import nearest
from .errors import error_of, new_err

__all__ = ["NamesFilter", "Tap", "Taps"]

NamesFilter: TypeAlias = "str | Sequence[str] | Callable[[str], bool] | None"

_WORDS = constants.get("TEMPO_TAP_WORDS", 16)
_COSTLY = ("attn.hook_result", "logits")  # only by name
_BY_SLOT = ("attn_scores", "pattern")


@dataclass(frozen=True)
class Tap:
    """A hook of every layer, or of none.

    Attributes:
        number: the library's.
        name: ``"hook_embed"``; of a layer's what follows ``"blocks.L."``.
        short_name: ``"pattern"``, ``"ln1.scale"``.
        by_layer: there is one in each layer.
        editable: the model reads it, so that a hook can change it.
        missing: None, or what the model would need to have it.
        n_dims: dimensions of one row's values: 1 or 2.
    """

    number: int
    name: str
    short_name: str
    by_layer: bool
    editable: bool
    missing: str | None
    n_dims: int

    @property
    def by_slot(self) -> bool:
        """Is its last dimension the tokens that are looked at, so that its arrays are [head, query, key]?"""
        return self.short_name in _BY_SLOT

    def full_name(self, layer: int) -> str:
        return f"blocks.{layer}.{self.name}" if self.by_layer else self.name


class Taps:
    """Those of one model."""

    def __init__(self, core: Core, n_layers: int) -> None:
        self._core = core
        self.n_layers = n_layers
        self.all: list[Tap] = []
        with core.use() as model:
            for number in range(lib.TEMPO_TAP_COUNT):
                of = lib.tempo_tap_get_info(model, number)
                missing = None if of.missing == NULL else text(of.missing)
                self.all.append(
                    Tap(number, text(of.name), text(of.short_name), of.by_layer, of.editable, missing, of.n_dims)
                )

    def names(self) -> list[str]:
        """Whole names of all that this model has, in the order of a pass."""
        here = [tap for tap in self.all if tap.missing is None]
        first = [t.name for t in here if not t.by_layer and t.number < lib.TEMPO_TAP_RESID_PRE]
        last = [t.name for t in here if not t.by_layer and t.number > lib.TEMPO_TAP_RESID_PRE]
        layers = [t.full_name(layer) for layer in range(self.n_layers) for t in here if t.by_layer]
        return first + layers + last

    def _known(self) -> list[str]:
        here = [tap for tap in self.all if tap.missing is None]
        return [t.short_name for t in here] + [t.name for t in here] + self.names()

    def parse(self, what: str, name: str) -> tuple[Tap, list[int]]:
        """A name, with ``:layers=..`` behind it at will, as (tap, layers); layers [0] of a tap that is not in layers.

        Raises:
            ValueError: there is no such tap, layer or head, with the nearest name.
        """
        selection, err = ffi.new("tempo_tap_selection *"), new_err()
        with self._core.use() as model:
            status = lib.tempo_tap_parse(selection, model, name.encode("utf-8", "replace"), err)
        if status != lib.TEMPO_OK:
            raise ValueError(f"{what}: {error_of(status, err)}{nearest(name, self._known())}")
        tap = self.all[selection.tap]
        chosen = [i for i in range(self.n_layers) if lib.tempo_tap_has(selection.layers, i)]
        return tap, chosen if tap.by_layer else [0]

    def choose(self, what: str, names: NamesFilter) -> dict[int, set[int]]:
        """Number of each tap -> its layers.

        Args:
            names: whole names, names without their layer (of all layers), or short ones, with ``:layers=2-4`` behind them at will; a
                function that says which whole names; None: all but result and logits.
        """
        chosen: dict[int, set[int]] = {}
        if names is None or callable(names):
            wanted = names if names is not None else lambda name: not name.endswith(_COSTLY)
            for tap in self.all:
                layers = range(self.n_layers if tap.by_layer else 1)
                found = {i for i in layers if tap.missing is None and wanted(tap.full_name(i))}
                if found:
                    chosen[tap.number] = found
            return chosen
        for name in [names] if isinstance(names, str) else names:
            if not isinstance(name, str):
                raise TypeError(f"{what}: names, or a function of a name, are expected, not {name!r}")
            tap, layers_of = self.parse(what, name)
            chosen.setdefault(tap.number, set()).update(layers_of)
        return chosen


def selections(chosen: dict[int, set[int]], taps: Taps) -> Any:
    """A ``tempo_tap_selection[]``."""
    array = ffi.new("tempo_tap_selection[]", len(chosen))
    for one, (tap, layers) in zip(array, sorted(chosen.items()), strict=True):
        one.tap = tap
        if taps.all[tap].by_layer and len(layers) < taps.n_layers:  # no bit at all means every layer
            put_bits(one.layers, layers)
    return array


def put_bits(words: Any, bits: Iterable[int]) -> None:
    for bit in bits:
        words[bit // 64] |= 1 << (bit % 64)


_VIEW = np.dtype(
    {
        "names": ["row", "slot", "dim0", "dim1", "values"],
        "formats": ["u8", "u8", "u8", "u8", "u8"],
        "offsets": [
            ffi.offsetof("tempo_tap_view", "row"),
            ffi.offsetof("tempo_tap_view", "slot"),
            ffi.offsetof("tempo_tap_view", "dims"),
            ffi.offsetof("tempo_tap_view", "dims") + 8,
            ffi.offsetof("tempo_tap_view", "values"),
        ],
        "itemsize": ffi.sizeof("tempo_tap_view"),
    }
)


def read_views(views: Any, n: int) -> np.ndarray[Any, Any]:
    """Fields ``row``, ``slot``, ``dim0``, ``dim1``, ``values`` (addresses) of a ``tempo_tap_view[n]``."""
    return np.frombuffer(ffi.buffer(views, n * _VIEW.itemsize), _VIEW)


def memory_of(views: np.ndarray[Any, Any]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """The library's own memory of rows with the same shape: [rows, dim0, dim1] arrays, one where rows lie evenly, else one each."""
    n, d0, d1 = len(views), int(views["dim0"][0]), int(views["dim1"][0])
    address = views["values"]
    stride = int(address[1]) - int(address[0]) if n > 1 else 4 * d0 * d1
    even = n < 3 or bool((np.diff(address.astype(np.int64)) == stride).all())
    if stride < 4 * d0 * d1 or not even:
        return [one for i in range(n) for one in memory_of(views[i : i + 1])]
    raw = ffi.buffer(ffi.cast("char *", int(address[0])), (n - 1) * stride + 4 * d0 * d1)
    return [np.ndarray((n, d0, d1), np.float32, raw, 0, (stride, 4 * d1, 4))]
