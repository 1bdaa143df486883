"""What decoding gives: sets, arms, runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._names import unknown
from .show import decoded_html, set_html, sets_html

__all__ = ["Arm", "Decoded", "Member", "Set"]

COLUMNS = "arm step position rank id token probability slot n_members entropy capped eos".split()  # of rows and frame


@dataclass(frozen=True)
class Member:
    """One token of a set.

    Attributes:
        id, text: the token.
        probability: q(id).
        slot, position: in the sequence; None: it did not enter the context.
    """

    id: int
    text: str
    probability: float
    slot: int | None
    position: float | None


@dataclass(frozen=True)
class Set:
    """What one step selected: members in descending probability, equal ones by lower id.

    Attributes:
        arm: name of the arm that took it.
        step: from 0.
        position: the set's, in the sequence.
        threshold: that members reach.
        entropy: of the whole distribution, in nats.
        n_reached: tokens that reach the threshold; 0 when the most probable one stood in.
        capped: max_set cut members off.
        eos: an id that ends a text is among them.
        distribution: float64 [d_vocab], where distributions were asked for.
    """

    arm: str
    step: int
    position: float
    threshold: float
    entropy: float
    n_reached: int
    capped: bool
    eos: bool
    members: tuple[Member, ...]
    distribution: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    @property
    def ids(self) -> list[int]:
        return [m.id for m in self.members]

    @property
    def text(self) -> str:
        """The most probable member's."""
        return self.members[0].text

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def __str__(self) -> str:
        return f"{self.step:3d}  " + "  ".join(f"{m.text!r} {m.probability:.3f}" for m in self.members)

    def _repr_html_(self) -> str:
        return set_html(self)


@dataclass(repr=False)
class Arm:
    """One of the decoders of a run.

    Attributes:
        name: the mode's, or what was given.
        sets: one for each step.
        stopped: ``"steps"``, ``"eos"``, ``"context"``, ``"slots"``; ``"running"``: it was interrupted.
    """

    name: str
    sets: list[Set] = field(default_factory=list)
    stopped: str = "running"
    _data: bytes = field(default=b"", compare=False, repr=False)

    @property
    def text(self) -> str:
        """The most probable member of each set, one behind the other; characters of several tokens are whole."""
        return self._data.decode("utf-8", "replace") if self._data else "".join(s.text for s in self.sets)

    def __str__(self) -> str:
        """Its sets, a line for each."""
        return "\n".join(map(str, self.sets))

    def __repr__(self) -> str:
        return f"<tempo_lm.Arm {self.name}: {len(self.sets)} sets, {sum(map(len, self.sets))} members, stopped by {self.stopped}>"

    def _repr_html_(self) -> str:
        return sets_html([self])


@dataclass(repr=False)
class Decoded:
    """One prompt with its arms.  ``sets``, ``text`` and ``stopped`` are the first arm's.

    Attributes:
        prompt: int32 [pos], its ids.
        arms: by name, in the order in which they were given.
        first_difference: None, or the first step in which the distributions, sets or orders of arms differ, by those names.
        interrupted: it ended before its time.
        capture_dir: where captures are, or None.
    """

    prompt: NDArray[np.int32]
    arms: dict[str, Arm]
    first_difference: dict[str, int | None] | None = None
    interrupted: bool = False
    capture_dir: str | None = None

    def arm(self, name: str | None = None) -> Arm:
        """An arm by its name; None: the first.  KeyError with the nearest name."""
        if name is None:
            return next(iter(self.arms.values()))
        if name not in self.arms:
            raise KeyError(unknown("arm", name, self.arms))
        return self.arms[name]

    @property
    def sets(self) -> list[Set]:
        return self.arm().sets

    @property
    def text(self) -> str:
        return self.arm().text

    @property
    def stopped(self) -> str:
        return self.arm().stopped

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each member of each set: what frame has, without pandas."""
        return [
            {
                "arm": s.arm, "step": s.step, "position": s.position, "rank": rank, "id": m.id, "token": m.text,
                "probability": m.probability, "slot": m.slot, "n_members": len(s), "entropy": s.entropy, "capped": s.capped, "eos": s.eos,
            }
            for arm in self.arms.values() for s in arm.sets for rank, m in enumerate(s.members)
        ]  # fmt: skip

    def frame(self) -> Any:
        """A pandas table, a row for each member: ``arm, step, position, rank, id, token, probability, slot, n_members, entropy, capped,
        eos``.

        Raises:
            ImportError: pandas is not installed (``pip install 'tempo-lm[frame]'``).
        """
        from ._extras import pandas

        return pandas().DataFrame(self.rows(), columns=COLUMNS).astype({"slot": "Int64"})

    def tree(self) -> str:
        """Sets as text, a line for each, arm by arm."""
        several = len(self.arms) > 1
        lines = []
        for arm in self.arms.values():
            if several:
                lines.append(f"{arm.name} ({arm.stopped})")
            lines.append(str(arm))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.tree()

    def __repr__(self) -> str:
        return f"<tempo_lm.Decoded of {len(self.prompt)} tokens: {', '.join(map(repr, self.arms.values()))}>"

    def _repr_html_(self) -> str:
        return decoded_html(self)
