"""The residual stream read through the output matrix, and logits taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer
from ._library import NULL, constants, ffi, lib
from ._options import as_int
from ._passes import row_array
from .errors import check, new_err
from .tokens import Prompt

if TYPE_CHECKING:
    from .cache import ActivationCache
    from .model import Model

__all__ = ["Attribution", "Lens", "attribute", "lens"]

_INPUT = constants["TEMPO_LENS_INPUT"]


def copy_array(pointer: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """A copy of the library's array; zeros of that shape where nothing is in it."""
    if pointer == NULL or 0 in shape:
        return np.zeros(shape, dtype)
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(ffi.buffer(ffi.cast("char *", pointer), n), dtype).reshape(shape).copy()


@dataclass(frozen=True)
class Lens:
    """What the final norm and the output matrix make of the residual stream: the logit lens.

    Attributes:
        layers: int [point]: the stream after that layer; -1: before the first.
        top_ids, top_q: [pos, point, top] the most probable tokens, and their probabilities.
        tokens: int32 [token], those that were asked for.
        token_q, token_logits, token_ranks: [pos, point, token]; rank 1 is the most probable.
        entropy: [pos, point] in nats.
        kl: [pos, point] KL(the model's own distribution || this one), in nats.
        str_tokens: the prompt's tokens as text, [pos].
        top_str: [pos][point][top] texts of top_ids.
    """

    layers: NDArray[np.int64]
    top_ids: NDArray[np.int32]
    top_q: NDArray[np.float64]
    tokens: NDArray[np.int32]
    token_q: NDArray[np.float64]
    token_logits: NDArray[np.float32]
    token_ranks: NDArray[np.uint32]
    entropy: NDArray[np.float64]
    kl: NDArray[np.float64]
    str_tokens: list[str]
    top_str: list[list[list[str]]]

    def to_pandas(self) -> Any:
        """A tidy table: a row for each position and point, with its most probable token, probability, entropy and kl."""
        from ._extras import pandas

        pos, point = np.indices(self.entropy.shape).reshape(2, -1)
        return pandas().DataFrame(
            {
                "pos": pos,
                "token": [self.str_tokens[i] for i in pos],
                "layer": self.layers[point],
                "top": [self.top_str[i][k][0] if self.top_str[i][k] else "" for i, k in zip(pos, point, strict=True)],
                "probability": self.top_q[pos, point, 0] if self.top_q.shape[2] else np.nan,
                "entropy": self.entropy.ravel(),
                "kl": self.kl.ravel(),
            }
        )

    def plot(self, what: str = "probability", **options: Any) -> Any:
        """See tempo_lm.plot.lens."""
        from . import plot

        return plot.lens(self, what, **options)


def _token_ids(model: Model, tokens: Any) -> NDArray[np.int32]:
    given = [tokens] if isinstance(tokens, (str, int, np.integer)) else list(tokens)
    return np.array([model._tokens.single("tokens", t) for t in given], np.int32)


def _read_lens(model: Model, engine: Any, residual: Any, ids: NDArray[np.int32], top: int, tokens: Any) -> Lens:
    wanted = _token_ids(model, tokens)
    options, out, err = ffi.new("tempo_lens_options *"), ffi.new("tempo_lens **"), new_err()
    lib.tempo_lens_options_init_size(options, ffi.sizeof("tempo_lens_options"))
    memory = ffi.from_buffer("int32_t[]", wanted)
    options.top, options.tokens, options.n_tokens = as_int("top", top, 0, 256), memory, len(wanted)
    observer = Observer(polled=True)
    with observer as pointer:
        if pointer != NULL:
            options.poll = pointer.poll
        observer.check(lib.tempo_lens_create(out, engine, residual, options, err), err)
    try:
        of = out[0]
        rows, points = of.n_rows, of.n_points
        layers = copy_array(of.layers, (points,), np.uint32).astype(np.int64)
        layers[layers == _INPUT] = -1
        top_ids = copy_array(of.top_ids, (rows, points, of.n_top), np.int32)
        asked = (rows, points, of.n_tokens)
        numbers = {
            "top_q": copy_array(of.top_q, top_ids.shape, np.float64),
            "token_q": copy_array(of.token_q, asked, np.float64),
            "token_logits": copy_array(of.token_logits, asked, np.float32),
            "token_ranks": copy_array(of.token_ranks, asked, np.uint32),
            "entropy": copy_array(of.entropy, (rows, points), np.float64),
            "kl": copy_array(of.kl, (rows, points), np.float64),
        }
    finally:
        lib.tempo_lens_free(out[0])
    texts = model._tokens.texts(top_ids.ravel())
    top_str = np.array(texts, dtype=object).reshape(top_ids.shape).tolist()
    return Lens(layers, top_ids, tokens=wanted, str_tokens=model._tokens.texts(ids), top_str=top_str, **numbers)


