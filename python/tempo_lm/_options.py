"""Option structs of the library from keywords of the same names.

Which members there are, and of what type, is read from the declarations; enumerations are given by their names.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from ._library import NULL, ffi, lib
from ._names import unknown

__all__ = ["as_int", "choice", "names_of", "new_options"]

_names: dict[str, list[str]] = {}


def names_of(enum: str) -> list[str]:
    """Names of the values of ``tempo_<enum>``, in the order of the values."""
    if enum not in _names:
        name = getattr(lib, f"tempo_{enum}_name")
        found: list[str] = []
        while (text := name(len(found))) != NULL:
            found.append(ffi.string(text).decode())
        _names[enum] = found
    return _names[enum]


def choice(enum: str, what: str, value: object) -> int:
    """The value of a name.

    Raises:
        TypeError: it is no str.
        ValueError: there is no such name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what}: a name is expected ({', '.join(names_of(enum))}), not {value!r}")
    if value not in names_of(enum):
        raise ValueError(unknown(what, value, names_of(enum)))
    return names_of(enum).index(value)


def as_int(what: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """An integer in [low, high]; numpy's are as good.  TypeError, ValueError."""
    if isinstance(value, bool):
        raise TypeError(f"{what}: an integer is expected, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: an integer is expected, not {value!r}") from None
    if number < low or (high is not None and number > high):
        raise ValueError(
            f"{what}: {number} is not between {low} and {high}"
            if high is not None
            else f"{what}: {number} is less than {low}"
        )
    return number


def _number(what: str, value: Any) -> float:
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(f"{what}: a number is expected, not {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: a number is expected, not {value!r}") from None


def _range_of(ctype: Any) -> tuple[int, int]:
    bits = 8 * ffi.sizeof(ctype)
    signed = ctype.cname.startswith(("int", "long", "short", "char")) and not ctype.cname.startswith("uint")
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _scalar(ctype: Any, name: str, value: Any) -> Any:
    if ctype.kind == "enum":
        return choice(ctype.cname.replace("enum ", "").removeprefix("tempo_"), name, value)
    if ctype.cname in ("_Bool", "bool"):
        if not isinstance(value, bool):
            raise TypeError(f"{name}: True or False is expected, not {value!r}")
        return value
    if ctype.cname in ("double", "float"):
        return _number(name, value)
    low, high = _range_of(ctype)
    return as_int(name, value, low, high)


def members(struct: str) -> dict[str, Any]:
    """Members of ``tempo_<struct>`` that hold one number, one choice, or yes or no: name -> type."""
    return {
        name: field.type
        for name, field in ffi.typeof(f"tempo_{struct}").fields
        if name != "size" and field.type.kind in ("primitive", "enum")
    }


def new_options(struct: str, given: Mapping[str, Any], also: tuple[str, ...] = ()) -> Any:
    """A ``tempo_<struct> *`` with its defaults, and what ``given`` says of its members (None: the default).

    Args:
        also: names that the caller understands besides, for the message.

    Raises:
        TypeError: a name that is no member (with the nearest one), a value of another type.
        ValueError: a number out of range, a name that is no choice.
    """
    options = ffi.new(f"tempo_{struct} *")
    getattr(lib, f"tempo_{struct}_init_size")(options, ffi.sizeof(options[0]))
    known = members(struct)
    for name, value in given.items():
        if name not in known:
            raise TypeError(unknown("unexpected argument", name, [*known, *also], limit=40))
        if value is not None:
            setattr(options, name, _scalar(known[name], name, value))
    return options
