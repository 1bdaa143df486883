"""Who owns what of the library, and which thread may use it now.

A Core is a model with its engine.  Objects of the library that need the engine (sequences, runs, grids) are Handles of a Core:
they free what they hold when they are closed or collected, in whatever order Python does that; the engine and the model go when the
Core is closed and its last Handle is gone.  An engine runs one pass at a time, so a pass holds the Core's lock; what is freed meanwhile
waits for its end.  In a forked child the engine's threads do not exist: the child makes an engine of its own, and Handles from before the
fork are refused.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._library import NULL, ffi, lib
from .errors import BusyError, ClosedError, check, new_err

__all__ = ["Core", "Handle"]

_cores: weakref.WeakSet[Core] = weakref.WeakSet()


class Core:
    """An open model and its engine.  ``with core as engine:`` is a pass: the tempo_engine, this thread's alone."""

    def __init__(self, model: Any, threads: int) -> None:
        self.model = model
        self.threads = threads
        self.generation = 0
        self._engine: Any = None
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._closing = False
        self._free = False
        self._live: set[object] = set()
        self._dead: deque[tuple[Callable[[Any], None], Any, object, int]] = deque()
        self._make_engine()
        _cores.add(self)

    def _make_engine(self) -> None:
        options = ffi.new(
            "tempo_engine_options *", {"size": ffi.sizeof("tempo_engine_options"), "threads": self.threads}
        )
        out, err = ffi.new("tempo_engine **"), new_err()
        check(lib.tempo_engine_create(out, self.model, options, err), err)
        self._engine = out[0]

    # ---- a pass ----

    def __enter__(self) -> Any:
        me = threading.get_ident()
        if self._holder == me:
            raise BusyError(
                "a hook cannot call the model whose pass runs it: use another Model, or call it after the pass"
            )
        if self._closing:
            raise ClosedError("this model has been closed")
        self._lock.acquire()
        self._holder = me
        try:
            if self._closing:
                raise ClosedError("this model has been closed")
            if self._engine is None:
                self._make_engine()
        except BaseException:
            self._leave()
            raise
        return self._engine

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._holder = None
        self._lock.release()
        if self._dead or self._closing:
            self._sweep()

    # ---- the model alone: its tokenizer, its facts ----

    def use(self) -> _Use:
        """``with core.use() as model:`` keeps the tempo_model open; any number of threads at a time."""
        return _Use(self)

    # ---- the end ----

    @property
    def closed(self) -> bool:
        return self._closing

    def close(self) -> None:
        """No pass begins any more; memory goes when the last object that needs it is gone.  Again: nothing."""
        self._closing = True
        self._sweep()

    def attach(self, token: object) -> None:
        self._live.add(token)

    def retire(self, free: Callable[[Any], None], pointer: Any, token: object, generation: int) -> None:
        """Free this when no pass runs.  May be called from anywhere, by the garbage collector too."""
        self._dead.append((free, pointer, token, generation))
        self._sweep()

    def release(self, token: object) -> None:
        self._live.discard(token)
        if self._closing:
            self._sweep()

    def _sweep(self) -> None:
        while self._dead or (self._closing and not self._live and not self._free):
            if not self._lock.acquire(blocking=False):
                return  # whoever holds it sweeps when it leaves
            try:
                self._sweep_locked()
            finally:
                self._lock.release()

    def _sweep_locked(self) -> None:
        while self._dead:
            free, pointer, token, generation = self._dead.popleft()
            if generation == self.generation:  # else its engine is the parent process's
                free(pointer)
            self._live.discard(token)
        if self._closing and not self._live and not self._free:
            self._free = True
            if self._engine is not None:
                lib.tempo_engine_free(self._engine)
                self._engine = None
            lib.tempo_model_free(self.model)
            self.model = NULL

    def __del__(self) -> None:
        try:
            self.close()
        except AttributeError:  # it was never whole
            pass

    def after_fork(self) -> None:
        """In the child: the engine's threads are the parent's, and so is whoever held the lock."""
        self._lock = threading.Lock()
        self._holder = None
        self._engine = None
        self.generation += 1


class _Use:
    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    def __enter__(self) -> Any:
        self._core.attach(self)
        if self._core.closed:
            self._core.release(self)
            raise ClosedError("this model has been closed")
        return self._core.model

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._core.release(self)


class Handle:
    """One object of the library that belongs to a Core."""

    __slots__ = ("__weakref__", "_core", "_free", "_generation", "_pointer", "_token", "_what")

    def __init__(self, core: Core, pointer: Any, free: Callable[[Any], None], what: str) -> None:
        self._core = core
        self._pointer = pointer
        self._free = free
        self._what = what
        self._generation = core.generation
        self._token = object()
        core.attach(self._token)

    @property
    def pointer(self) -> Any:
        """The library's pointer.

        Raises:
            ClosedError: it was closed, or belongs to the process that this one was forked from.
        """
        if self._pointer is None:
            raise ClosedError(f"this {self._what} has been closed")
        if self._generation != self._core.generation:
            raise ClosedError(f"this {self._what} was made before the process was forked: make it again in the child")
        return self._pointer

    @property
    def closed(self) -> bool:
        return self._pointer is None

    def close(self) -> None:
        """Free it.  Again: nothing."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._core.retire(self._free, pointer, self._token, self._generation)

    def __del__(self) -> None:
        try:
            self.close()
        except AttributeError:
            pass


def _forked() -> None:
    for core in list(_cores):
        core.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