def lens_of_cache(model: Model, cache: ActivationCache, top: int, tokens: Any) -> Lens:
    """Of what a cache has of the residual stream."""
    n, last = len(cache.tokens), model.cfg.n_layers - 1
    points = [(lib.TEMPO_TAP_RESID_PRE, 0, cache["resid_pre", 0])] if ("resid_pre", 0) in cache else []
    points += [
        (lib.TEMPO_TAP_RESID_POST, i, cache["resid_post", i])
        for i in range(last + 1)
        if i == last or ("resid_post", i) in cache
    ]
    out, err = ffi.new("tempo_residual **"), new_err()
    with model._core as engine:
        check(lib.tempo_residual_create(out, model._core.model, n, 0, err), err)
        try:
            for tap, layer, array in points:
                values = np.ascontiguousarray(array, np.float32)
                for row in range(n):
                    memory = ffi.from_buffer("float[]", values[row])
                    check(lib.tempo_residual_set(out[0], row, tap, layer, memory, values.shape[1], err), err)
            return _read_lens(model, engine, out[0], cache.tokens, top, tokens)
        finally:
            lib.tempo_residual_free(out[0])


def _with_residual(model: Model, prompt: Prompt, keep: int, read: Any) -> Any:
    """``read(engine, residual, ids)`` of a prompt's pass."""
    items, one = model._items(prompt)
    if not one:
        raise TypeError("tokens: one prompt is expected, not a list")
    item, passes = items[0], model._plain_passes()
    out, err = ffi.new("tempo_residual **"), new_err()
    with model._core as engine:
        check(lib.tempo_residual_create(out, model._core.model, len(item.ids), keep, err), err)
        seq = NULL
        try:
            seq = passes.sequence(engine, item)
            rows = row_array(item, 0, len(item.ids), seq, lib.TEMPO_WANT_LOGITS | lib.TEMPO_WANT_TAPS)
            observer = Observer(polled=True)
            with observer as pointer:
                poll = pointer.poll if pointer != NULL else NULL
                memory = ffi.from_buffer("tempo_row[]", rows)
                status = lib.tempo_residual_forward(out[0], 0, engine, memory, len(rows), poll, NULL, err)
                observer.check(status, err)
            return read(engine, out[0], item.ids)
        finally:
            lib.tempo_seq_free(seq)
            lib.tempo_residual_free(out[0])


def lens(model: Model, tokens: Prompt, *, top: int = 5, of: Sequence[str | int] | str | int = ()) -> Lens:
    """Run a prompt and read its residual stream, before the first layer and after each, through the final norm and the output matrix.

    Args:
        top: how many of the most probable tokens are told, at most 256.
        of: tokens of which probability, logit and rank are told at each point: ids, or texts of one token.

    Raises:
        ValueError: a text that is not one token.
        TempoError: as a call of the model.
    """
    found: Lens = _with_residual(model, tokens, 0, lambda engine, r, ids: _read_lens(model, engine, r, ids, top, of))
    return found


@dataclass(frozen=True)
class Attribution:
    """What each part of the residual stream adds to a logit (or a difference of two), the final norm's scale taken as it was.

    logit = embed + sum of attn + sum of mlp + constant + rest.

    Attributes:
        logit, scale, embed, rest, bound: [pos]; |rest| <= bound, which is what rounding may do.
        attn, mlp: [pos, layer].
        heads: [pos, layer, head], or None; the sum of attn is that of heads and bias and a rest.
        bias: [pos, layer] of attention's output, or None.
        constant: of the final norm's and output's biases.
    """

    logit: NDArray[np.float64]
    scale: NDArray[np.float64]
    embed: NDArray[np.float64]
    attn: NDArray[np.float64]
    mlp: NDArray[np.float64]
    heads: NDArray[np.float64] | None
    bias: NDArray[np.float64] | None
    rest: NDArray[np.float64]
    bound: NDArray[np.float64]
    constant: float


def attribute(
    model: Model, tokens: Prompt, token: str | int, *, minus: str | int | None = None, heads: bool = False
) -> Attribution:
    """Direct logit attribution at all positions of a prompt.

    Args:
        token: whose logit: an id, or a text of one token.
        minus: less the logit of this one; None: the logit itself.
        heads: each head's share, too.

    Raises:
        ValueError: a text that is not one token.
    """
    options = ffi.new("tempo_attribution_options *")
    lib.tempo_attribution_options_init_size(options, ffi.sizeof("tempo_attribution_options"))
    options.token = model._tokens.single("token", token)
    options.minus = -1 if minus is None else model._tokens.single("minus", minus)
    options.heads = heads

    def read(engine: Any, residual: Any, ids: NDArray[np.int32]) -> Attribution:
        out, err = ffi.new("tempo_attribution **"), new_err()
        check(lib.tempo_attribute(out, engine, residual, options, err), err)
        try:
            of = out[0]
            rows, layers = of.n_rows, of.n_layers
            each = {
                name: copy_array(getattr(of, name), (rows,), np.float64)
                for name in ("logit", "scale", "embed", "rest", "bound")
            }
            of_heads = copy_array(of.heads, (rows, layers, of.n_heads), np.float64) if heads else None
            bias = copy_array(of.bias, (rows, layers), np.float64) if heads else None
            attn, mlp = (copy_array(p, (rows, layers), np.float64) for p in (of.attn, of.mlp))
            return Attribution(attn=attn, mlp=mlp, heads=of_heads, bias=bias, constant=of.constant, **each)
        finally:
            lib.tempo_attribution_free(out[0])

    keep = lib.TEMPO_RESIDUAL_PARTS | (lib.TEMPO_RESIDUAL_HEADS if heads else 0)
    found: Attribution = _with_residual(model, tokens, keep, read)
    return found
