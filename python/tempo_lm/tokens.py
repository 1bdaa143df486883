"""Between text and token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._core import Core
from ._library import NULL, ffi, lib
from ._options import as_int
from .errors import TempoError, check, new_err

__all__ = ["Ids", "Prompt", "Tokens"]

Ids: TypeAlias = NDArray[np.int32]
Prompt: TypeAlias = "str | Sequence[int] | NDArray[np.integer[Any]]"

_NO_BOS = 1
_NO_SPECIAL = 2


def take_ids(pointer: Any, n: int) -> Ids:
    """A copy of ids that the library has allocated, which are freed."""
    try:
        return np.frombuffer(ffi.buffer(pointer, 4 * n), np.int32).copy() if n > 0 else np.zeros(0, np.int32)
    finally:
        lib.tempo_free(pointer)


class Tokens:
    """The tokenizer of a Core's model.  Safe from any thread."""

    def __init__(self, core: Core, d_vocab: int) -> None:
        self._core = core
        self.d_vocab = d_vocab

    def _tokenizer(self, model: Any) -> Any:
        tokenizer = lib.tempo_model_tokenizer(model)
        if tokenizer == NULL:
            err = new_err()
            check(lib.tempo_model_check_text(model, err), err)
        return tokenizer

    def info(self) -> dict[str, Any]:
        """``kind``, ``n_tokens``, ``bos`` (None: there is none), ``eos`` (all ids that end a text), ``add_bos``, ``add_eos``."""
        with self._core.use() as model:
            of = lib.tempo_tokenizer_get_info(self._tokenizer(model))
            return {
                "kind": ffi.string(of.kind).decode(),
                "n_tokens": of.n_tokens,
                "bos": of.bos if of.bos >= 0 else None,
                "eos": [of.eos[i] for i in range(of.n_eos)],
                "add_bos": of.add_bos,
                "add_eos": of.add_eos,
            }

    def encode(self, text: str, bos: bool | None = None, special: bool = True) -> Ids:
        """Token ids of a text; see Model.to_tokens."""
        data = text.encode("utf-8", "surrogatepass")
        flags = (_NO_BOS if bos is not None else 0) | (0 if special else _NO_SPECIAL)
        out, n, err = ffi.new("int32_t **"), ffi.new("size_t *"), new_err()
        with self._core.use() as model:
            tokenizer = self._tokenizer(model)
            check(lib.tempo_model_check_text(model, err), err)
            check(lib.tempo_tokenize(tokenizer, data, len(data), flags, out, n, err), err)
            ids = take_ids(out[0], n[0])
            first = lib.tempo_tokenizer_get_info(tokenizer).bos
        if bos and first < 0:
            raise ValueError("prepend_bos: this model has no token that begins a text")
        return np.concatenate([np.array([first], np.int32), ids]) if bos else ids

    def decode(self, ids: Ids, special: bool) -> bytes:
        """The exact bytes that these ids stand for."""
        out, n, err = ffi.new("char **"), ffi.new("size_t *"), new_err()
        with self._core.use() as model:
            check(
                lib.tempo_detokenize(
                    self._tokenizer(model), ffi.from_buffer("int32_t[]", ids), len(ids), special, out, n, err
                ),
                err,
            )
            try:
                return bytes(ffi.buffer(out[0], n[0]))
            finally:
                lib.tempo_free(out[0])

    def pieces(self, ids: Ids) -> list[str]:
        """One text for each id, leading spaces kept, bytes that are no UTF-8 by themselves as U+FFFD."""
        return [data.decode("utf-8", "replace") for data in self.raw(ids)]

    def raw(self, ids: Ids) -> list[bytes]:
        """The bytes of each id, which may be a part of a character."""
        n = ffi.new("size_t *")
        with self._core.use() as model:
            tokenizer = self._tokenizer(model)
            found = []
            for i in ids.tolist():
                data = lib.tempo_token_bytes(tokenizer, i, n)
                found.append(bytes(ffi.buffer(data, n[0])))
            return found

    def texts(self, ids: Ids) -> list[str]:
        """The same, or ``"<id>"`` in numbers where the model has no tokenizer."""
        try:
            return self.pieces(ids)
        except TempoError:
            return [f"<{i}>" for i in ids.tolist()]

    def ids(self, what: str, prompt: Prompt) -> Ids:
        """Ids of a text, or the given ones, checked.

        Raises:
            TypeError: neither text nor ids.
            ValueError: an id that is none of the vocabulary's, naming its place.
        """
        if isinstance(prompt, str):
            return self.encode(prompt)
        array = np.asarray(prompt)
        if array.dtype.kind not in "iu" and array.size > 0:
            raise TypeError(f"{what}: a text or token ids are expected, not {type(prompt).__name__} of {array.dtype}")
        if array.ndim == 2 and array.shape[0] == 1:
            array = array[0]
        if array.ndim != 1:
            raise ValueError(
                f"{what}: token ids are expected as one row, not of shape {array.shape}; several prompts are a list of rows"
            )
        bad = np.flatnonzero((array < 0) | (array >= self.d_vocab))
        if bad.size > 0:
            raise ValueError(
                f"{what}: id {int(array[bad[0]])} at {int(bad[0])} is not below {self.d_vocab}, the vocabulary"
            )
        return np.ascontiguousarray(array, np.int32)

    def single(self, what: str, token: str | int | np.integer[Any]) -> int:
        """The id of a text that is one token, or an id.

        Raises:
            ValueError: the text is none or several.
        """
        if not isinstance(token, str):
            return as_int(what, token, 0, self.d_vocab - 1)
        ids = self.encode(token, bos=False)
        if len(ids) != 1:
            raise ValueError(
                f"{what}: {token!r} is {len(ids)} tokens ({', '.join(map(repr, self.pieces(ids)))}), not one"
            )
        return int(ids[0])


