"""How far long calls are: by tqdm, by a line, by a function, or not at all."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
import tempo_lm as tl
from tempo_lm.progress import Bar

CLEAN, CORRUPT = "The cat sat on the", "The dog sat on the"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def cells(model: tl.Model, **how: Any) -> Any:
    return tl.patch(model, CLEAN, CORRUPT, taps="resid_pre:layers=0-2", metric="kl_clean", **how)


@pytest.fixture
def no_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)


def test_a_line_for_a_terminal(model: tl.Model, monkeypatch: pytest.MonkeyPatch, no_tqdm: None) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    found = cells(model)
    written = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert f"\rpatch: {found.n_cells} of {found.n_cells}" in written and written.endswith("\r\x1b[K")
    assert cells(model, progress=False).n_cells == found.n_cells
    assert sys.stderr.getvalue() == written  # type: ignore[attr-defined]
    tl.trace(model, CLEAN, threshold=0.05)
    tl.sweep(model, [CLEAN], steps=1)
    assert "\rtrace: " in sys.stderr.getvalue() and "\rsweep: 1 of 1" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_nothing_where_nobody_looks(model: tl.Model, capsys: pytest.CaptureFixture[str], no_tqdm: None) -> None:
    cells(model)
    assert capsys.readouterr() == ("", "")
    cells(model, progress=True)
    assert capsys.readouterr().err.endswith("patch: 18 of 18\n")


def test_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[Any] = []

    class Fake:
        def __init__(self, **how: Any) -> None:
            self.how, self.n, self.closed = how, 0, False
            bars.append(self)

        def update(self, more: int) -> None:
            self.n += more

        def close(self) -> None:
            self.closed = True

    monkeypatch.setitem(sys.modules, "tqdm", type("tqdm", (), {"tqdm": Fake}))
    with pytest.raises(KeyboardInterrupt), Bar("sweep", True) as bar:
        assert bar.told is not None
        bar.told(2, 9)
        bar.told(5, 9)
        raise KeyboardInterrupt
    assert (
        len(bars) == 1
        and bars[0].n == 5
        and bars[0].how["total"] == 9
        and bars[0].how["desc"] == "sweep"
        and bars[0].closed
    )


def test_what_is_wrong(model: tl.Model) -> None:
    with pytest.raises(TypeError, match="progress: a function"):
        cells(model, progress="yes")
