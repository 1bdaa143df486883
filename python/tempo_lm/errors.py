"""What the package raises."""

from __future__ import annotations

from typing import Any

from ._library import ffi, lib

__all__ = ["TempoError", "ClosedError", "BusyError"]


class TempoError(RuntimeError):
    """A failure that the library reports.

    Attributes:
        code: ``"io"``, ``"format"``, ``"unsupported"``, ``"limit"``, ``"not found"``, ``"memory"``, ``"argument"``,
            ``"stopped"`` or ``"busy"``.
        offset: byte offset in the input, or None.
        message: what went wrong, for a person.
        field: the argument that is at fault (``"threshold"``), or ``""``.
        errno: of the operating system where code is ``"io"``, else 0.
    """

    def __init__(self, code: str, offset: int | None, message: str, field: str = "", errno: int = 0) -> None:
        super().__init__(code, offset, message, field, errno)
        self.code = code
        self.offset = offset
        self.message = message
        self.field = field
        self.errno = errno

    def __str__(self) -> str:
        return self.message if self.offset is None else f"{self.message} (at byte {self.offset})"


class ArgumentError(TempoError, ValueError):
    """The library refused an argument: a ValueError, too."""


class ClosedError(ValueError):
    """The object, or what it belongs to, has been closed."""


class BusyError(RuntimeError):
    """The model is in the middle of a pass that this call would disturb: a hook calls the model that runs it."""


_UNKNOWN = 2**64 - 1
_OK = lib.TEMPO_OK
_ARGUMENTS = (lib.TEMPO_E_ARG,)


def new_err() -> Any:
    """A fresh tempo_err."""
    return ffi.new("tempo_err *")


def error_of(status: int, err: Any) -> TempoError:
    """The exception for what a function of the library returned."""
    message = ffi.string(err.msg).decode("utf-8", "replace")
    field = ffi.string(err.field).decode("utf-8", "replace")
    name = lib.tempo_status_name(status)
    code = ffi.string(name).decode() if name != ffi.NULL else f"status {status}"
    offset = None if err.offset == _UNKNOWN or not message else int(err.offset)
    kind = ArgumentError if status in _ARGUMENTS else TempoError
    return kind(code, offset, message or code, field, int(err.os_errno))


def check(status: int, err: Any) -> None:
    """Raise what a function of the library returned, unless it is TEMPO_OK."""
    if status != _OK:
        raise error_of(status, err)