class HasTokens:
    """The tokenizer's part of a Model."""

    _tokens: Tokens

    def to_tokens(self, text: str | Sequence[str], prepend_bos: bool | None = None, special: bool = True) -> Any:
        """Token ids of a text: int32 [pos]; of a list of texts a list of those.

        Args:
            prepend_bos: put the token that begins a text in front, or not; None: what the model's rule is.
            special: names of special tokens in the text ("<|eot_id|>") become those tokens.

        Raises:
            TempoError: the model has no tokenizer that can be used.
            ValueError: prepend_bos of a model that has no such token.
        """
        if isinstance(text, str):
            return self._tokens.encode(text, prepend_bos, special)
        return [self._tokens.encode(one, prepend_bos, special) for one in text]

    def to_string(self, tokens: int | Sequence[int] | NDArray[Any], special: bool = True) -> str:
        """The text of token ids.  special: names of control tokens stand in it."""
        ids = self._tokens.ids("tokens", np.atleast_1d(np.asarray(tokens)))
        return self._tokens.decode(ids, special).decode("utf-8", "replace")

    def to_str_tokens(self, prompt: Prompt, prepend_bos: bool | None = None) -> list[str]:
        """One text for each token of a text, or of token ids."""
        ids = (
            self._tokens.encode(prompt, prepend_bos) if isinstance(prompt, str) else self._tokens.ids("prompt", prompt)
        )
        return self._tokens.pieces(ids)

    def to_single_token(self, text: str) -> int:
        """The id of a text that is one token.

        Raises:
            ValueError: it is several, or none.
        """
        return self._tokens.single("text", text)

    def to_single_str_token(self, token: int) -> str:
        """The text of one id."""
        return self._tokens.pieces(self._tokens.ids("token", [token]))[0]

    @property
    def tokenizer_info(self) -> dict[str, Any]:
        """``kind``, ``n_tokens``, ``bos``, ``eos``, ``add_bos``, ``add_eos``."""
        return self._tokens.info()
