"""How far long calls are: a bar of tqdm where it is installed, else one line on standard error, and neither where nobody looks."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

__all__ = ["Bar", "Progress"]

Progress: TypeAlias = "Callable[[int, int], object] | bool | None"


def _is_notebook() -> bool:
    """A kernel, whose standard error is no terminal but is read by a person."""
    try:
        return type(sys.modules["IPython"].get_ipython()).__name__ == "ZMQInteractiveShell"
    except (KeyError, AttributeError):
        return False


def _tqdm() -> Any:
    try:
        widgets = _is_notebook() and importlib.util.find_spec("ipywidgets") is not None
        return importlib.import_module("tqdm.auto" if widgets else "tqdm").tqdm
    except ImportError:
        return None


class Bar:
    """A context manager; ``told`` is what is to be called with (done, in all), or None.

    Args:
        what: stands in front.
        given: a function of (done, in all), which then has it all; True: show it; False: do not; None: show it to a terminal or notebook.
    """

    def __init__(self, what: str, given: Progress) -> None:
        if given is not None and not isinstance(given, bool) and not callable(given):
            raise TypeError(f"progress: a function of (done, in all), True or False is expected, not {given!r}")
        self._what = what
        self._bar: Any = None
        self._line = False
        self._live = sys.stderr is not None and (sys.stderr.isatty() or _is_notebook())  # a line can be written over
        shown = given if isinstance(given, bool) else self._live
        self.told: Callable[[int, int], object] | None = (
            given if given is not None and not isinstance(given, bool) else self._show if shown else None
        )
        self._make = _tqdm() if self.told == self._show else None

    def _show(self, done: int, total: int) -> None:
        if self._make is None:
            self._line = True
            start, end = ("\r", "") if self._live else ("", "\n")
            sys.stderr.write(f"{start}{self._what}: {done} of {total}{end}")
            sys.stderr.flush()
            return
        if self._bar is None:
            self._bar = self._make(total=total, desc=self._what, file=sys.stderr, leave=False, delay=0.5)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line and self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
