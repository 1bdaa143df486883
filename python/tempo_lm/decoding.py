"""Decoding with sets: prompts, each with one arm or several, step by step in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._calls import Observer
from ._core import Handle
from ._library import ffi, lib, text
from ._options import as_int, choice, new_options
from .edits import Edits
from .errors import BusyError, ClosedError, TempoError, check, new_err
from .results import Arm, Decoded, Member, Set

if TYPE_CHECKING:
    from .model import Model

__all__ = ["RunSpec", "Runs"]

_NO_STEP = 2**64 - 1
_ALSO = (
    "modes",
    "arms",
    "regime",
    "driver",
    "sample",
    "edits",
    "distributions",
    "capture_dir",
    "record",
    "closing_pass",
)


@dataclass
class RunSpec:
    """How prompts are decoded: what every run of a call shares.

    Attributes:
        arms: name of each arm -> its options, by their names in C.
    """

    arms: dict[str, dict[str, Any]]
    regime: str = "free"
    driver: str | None = None
    sample: Mapping[str, float] | None = None
    distributions: bool = False
    capture_dir: str | None = None
    record: str | None = None
    closing_pass: bool = False
    end_ids: Sequence[int] = ()
    kept: list[Any] = field(default_factory=list)


def arms_of(
    options: dict[str, Any], modes: Sequence[str] | None, arms: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, Any]]:
    """Options of each arm.

    Raises:
        TypeError, ValueError: modes and arms, or mode and modes, do not go together; none is given.
    """
    if modes is not None and arms is not None:
        raise TypeError("modes, arms: one of the two")
    if modes is None and arms is None:
        return {str(options.get("mode") or "isolated"): options}
    if modes is not None:
        if isinstance(modes, str):
            raise TypeError(f"modes: a list is expected, not {modes!r}; one mode is mode={modes!r}")
        if options.get("mode") is not None:
            raise TypeError("mode, modes: one of the two")
        if len(set(modes)) != len(modes):
            raise ValueError(f"modes: one of {list(modes)} is there twice; arms=... gives them names")
        found = {mode: {**options, "mode": mode} for mode in modes}
    else:
        assert arms is not None
        found = {name: {**options, **own} for name, own in arms.items()}
    if not found:
        raise ValueError("arms: there is none")
    return found


class Runs:
    """Prompts on their way: ``step`` until not ``running``, then ``finish``."""

    def __init__(self, model: Model, prompts: Sequence[NDArray[np.int32]], spec: RunSpec) -> None:
        self._model = model
        self._spec = spec
        self._names = list(spec.arms)
        self._handles: list[Handle] = []
        self.results: list[Decoded] = []
        self._left: set[int] = set()
        self.decoding: list[Any] = []  # tempo_decode_options * of each arm
        options = self._options()
        with model._core as engine:
            for i, ids in enumerate(prompts):
                if len(ids) == 0:
                    raise ValueError(f"prompt{f's[{i}]' if len(prompts) > 1 else ''}: no token at all")
                where = spec.capture_dir
                if where is not None and len(prompts) > 1:
                    where = f"{where}/{i:04d}"
                    folder = ffi.new("char[]", where.encode())
                    spec.kept.append(folder)
                    options.capture_dir = folder
                memory = ffi.from_buffer("int32_t[]", ids)
                prompt = ffi.new("tempo_run_prompt *", {"ids": memory, "n": len(ids)})
                out, err = ffi.new("tempo_run **"), new_err()
                try:
                    check(lib.tempo_run_create(out, engine, options, prompt, err), err)
                except BaseException:
                    for handle in self._handles:
                        handle.close()
                    raise
                self._handles.append(Handle(model._core, out[0], lib.tempo_run_free, "run"))
                self.results.append(Decoded(ids, {name: Arm(name) for name in self._names}, capture_dir=where))
        self._finished = False

    # ---- options ----

    def _arm(self, one: Any, name: str, given: dict[str, Any]) -> None:
        own = dict(given)
        texts = own.pop("edits", None)
        outer = self._model._edits[-1] if self._model._edits else None
        decoding = new_options("decode_options", own, _ALSO)
        if own.get("kv") is None:
            decoding.kv = self._model._kv
        if texts is not None or outer is not None:
            lines = [texts] if isinstance(texts, str) else list(texts or ())
            edits = Edits(self._model._core, lines, {}, outer)
            self._spec.kept.append(edits)
            decoding.edits = edits.pointer
        ends = list(self._spec.end_ids)
        decoding.n_end_ids = len(ends)
        for i, end in enumerate(ends):
            decoding.end_ids[i] = end
        called = ffi.new("char[]", name.encode())
        self._spec.kept += [called, decoding]
        self.decoding.append(decoding)
        one.name, one.decoding = called, decoding

    def _options(self) -> Any:
        spec = self._spec
        options = ffi.new("tempo_run_options *")
        lib.tempo_run_options_init_size(options, ffi.sizeof("tempo_run_options"))
        arms = ffi.new("tempo_run_arm[]", len(self._names))
        spec.kept.append(arms)
        for one, (name, given) in zip(arms, spec.arms.items(), strict=True):
            self._arm(one, name, given)
        options.arms, options.n_arms, options.keep = arms, len(self._names), True
        options.regime = choice("regime", "regime", spec.regime)
        if spec.driver is not None:
            if spec.driver not in self._names:
                raise ValueError(f"driver: no arm is called {spec.driver!r} (there are: {', '.join(self._names)})")
            options.driver = self._names.index(spec.driver)
        if spec.sample is not None:
            self._sample(options.sampling, spec.sample)
        options.closing_pass = spec.closing_pass
        self._capture(options)
        return options

    @staticmethod
    def _sample(sampling: Any, given: Mapping[str, float]) -> None:
        sampling.on, sampling.temperature, sampling.top_p, sampling.min_p = True, 1.0, 1.0, 0.0
        for name, value in given.items():
            if name not in ("temperature", "top_p", "min_p", "seed"):
                raise TypeError(f"sample: there is no {name!r} (there are: temperature, top_p, min_p, seed)")
            setattr(sampling, name, as_int("seed", value, 0, 2**64 - 1) if name == "seed" else float(value))

    def _capture(self, options: Any) -> None:
        spec = self._spec
        if spec.record is not None and spec.capture_dir is None:
            raise TypeError("record: capture_dir says where")
        if spec.capture_dir is None:
            return
        folder = ffi.new("char[]", str(spec.capture_dir).encode())
        options.capture_dir = folder
        capture = ffi.new("tempo_capture_options *")
        lib.tempo_capture_options_init_size(capture, ffi.sizeof("tempo_capture_options"))
        if spec.record is not None:
            capture.record = 0
            err = new_err()
            check(lib.tempo_record_parse(capture, spec.record.encode(), err), err)
        options.capture = capture
        spec.kept += [folder, capture]

    # ---- steps ----

    def pointer(self, prompt: int) -> Any:
        """The ``tempo_run *`` of one."""
        return self._handles[prompt].pointer

    def _pointers(self, numbers: Sequence[int] | None = None) -> Any:
        handles = self._handles if numbers is None else [self._handles[i] for i in numbers]
        return ffi.new("tempo_run *[]", [handle.pointer for handle in handles])

    def _active(self) -> list[int]:
        """Numbers of the prompts that go on."""
        numbers = (i for i in range(len(self._handles)) if i not in self._left)
        return [i for i in numbers if lib.tempo_run_running(self._handles[i].pointer)]

    @property
    def running(self) -> bool:
        """Does any arm go on?"""
        return bool(self._active())

    def leave(self, number: int) -> None:
        """No further steps of this prompt."""
        self._left.add(number)

    def step(self) -> list[Set]:
        """One step of all that go on, in one batch; the sets that were taken, prompt by prompt, arm by arm.

        Raises:
            KeyboardInterrupt: within the pass; the step may be tried again.
        """
        with self._model._core:
            numbers = self._active()
            runs, err = self._pointers(numbers), new_err()
            before = [[lib.tempo_run_steps(r, i) for i in range(len(self._names))] for r in runs]
            observer = Observer(polled=True)
            with observer as pointer:
                observer.check(lib.tempo_runs_step(runs, len(runs), pointer, err), err)
            taken = []
            for number, run, steps in zip(numbers, runs, before, strict=True):
                for arm, name in enumerate(self._names):
                    if lib.tempo_run_steps(run, arm) > steps[arm]:
                        one = self._read(run, arm, name, steps[arm])
                        self.results[number].arms[name].sets.append(one)
                        with suppress(TempoError):  # a model without a tokenizer
                            self.results[number].arms[name]._data += self._model._tokens.raw(np.array(one.ids[:1]))[0]
                        taken.append(one)
            return taken

    def _read(self, run: Any, arm: int, name: str, step: int) -> Set:
        of = lib.tempo_run_set(run, arm, step)
        ids = np.array([of.members[i].id for i in range(of.n_members)], np.int32)
        texts = self._model._tokens.texts(ids)
        members = []
        for i, word in enumerate(texts):
            m = of.members[i]
            placed = m.slot >= 0
            members.append(
                Member(m.id, word, m.probability, m.slot if placed else None, m.position if placed else None)
            )
        q = None
        if self._spec.distributions:
            pointer = lib.tempo_decoder_distribution(lib.tempo_run_decoder(run, arm))
            q = np.frombuffer(ffi.buffer(pointer, 8 * self._model.cfg.d_vocab), np.float64).copy()
        return Set(
            name, of.step, of.position, of.threshold, of.entropy, of.n_reached, of.capped, of.eos, tuple(members), q
        )

    # ---- the end ----

    def finish(self, interrupted: bool = False) -> list[Decoded]:
        """Captures come to their places; what was decoded.  A second time: the same."""
        if self._finished:
            return self.results
        self._finished = True
        with self._model._core:
            err = new_err()
            if self._spec.closing_pass and not interrupted:
                runs = self._pointers()
                observer = Observer(polled=True)
                with observer as pointer:
                    observer.check(lib.tempo_runs_close(runs, len(runs), pointer, err), err)
            for handle, result in zip(self._handles, self.results, strict=True):
                run = handle.pointer
                check(lib.tempo_run_finish(run, interrupted, err), err)
                result.interrupted = interrupted
                for arm, name in enumerate(self._names):
                    stopped = lib.tempo_decoder_stopped(lib.tempo_run_decoder(run, arm))
                    result.arms[name].stopped = text(lib.tempo_stopped_name(stopped))
                if len(self._names) > 1:
                    of = lib.tempo_run_difference(run)
                    found = {key: getattr(of, key) for key in ("distribution", "set", "order")}
                    result.first_difference = {key: None if at == _NO_STEP else at for key, at in found.items()}
        self.close()
        return self.results

    def close(self) -> None:
        """Without an end: what was captured goes."""
        for handle in self._handles:
            handle.close()

    def all(self) -> list[Decoded]:
        """Step until nothing goes on."""
        try:
            while self.running:
                self.step()
        except BaseException:
            self.close()
            raise
        return self.finish()

    def stream(self) -> Iterator[Set]:
        """Sets as they are taken.  What was captured stays when the caller stops early."""
        try:
            while self.running:
                yield from self.step()
            self.finish()
        except GeneratorExit:
            if self._spec.capture_dir is not None:
                with suppress(ClosedError, BusyError):  # it may come from the garbage collector, at any place
                    self.finish(interrupted=True)
            raise
        finally:
            self.close()
