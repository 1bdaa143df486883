"""Pictures: attention patterns, lenses, grids of patches, traces.  matplotlib is imported by the first call (``pip install 'tempo-lm[plot]'``).

Each function draws into ``ax`` (or makes a figure) and gives back the axes, to be titled, saved or drawn over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._extras import need
from ._names import unknown
from ._options import as_int
from .show import visible_text

if TYPE_CHECKING:
    from .cache import ActivationCache
    from .lenses import Lens
    from .patching import Grid, Patched
    from .tracing import Trace

__all__ = ["circuitsvis", "grid", "heat", "lens", "patched", "pattern", "trace"]

_LENS = ("probability", "entropy", "kl")


def _labels(texts: Sequence[str]) -> list[str]:
    """matplotlib reads ``$`` as the beginning of a formula."""
    return [visible_text(t).replace("$", r"\$") for t in texts]


def heat(
    values: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    row_name: str = "",
    column_name: str = "",
    title: str = "",
    centred: bool = False,
    ax: Any = None,
) -> Any:
    """A heat map with its scale.

    Args:
        values: [row, column].
        rows, columns: what stands at them; None: numbers.
        centred: the scale has zero in its middle, and two colours.

    Raises:
        ValueError: values of another shape.
        ImportError: matplotlib is not installed.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2:
        raise ValueError(f"values: [row, column] is expected, not shape {array.shape}")
    for name, given, n in (("rows", rows, array.shape[0]), ("columns", columns, array.shape[1])):
        if given is not None and len(given) != n:
            raise ValueError(f"{name}: {n} labels are expected, not {len(given)}")
    if ax is None:
        size = (min(24, 2.5 + 0.45 * array.shape[1]), min(24, 1.8 + 0.32 * array.shape[0]))
        _, ax = need("matplotlib.pyplot").subplots(figsize=size, layout="constrained")
    finite = np.abs(array[np.isfinite(array)])
    most = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    scale = {"cmap": "RdBu_r", "vmin": -most, "vmax": most} if centred else {"cmap": "Blues"}
    image = ax.imshow(array, aspect="auto", interpolation="nearest", **scale)
    ax.figure.colorbar(image, ax=ax)
    for axis, given, turn in ((ax.yaxis, rows, 0), (ax.xaxis, columns, 90)):
        if given is not None:
            axis.set_ticks(range(len(given)), _labels(given), rotation=turn)
    ax.set(xlabel=column_name, ylabel=row_name, title=title)
    return ax


def circuitsvis(cache: ActivationCache, layer: int, heads: Sequence[int] | None = None) -> dict[str, Any]:
    """What circuitsvis wants: ``cv.attention.attention_patterns(**tl.plot.circuitsvis(cache, 3))``.

    Returns:
        ``tokens``, list of text [pos]; ``attention`` float32 [head, query, key]; ``attention_head_names``.

    Raises:
        KeyError: the layer's pattern is not in the cache.
    """
    attention: NDArray[Any] = cache["pattern", layer]
    which = (
        list(range(attention.shape[0]))
        if heads is None
        else [as_int("heads", h, 0, attention.shape[0] - 1) for h in heads]
    )
    return {
        "tokens": cache._model._tokens.texts(cache.tokens),
        "attention": np.ascontiguousarray(attention[which]),
        "attention_head_names": [f"L{layer}H{h}" for h in which],
    }


