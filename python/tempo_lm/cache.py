"""What a prompt's pass computed, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._names import unknown
from .taps import Taps

if TYPE_CHECKING:
    from .lenses import Lens
    from .model import Model

__all__ = ["ActivationCache"]

Floats = NDArray[np.float32]


class ActivationCache(Mapping[Any, Floats]):
    """Arrays of one prompt by the names of their hooks, ``cache["blocks.3.attn.hook_pattern"]`` or ``cache["pattern", 3]``.

    Shapes are TransformerLens's without the batch: ``[pos, d_model]``, ``[pos, head, d_head]``, ``[head, query, key]`` of pattern and
    attn_scores, ``[pos, 1]`` of scales.  All float32, C-contiguous, its own memory.

    Attributes:
        tokens: int32 [pos], the prompt.
    """

    def __init__(self, model: Model, taps: Taps, tokens: NDArray[np.int32], arrays: dict[str, Floats]) -> None:
        self.tokens = tokens
        self._model = model
        self._taps = taps
        order = {name: i for i, name in enumerate(taps.names())}
        self._arrays = dict(sorted(arrays.items(), key=lambda pair: order[pair[0]]))

    # ---- a mapping ----

    def name_of(self, key: str | tuple[str, int] | tuple[str, int, str]) -> str:
        """The whole name that a key means.

        Raises:
            KeyError: nothing of that name is in the cache.
        """
        name, layer = (key, None) if isinstance(key, str) else (key[0], key[1])
        if name in self._arrays and layer is None:
            return name
        for tap in self._taps.all:
            if name not in (tap.short_name, tap.name):
                continue
            if tap.by_layer and layer is None and self._taps.n_layers > 1:
                raise KeyError(f"{name}: which layer? cache[{name!r}, 0]")
            index = int(layer or 0)
            full = tap.full_name(index + self._taps.n_layers if index < 0 else index)
            if full in self._arrays:
                return full
            name = full
            break
        shown = name if layer is None else f"{name} of layer {layer}"
        raise KeyError(
            unknown("cache", shown if name not in self._taps.names() else name, self._arrays)
            + "; names_filter says what is kept"
        )

    def __getitem__(self, key: Any) -> Floats:
        return self._arrays[self.name_of(key)]

    def __contains__(self, key: object) -> bool:
        try:
            self.name_of(key)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError, IndexError):
            return False
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"<tempo_lm.ActivationCache of {len(self.tokens)} tokens: {len(self)} arrays>"

    def to(self, dtype: DTypeLike) -> ActivationCache:
        """The same in another floating type: a copy.  ``"cpu"`` is where it is already."""
        if isinstance(dtype, str) and dtype == "cpu":
            return self
        arrays = {name: array.astype(dtype) for name, array in self._arrays.items()}
        return ActivationCache(self._model, self._taps, self.tokens, arrays)

    def to_pandas(self, key: Any) -> Any:
        """One array as a tidy table: a column for each dimension (``pos``, ``head``, ``query``, ``key``, ``index``), and ``value``.

        Raises:
            ImportError: pandas is not installed (``pip install 'tempo-lm[frame]'``).
        """
        from ._extras import pandas

        name = self.name_of(key)
        array = self._arrays[name]
        slots = name.endswith(("hook_pattern", "hook_attn_scores"))
        dims = ["head", "query", "key"] if slots else ["pos", "head", "index"] if array.ndim == 3 else ["pos", "index"]
        places = np.indices(array.shape).reshape(array.ndim, -1)
        return pandas().DataFrame({**dict(zip(dims, places, strict=True)), "value": array.ravel()})

    # ---- the residual stream ----

    def stack(self, name: str) -> Floats:
        """One array of all layers: ``[layer, ...]`` of a tap that every layer has.

        Raises:
            KeyError: a layer is not in the cache.
        """
        return np.stack([self[name, layer] for layer in range(self._taps.n_layers)])

    def accumulated_resid(self, incl_mid: bool = False) -> tuple[Floats, list[str]]:
        """The residual stream before each layer, at will after its attention, and after the last: ``[point, pos, d_model]`` and labels
        ``"0_pre"``, ``"0_mid"``, ... ``"final_post"``."""
        arrays, labels = [], []
        for layer in range(self._taps.n_layers):
            arrays.append(self["resid_pre", layer])
            labels.append(f"{layer}_pre")
            if incl_mid:
                arrays.append(self["resid_mid", layer])
                labels.append(f"{layer}_mid")
        arrays.append(self["resid_post", self._taps.n_layers - 1])
        return np.stack(arrays), [*labels, "final_post"]

    def decompose_resid(self) -> tuple[Floats, list[str]]:
        """What makes the stream after the last layer: ``[component, pos, d_model]`` and labels ``"embed"``, ``"0_attn_out"``,
        ``"0_mlp_out"``, ...  Their sum is it, but for rounding.  embed holds learned positions, too.

        Raises:
            KeyError: resid_pre of layer 0 (or embed), attn_out or mlp_out are not in the cache.
        """
        first = self["resid_pre", 0] if ("resid_pre", 0) in self else self["embed"]
        arrays, labels = [first], ["embed"]
        for layer in range(self._taps.n_layers):
            for part in ("attn_out", "mlp_out"):
                arrays.append(self[part, layer])
                labels.append(f"{layer}_{part}")
        return np.stack(arrays), labels

    def logit_lens(self, top: int = 5, tokens: Any = ()) -> Lens:
        """What the final norm and the output matrix make of the stream before the first layer and after each; see tempo_lm.lens.

        Raises:
            KeyError: resid_pre of layer 0 or a resid_post is not in the cache.
        """
        from .lenses import lens_of_cache

        return lens_of_cache(self._model, self, top, tokens)
