"""Calls of the library that call back: exceptions come out of the call that ran the callback, unchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._library import NULL, ffi, lib
from .errors import check

__all__ = ["Observer", "Views", "failed"]

# Takes (tempo_tap_view[n], n).
Views = Callable[[Any, int], None]

_current = threading.local()


def failed(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """What left a callback: Ctrl-C may come at any place in it.  The first one counts."""
    observer: Observer = _current.observer
    if observer.raised is None:
        observer.raised = value if value is not None else kind()


@ffi.callback("bool(void *)", error=False, onerror=failed)  # type: ignore[untyped-decorator]
def _poll(user: Any) -> bool:
    return True


@ffi.callback("bool(void *, const tempo_tap_view *, size_t)", error=False, onerror=failed)  # type: ignore[untyped-decorator]
def _view_rows(user: Any, views: Any, n: int) -> bool:
    _current.observer.views(views, n)
    return True


class Observer:
    """One call's callbacks.  ``with observer as pointer: observer.check(lib.function(..., pointer, err), err)``.

    Args:
        polled: notice Ctrl-C within a pass (a pass of a few milliseconds need not).
        views: what is shown of ``taps``, a ``tempo_tap_selection[]``.
        prompts: of decoders: all rows of prompts.
    """

    def __init__(self, polled: bool, views: Views | None = None, taps: Any = None, prompts: bool = False) -> None:
        self.raised: BaseException | None = None
        self.views = views
        self._outer: Observer | None = None
        self._taps = taps
        self.pointer: Any = NULL
        if polled or views is not None:
            self.pointer = ffi.new("tempo_observer *")
            if polled and threading.current_thread() is threading.main_thread():
                self.pointer.poll = _poll
            if views is not None:
                self.pointer.view_rows, self.pointer.taps, self.pointer.n_taps = _view_rows, taps, len(taps)
                self.pointer.prompts = prompts

    def __enter__(self) -> Any:
        self._outer = getattr(_current, "observer", None)
        _current.observer = self
        return self.pointer

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.observer = self._outer

    def check(self, status: int, err: Any) -> None:
        """Raise what a callback raised, else what the library returned."""
        if self.raised is not None:
            raise self.raised
        if status != lib.TEMPO_OK:
            check(status, err)