def pattern(cache: ActivationCache, layer: int, heads: Sequence[int] | int | None = None, *, ax: Any = None) -> Any:
    """Attention patterns of one layer, queries down and keys across.

    Args:
        heads: which; None: all, each in a picture of its own.
        ax: axes for one head.

    Returns:
        Axes of one head, or an array of them.

    Raises:
        KeyError: the layer's pattern is not in the cache.
        ValueError: a head that is not there; ax for several.
    """
    found = circuitsvis(cache, layer, [heads] if isinstance(heads, int) else heads)
    maps, names, words = found["attention"], found["attention_head_names"], found["tokens"]
    if len(maps) == 0:
        raise ValueError("heads: there is none")
    if len(maps) > 1 and ax is not None:
        raise ValueError(f"ax: axes for one head, not for {len(maps)}")
    if ax is not None:
        axes = np.array([ax])
    else:
        across = min(4, len(maps))
        down = -(-len(maps) // across)
        side = min(8.0, 1.6 + 0.3 * len(words))
        _, made = need("matplotlib.pyplot").subplots(
            down, across, figsize=(across * side * 1.15, down * side), layout="constrained", squeeze=False
        )
        axes = made.ravel()
        for empty in axes[len(maps) :]:
            empty.set_axis_off()
    for one, values, name in zip(axes, maps, names, strict=False):
        heat(values, rows=words, columns=words, row_name="query", column_name="key", title=name, ax=one)
    return axes[0] if len(maps) == 1 else axes[: len(maps)]


def lens(found: Lens, what: str = "probability", *, ax: Any = None) -> Any:
    """What each layer would say at each position: the most probable token in each cell, coloured by ``what``.

    Args:
        what: ``"probability"`` of that token, ``"entropy"``, ``"kl"`` from the model's own distribution.

    Raises:
        ValueError: another ``what``; a lens without top tokens where the probability is asked for.
    """
    if what not in _LENS:
        raise ValueError(unknown("what", what, _LENS))
    has_top = found.top_q.shape[2] > 0
    if what == "probability" and not has_top:
        raise ValueError("found: top=0 told no tokens, so there is no probability to show")
    values = found.top_q[:, :, 0] if what == "probability" else getattr(found, what)
    layers = ["input" if i < 0 else str(i) for i in found.layers]
    columns = [f"{i} {word}" for i, word in enumerate(found.str_tokens)]
    # the last layer on top, as a reader of layers expects
    flipped = values.T[::-1]
    if ax is None:
        size = (min(40, 2.5 + 0.9 * len(columns)), min(24, 1.8 + 0.32 * len(layers)))
        _, ax = need("matplotlib.pyplot").subplots(figsize=size, layout="constrained")
    ax = heat(flipped, rows=layers[::-1], columns=columns, row_name="after layer", title=what, ax=ax)
    if has_top:
        middle = (np.nanmin(flipped) + np.nanmax(flipped)) / 2
        for row, point in enumerate(reversed(range(len(layers)))):
            for pos in range(len(columns)):
                word = _labels([found.top_str[pos][point][0]])[0]
                colour = "white" if flipped[row, pos] > middle else "black"
                ax.text(pos, row, word, ha="center", va="center", fontsize=8, color=colour, clip_on=True)
    return ax


def grid(found: Grid, *, centred: bool = True, ax: Any = None) -> Any:
    """A grid of patches: layers down; positions or heads across, or positions across and the heads of each layer down."""
    n_layers, n_heads, n_positions = found.values.shape
    layers = [str(i) for i in found.layers] if found.layers is not None else ["all"]
    heads = [str(i) for i in found.heads] if found.heads is not None else None
    words = found.str_tokens or [""] * n_positions
    columns = (
        [f"{i} {word}" for i, word in zip(found.positions, words, strict=True)]
        if found.positions is not None
        else ["all"]
    )
    title = f"{found.tap}, {found.direction}"
    if heads is None:
        return heat(
            found.values[:, 0], rows=layers, columns=columns, row_name="layer", column_name="position", title=title, centred=centred, ax=ax
        )  # fmt: skip
    if n_positions == 1:
        return heat(
            found.values[:, :, 0], rows=layers, columns=heads, row_name="layer", column_name="head", title=title, centred=centred, ax=ax
        )  # fmt: skip
    rows = [f"{layer}.{head}" for layer in layers for head in heads]
    values = found.values.reshape(n_layers * n_heads, n_positions)
    return heat(
        values, rows=rows, columns=columns, row_name="layer.head", column_name="position", title=title, centred=centred, ax=ax
    )  # fmt: skip


def patched(found: Patched, *, normalised: bool = False) -> Any:
    """All grids of a patching, one beside the other.

    Args:
        normalised: on the scale on which the corrupt run is 0 and the clean one 1.

    Returns:
        An array of axes.
    """
    from dataclasses import replace

    n = len(found.grids)
    sizes = [(3 + 0.45 * max(g.values.shape[1:]), 2 + 0.32 * g.values.shape[0]) for g in found.grids]
    wide, high = min(40, sum(w for w, _ in sizes)), min(24, max(h for _, h in sizes))
    _, axes = need("matplotlib.pyplot").subplots(1, n, figsize=(wide, high), layout="constrained", squeeze=False)
    for ax, one in zip(axes[0], found.grids, strict=True):
        grid(replace(one, values=found.normalised(one.values)) if normalised else one, ax=ax)
    return axes[0]


def trace(found: Trace, what: str = "cut_tv", *, ax: Any = None) -> Any:
    """Effects of a set's edges, head by head: layers down, heads across; ``what`` is a column of the cells."""
    names = [name for name in found.cells[0] if name.endswith(("_tv", "_kl", "_set_changes"))]
    if what not in names:
        raise ValueError(unknown("what", what, names))
    rows = [str(found.first_layer + i) for i in range(found.n_layers)]
    columns = [str(i) for i in range(found.n_heads)]
    return heat(found.heads(what), rows=rows, columns=columns, row_name="layer", column_name="head", title=what, ax=ax)
