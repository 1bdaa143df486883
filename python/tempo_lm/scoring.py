"""How probable a model finds the tokens of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer
from ._library import NULL, ffi, lib
from ._options import as_int
from .errors import new_err
from .lenses import copy_array

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Score", "score"]

_COLUMNS = ("position", "id", "token", "logprob", "entropy", "rank", "context", "top_ids", "top_logprob")


class Score(Mapping[str, Any]):
    """Columns of one text, an entry a token: a mapping from name to numpy array.

    ``position`` and ``id`` int; ``token`` text; ``logprob`` ln of the probability behind the tokens in front, and ``entropy`` of the
    distribution there, float64 in nats; ``rank`` 1: the most probable; ``context`` how many tokens in front were looked at; ``top_ids``,
    ``top_logprob`` [pos, top].  The first token, which nothing predicts, has NaN, and rank and context 0.

    Attributes:
        logprob_sum: of the scored tokens, in nats.
        n_scored: how many those are.
        perplexity: exp(-logprob_sum / n_scored).
    """

    def __init__(self, columns: dict[str, Any], logprob_sum: float, n_scored: int, perplexity: float) -> None:
        self._columns = columns
        self.logprob_sum = logprob_sum
        self.n_scored = n_scored
        self.perplexity = perplexity

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<tempo_lm.Score of {self.n_scored} tokens: perplexity {self.perplexity:.4g}>"

    def to_pandas(self) -> Any:
        """A table, a row for each token; top_ids and top_logprob are columns ``top_id_0``, ``top_logprob_0`` ...

        Raises:
            ImportError: pandas is not installed (``pip install 'tempo-lm[frame]'``).
        """
        from ._extras import pandas

        flat = {name: values for name, values in self._columns.items() if not name.startswith("top_")}
        for i in range(self["top_ids"].shape[1]):
            flat[f"top_id_{i}"] = self["top_ids"][:, i]
            flat[f"top_logprob_{i}"] = self["top_logprob"][:, i]
        return pandas().DataFrame(flat)


def _read(model: Model, of: Any) -> Score:
    n, top = of.n_tokens, of.n_top
    ids: NDArray[np.int32] = copy_array(of.ids, (n,), np.int32)
    columns = {
        "position": np.arange(n),
        "id": ids,
        "token": np.array(model._tokens.texts(ids), dtype=object),
        "logprob": copy_array(of.logprob, (n,), np.float64),
        "entropy": copy_array(of.entropy, (n,), np.float64),
        "rank": copy_array(of.rank, (n,), np.uint32),
        "context": copy_array(of.context, (n,), np.uint32),
        "top_ids": copy_array(of.top_ids, (n, top), np.int32),
        "top_logprob": copy_array(of.top_logprob, (n, top), np.float64),
    }
    return Score(columns, of.logprob_sum, of.n_scored, of.perplexity)


def score(
    model: Model, texts: Any, *, top: int = 5, first: int | Sequence[int] = 0, window: int = 0, stride: int = 0
) -> Score | list[Score]:
    """See Model.score."""
    if model._hooks:
        raise ValueError("hooks do not reach scores: edits do (m.edits)")
    items, one = model._items(texts, "text")
    begins = [as_int("first", b) for b in ([first] * len(items) if isinstance(first, int) else first)]
    if len(begins) != len(items):
        raise ValueError(f"first: one number for each of {len(items)} texts is expected, not {len(begins)}")
    options, err = ffi.new("tempo_score_options *"), new_err()
    lib.tempo_score_options_init_size(options, ffi.sizeof("tempo_score_options"))
    options.top, options.window, options.stride = (
        as_int("top", top, 0, 256),
        as_int("window", window),
        as_int("stride", stride),
    )
    options.kv = model._kv
    edits = model._edits[-1] if model._edits else None
    options.edits = edits.pointer if edits is not None else NULL
    array, kept = ffi.new("tempo_score_text[]", len(items)), []
    for i, item in enumerate(items):
        memory = ffi.from_buffer("int32_t[]", item.ids)
        kept.append(memory)
        array[i].ids, array[i].n, array[i].first = memory, len(item.ids), begins[i]
    out = ffi.new("tempo_score *[]", len(items))
    with model._core as engine:
        observer = Observer(polled=True)
        with observer as pointer:
            options.poll = pointer.poll if pointer != NULL else NULL
            observer.check(lib.tempo_score_create(out, engine, array, len(items), options, err), err)
    try:
        scores = [_read(model, of) for of in out]
    finally:
        for of in out:
            lib.tempo_score_free(of)
    return scores[0] if one else scores
