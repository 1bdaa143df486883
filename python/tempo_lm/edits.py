"""Lists of edits: what a model is to compute differently, as lines of text (docs/interventions.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._core import Core, Handle
from ._library import NULL, ffi, lib
from .errors import check, new_err

__all__ = ["Edits"]


class Edits:
    """Edits of one model, in the order in which they apply.  Made by Model.edits, which also puts them in force for a while.

    Attributes:
        texts: the lines.
    """

    def __init__(
        self, core: Core, texts: Sequence[str], arrays: Mapping[str, ArrayLike], outer: Edits | None = None
    ) -> None:
        self.texts: tuple[str, ...] = (*(outer.texts if outer is not None else ()), *texts)
        self._arrays: dict[str, ArrayLike] = {**(outer._arrays if outer is not None else {}), **arrays}
        out, err = ffi.new("tempo_edits **"), new_err()
        with core.use() as model:
            check(lib.tempo_edits_create(out, model, err), err)
            self._handle = Handle(core, out[0], lib.tempo_edits_free, "list of edits")
            inputs, _kept = self._inputs()
            for i, line in enumerate(self.texts):
                if not isinstance(line, str):
                    raise TypeError(f"edits: line {i} is no text but {line!r}")
                check(lib.tempo_edits_add(self._handle.pointer, line.encode("utf-8", "replace"), inputs, err), err)

    def _inputs(self) -> tuple[Any, list[Any]]:
        kept: list[Any] = []
        arrays = ffi.new("tempo_edit_array[]", max(1, len(self._arrays)))
        for one, (name, given) in zip(arrays, self._arrays.items(), strict=False):
            values = np.ascontiguousarray(given, np.float32)
            if not 1 <= values.ndim <= 4:
                raise ValueError(f"edits: {name} has {values.ndim} dimensions, 1 to 4 are expected")
            text = ffi.new("char[]", name.encode())
            memory = ffi.from_buffer("float[]", values)
            kept += [values, text, memory]
            one.name, one.values, one.n_dims = text, memory, values.ndim
            for i, size in enumerate(values.shape):
                one.dims[i] = size
        inputs = ffi.new("tempo_edit_inputs *")
        lib.tempo_edit_inputs_init_size(inputs, ffi.sizeof("tempo_edit_inputs"))
        inputs.arrays, inputs.n_arrays = (arrays, len(self._arrays)) if self._arrays else (NULL, 0)
        kept.append(arrays)
        return inputs, kept

    @property
    def pointer(self) -> Any:
        """The library's ``tempo_edits *``."""
        return self._handle.pointer

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"<tempo_lm.Edits: {'; '.join(self.texts)}>"
