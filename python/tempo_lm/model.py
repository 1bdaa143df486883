"""An open model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._chat import chat_ids
from ._core import Core
from ._library import NULL, ffi, lib, text
from ._options import as_int, choice
from ._passes import Item, Passes, plain_item
from ._single import Single
from ._watch import Watcher
from .cache import ActivationCache
from .config import Config
from .decoding import Runs, RunSpec, arms_of
from .edits import Edits
from .errors import check, new_err
from .hooks import FwdHooks, HookFn, Hooks
from .results import Set
from .scoring import score
from .taps import NamesFilter, Taps
from .tokens import HasTokens, Ids, Prompt, Tokens

__all__ = ["Model"]


class Model(HasTokens):
    """A model that is open, with its threads.  Made by Model.from_pretrained; a context manager.

    Calls from several threads take turns.  Copies of a process made by fork make their own threads at their first pass.

    Attributes:
        cfg: sizes and facts, by TransformerLens's names.
    """

    def __init__(self, core: Core, cfg: Config, kv: str = "f32") -> None:
        self._core = core
        self._kv = choice("kv_type", "kv", kv)
        self._taps = Taps(core, cfg.n_layers)
        self._single = Single(core, cfg.d_vocab, cfg.n_params, self._kv)
        self._hooks: list[tuple[NamesFilter, HookFn]] = []
        self._edits: list[Edits] = []
        self._tokens = Tokens(core, cfg.d_vocab)
        self.cfg = cfg

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        cpu: str | None = None,
        compute: Literal["exact", "fast"] = "exact",
        kv: Literal["f32", "f16"] = "f32",
    ) -> Model:
        """Open a model.

        Args:
            name: a .gguf file; a directory with config.json, *.safetensors and tokenizer.json; ``"org/name"`` or ``"org/name:Q4_K_M"`` in the
                Hugging Face cache (``tempo pull`` fills it); None: the built-in model.
            threads: None: as many as CPUs that this process may use.
            cpu: kernels, ``"avx2"`` say; None: the best that this machine has.
            compute: ``"fast"`` rounds activations more where the machine then multiplies faster.
            kv: how keys and values are stored.

        Raises:
            TempoError: ``"not found"`` with what is there or how to fetch it, ``"format"``, ``"unsupported"``, ``"io"``, ``"memory"``.
        """
        if name is not None and not isinstance(name, (str, os.PathLike)):
            raise TypeError(f"name: a path or a name is expected, not {name!r}")
        options = ffi.new("tempo_model_options *", {"size": ffi.sizeof("tempo_model_options")})
        options.compute = choice("compute", "compute", compute)
        choice("kv_type", "kv", kv)
        kernels = ffi.new("char[]", cpu.encode()) if cpu is not None else NULL
        options.cpu = kernels
        n_threads = 0 if threads is None else as_int("threads", threads, 1, 4096)
        out, err = ffi.new("tempo_model **"), new_err()
        check(lib.tempo_model_open(out, NULL if name is None else os.fsencode(name), options, err), err)
        try:
            core = Core(out[0], n_threads)
        except BaseException:
            lib.tempo_model_free(out[0])
            raise
        notes: list[str] = []
        while (note := lib.tempo_model_note(out[0], len(notes))) != NULL:
            notes.append(text(note))
        return cls(core, Config.of(lib.tempo_model_get_info(out[0]), tuple(notes)), kv)

    # ---- life ----

    def close(self) -> None:
        """Give the memory back, once what was made of the model is gone, too.  A second time: nothing."""
        self._core.close()

    @property
    def closed(self) -> bool:
        return self._core.closed

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"<tempo_lm.Model {self.cfg.model_name}: {self.cfg.n_layers} layers, d_model {self.cfg.d_model}{state}>"

    # ---- passes ----

    def _items(self, prompts: Prompt | Sequence[Prompt], what: str = "tokens") -> tuple[list[Item], bool]:
        """(sequences, whether one was given and not a list)."""
        one = is_one(prompts)
        given = [prompts] if one else list(prompts)
        items = [plain_item(self._tokens.ids(what if one else f"{what}[{i}]", p)) for i, p in enumerate(given)]  # type: ignore[arg-type]
        for i, item in enumerate(items):
            if len(item.ids) == 0:
                raise ValueError(f"{what if one else f'{what}[{i}]'}: no token at all")
        return items, one

    def _set_item(self, tokens: Prompt, sets: ArrayLike | None, positions: ArrayLike | None, mode: str) -> Item:
        """One sequence whose slots stand in sets."""
        ids = self._tokens.ids("tokens", tokens)
        n = len(ids)
        numbers = np.arange(n) if sets is None else np.asarray(sets)
        if numbers.shape != (n,):
            raise ValueError(f"sets: one number for each of {n} tokens is expected, not shape {numbers.shape}")
        places = numbers.astype(np.float64) if positions is None else np.asarray(positions, np.float64)
        if places.shape != (n,):
            raise ValueError(f"positions: one for each of {n} tokens is expected, not shape {places.shape}")
        steps = np.diff(numbers)
        if n == 0 or numbers[0] != 0 or np.any((steps != 0) & (steps != 1)):
            raise ValueError("sets: numbers from 0 are expected, each that of the token before or one more")
        return Item(ids, numbers.astype(np.uint32), places, choice("mode", "mode", mode))

    def _plain_passes(self, want: str = "all") -> Passes:
        """With the edits that are in force, without hooks."""
        edits = self._edits[-1].pointer if self._edits else None
        return Passes(self._core, self.cfg.d_vocab, self.cfg.n_params, kv=self._kv, edits=edits, want=want)

    def _run(
        self, items: Sequence[Item], names: NamesFilter, hooks: FwdHooks, want: str = "all"
    ) -> tuple[list[NDArray[np.float32]], list[dict[str, NDArray[np.float32]]]]:
        """Logits of each, and what names choose; with the hooks and edits that are in force."""
        passes = self._plain_passes(want)
        all_hooks = [*self._hooks, *hooks]
        kept = self._taps.choose("names_filter", names) if names != () else {}
        if not all_hooks and not kept:
            return passes.run(items), [{} for _ in items]
        ready = Hooks(self._taps, all_hooks)
        watcher = Watcher(self._taps, items, kept, ready.chosen, ready if all_hooks else None)
        passes.watch, passes.views, passes.taps = watcher.begin, watcher.views, watcher.selections
        passes.whole = bool(all_hooks)
        return passes.run(items), watcher.caches

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        tokens: str | NDArray[Any] | Sequence[int],
        *,
        sets: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        mode: str = "isolated",
    ) -> NDArray[np.float32]: ...
    @overload
    def __call__(
        self, tokens: Sequence[str] | Sequence[Ids] | Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]: ...
    def __call__(
        self, tokens: Any, *, sets: ArrayLike | None = None, positions: ArrayLike | None = None, mode: str = "isolated"
    ) -> Any:
        """Logits of all positions: float32 [pos, d_vocab]; row i predicts the token behind token i.

        Args:
            tokens: a text, token ids, or a list of either.  Prompts of a list share passes; each has the bits that it has alone, and
                nothing is padded.
            sets: of one prompt, the number of each token's set, rising from 0; None: each token is a set.
            positions: of one prompt, where each token stands; None: its set's number.
            mode: what members of a set see of each other: ``"isolated"``, ``"visible"``, ``"causal"``.

        Raises:
            ValueError, TypeError: an id, sets or positions that do not fit.
            TempoError: ``"limit"`` beyond the context, ``"memory"``.
        """
        if sets is None and positions is None and mode == "isolated" and not self._hooks and not self._edits:
            if self._single.fits(tokens) and (found := self._single.run(tokens)) is not None:
                return found
        items, one = self._sequences(tokens, sets, positions, mode)
        logits, _ = self._run(items, (), ())
        return logits[0] if one else logits

    def _sequences(self, tokens: Any, sets: Any, positions: Any, mode: str) -> tuple[list[Item], bool]:
        if sets is None and positions is None:
            choice("mode", "mode", mode)
            return self._items(tokens)
        if not is_one(tokens):
            raise ValueError("sets, positions: these are of one prompt, not of a list")
        return [self._set_item(tokens, sets, positions, mode)], True

    def run_with_cache(
        self,
        tokens: Any,
        names_filter: NamesFilter = None,
        *,
        fwd_hooks: FwdHooks = (),
        sets: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        mode: str = "isolated",
    ) -> Any:
        """Logits of all positions, and what the pass computed.

        Args:
            tokens, sets, positions, mode: as in a call of the model.
            names_filter: what to keep: whole names (``"blocks.3.attn.hook_pattern"``), names without their layer or short ones of all
                layers (``"hook_resid_post"``, ``"pattern"``, ``"z:layers=2-4"``), a list of them, or a function that says which whole names;
                None: all but hook_result and logits.  Model.hook_names lists them.
            fwd_hooks: as of run_with_hooks; the cache has what they leave.

        Returns:
            (logits float32 [pos, d_vocab], ActivationCache); of a list of prompts two lists.

        Raises:
            ValueError: a name that this model does not have, with the nearest one; and as a call of the model.
        """
        items, one = self._sequences(tokens, sets, positions, mode)
        logits, arrays = self._run(items, names_filter, fwd_hooks)
        caches = [ActivationCache(self, self._taps, item.ids, a) for item, a in zip(items, arrays, strict=True)]
        return (logits[0], caches[0]) if one else (logits, caches)

    def run_with_hooks(
        self,
        tokens: Any,
        fwd_hooks: FwdHooks = (),
        *,
        sets: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        mode: str = "isolated",
    ) -> Any:
        """Logits of all positions, with functions that see and change what the pass computes.

        Args:
            fwd_hooks: pairs of a name (or names, or a function of names, as of run_with_cache) and a function of (values, hook).  It gets
                the whole prompt's values at once, before anything reads them, in the shapes of the cache: ``[pos, head, d_head]``,
                ``[head, query, key]`` ...  It may write to them until it returns, or return others of the same shape; of what the model
                does not read (hook_result, experts) they are read-only.  Afterwards they are the caller's to keep, read-only.  Of a
                list of prompts it is called once for each (hook.prompt).

        Raises:
            ValueError: a name that is not there; values of another shape.
            Whatever a hook raises, unchanged; the model is as before.
        """
        items, one = self._sequences(tokens, sets, positions, mode)
        logits, _ = self._run(items, (), fwd_hooks)
        return logits[0] if one else logits

    @property
    def hook_names(self) -> list[str]:
        """Whole names of all that hooks and caches can have, in the order of a pass."""
        return self._taps.names()

    @contextmanager
    def hooks(self, fwd_hooks: FwdHooks = ()) -> Iterator[Model]:
        """``with m.hooks(fwd_hooks=[...]):`` these run in all passes of this model meanwhile."""
        Hooks(self._taps, fwd_hooks)
        before = self._hooks
        self._hooks = [*before, *fwd_hooks]
        try:
            yield self
        finally:
            self._hooks = before

    @contextmanager
    def edits(self, *texts: str, **arrays: ArrayLike) -> Iterator[Edits]:
        """``with m.edits("zero blocks.5.attn.hook_z heads=7", "cut siblings layers=8-12"):`` in force in all passes and decoding meanwhile.

        Args:
            texts: edits, each a line as on the command line (docs/interventions.md).
            arrays: what ``vector=NAME`` in them means.

        Raises:
            TempoError: a text that is no edit, naming it and what is expected; a tap or head that is not there; an array of another shape.
        """
        made = Edits(self._core, texts, arrays, self._edits[-1] if self._edits else None)
        self._edits.append(made)
        try:
            yield made
        finally:
            self._edits.remove(made)

    # ---- decoding ----

    def _runs(self, prompt: Any, messages: Any, options: dict[str, Any]) -> tuple[Runs, bool]:
        chat = {name: options.pop(name) for name in ("tools", "thinking", "date", "template") if name in options}
        shared = {
            name: options.pop(name)
            for name in ("regime", "driver", "sample", "distributions", "capture_dir", "record", "closing_pass")
            if name in options
        }
        arms = arms_of(options, options.pop("modes", None), options.pop("arms", None))
        if self._hooks:
            raise ValueError("hooks do not reach decoding: edits do (m.edits)")
        if (prompt is None) == (messages is None):
            raise TypeError("prompt, messages: one of the two")
        ends: list[int] = []
        if messages is not None:
            ids, ends = chat_ids(self._core, messages, **chat)
            given, one = [ids], True
        else:
            if chat:
                raise TypeError(f"{next(iter(chat))}: this is of messages, not of a prompt")
            items, one = self._items(prompt, "prompt")
            given = [item.ids for item in items]
        return Runs(self, given, RunSpec(arms, end_ids=ends, **shared)), one

    def decode(self, prompt: Any = None, *, messages: Sequence[dict[str, Any]] | None = None, **options: Any) -> Any:
        """Decode with sets: each step takes all tokens that reach the threshold.

        Args:
            prompt: a text, token ids, or a list of either, which go through the model together.
            messages: in place of it a conversation, ``[{"role": "user", "content": "Hi"}]``, through the model's chat template; with
                ``tools``, ``thinking``, ``date``, ``template`` at will.
            mode: what members of a set see of each other: ``"isolated"`` (default), ``"visible"``, ``"causal"``.
            modes: several, each an arm of one run; ``arms={"name": {option: value}}`` gives arms any options, ``edits=[...]`` among them.
            threshold (0.1), steps (32), max_set (64), temperature (1), readout (``"mixture"``, ``"uniform"``, ``"geometric"``, ``"top"``,
                ``"last"``), context (``"all"``, ``"top"``, ``"last"``), positions (``"shared"``, ``"unique"``, ``"offset"`` with
                position_offset), stop (``"any"``, ``"top"``, ``"never"``), min_steps, order, first_visible_layer, last_visible_layer, replay,
                kv, max_slots, nudge: as docs/semantics.md has them.
            regime, driver: ``"lockstep"``: all arms take the driver's sets.
            sample: dict(temperature, top_p, min_p, seed): draw one token a step in place of a set.
            edits: lines, of all arms; those of m.edits come first.
            distributions: keep the whole distribution of each step (Set.distribution).
            capture_dir, record: write what steps compute, ``record="attention:layers=2-4,logits"``; load_capture reads it.
            closing_pass: the last set is read once more.

        Returns:
            Decoded; of a list of prompts a list.

        Raises:
            TypeError: an option that is not there, with the nearest name, or of another type.
            ValueError, TempoError: a value out of range, naming it; ``"limit"`` beyond the context.
            KeyboardInterrupt: everything stays usable.
        """
        runs, one = self._runs(prompt, messages, options)
        results = runs.all()
        return results[0] if one else results

    def score(
        self, text: Any, *, top: int = 5, first: int | Sequence[int] = 0, window: int = 0, stride: int = 0
    ) -> Any:
        """How probable the model finds each token of a text, behind those in front of it.

        Args:
            text: a text, token ids, or a list of either, which go through the model together.
            top: so many most probable tokens are told at each place, at most 256.
            first: tokens in front of this one are context, and not scored; of a list of texts a number for each at will.
            window, stride: of texts longer than the context: tokens that are looked at together, windows begin every ``stride`` tokens.

        Returns:
            Score: numpy columns by name, with ``to_pandas()`` and ``perplexity``; of a list a list.

        Raises:
            ValueError: an option out of range.
            TempoError: ``"limit"`` for a text beyond the context (or window) without a stride.
        """
        return score(self, text, top=top, first=first, window=window, stride=stride)

    def generate(self, prompt: Any = None, *, messages: Sequence[dict[str, Any]] | None = None, **options: Any) -> Any:
        """The text behind a prompt, one token a step: decode with threshold 1, or sample=...; of a list of prompts a list of texts."""
        runs, one = self._runs(prompt, messages, {"threshold": 1.0, **options})
        texts = [result.text for result in runs.all()]
        return texts[0] if one else texts

    def stream(
        self, prompt: Any = None, *, messages: Sequence[dict[str, Any]] | None = None, **options: Any
    ) -> Iterator[Set]:
        """The sets of decode, as they are taken; of several arms or prompts one after the other within a step (Set.arm)."""
        runs, _ = self._runs(prompt, messages, options)
        return runs.stream()


def is_one(prompts: Any) -> bool:
    """Is it one prompt, and not a list of prompts?"""
    if isinstance(prompts, str):
        return True
    if isinstance(prompts, np.ndarray):
        return prompts.ndim < 2 or prompts.shape[0] == 1
    return len(prompts) == 0 or isinstance(prompts[0], (int, np.integer))
