"""Wrong names: every message says the argument, what was given, and the nearest one that there is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"``, or ``""`` when nothing is near."""
    choices = list(known)
    found = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    if not found:
        found = [choice for choice in choices if name and (choice.endswith(name) or name in choice)][:1]
    return f"; did you mean {found[0]!r}?" if found else ""


def unknown(what: str, name: object, known: Iterable[str], limit: int = 12) -> str:
    """The message for a name that is none of the known ones."""
    choices = list(known)
    near = nearest(str(name), choices)
    listed = ", ".join(choices[:limit]) + (", ..." if len(choices) > limit else "")
    return f"{what}: there is no {name!r}{near or f' (there are: {listed})'}"
