"""Pictures: what is drawn is what was computed."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


@pytest.fixture(autouse=True)
def quiet() -> Any:
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield
    pyplot.close("all")


def drawn(ax: Any) -> Any:
    return np.asarray(ax.images[0].get_array())


def ticks(axis: Any) -> list[str]:
    return [t.get_text() for t in axis.get_ticklabels()]


def test_patterns(model: tl.Model) -> None:
    _, cache = model.run_with_cache(TEXT, ["pattern"])
    axes = tl.plot.pattern(cache, 3)
    assert len(axes) == 8 and axes[5].get_title() == "L3H5"
    assert np.array_equal(drawn(axes[5]), cache["pattern", 3][5])
    assert ticks(axes[5].xaxis) == model.to_str_tokens(TEXT) == ticks(axes[5].yaxis)
    one = tl.plot.pattern(cache, 3, 6)
    assert np.array_equal(drawn(tl.plot.pattern(cache, 2, 1, ax=one)), drawn(one)) and one.get_title() == "L2H1"
    with pytest.raises(ValueError, match="ax: axes for one head"):
        tl.plot.pattern(cache, 3, [1, 2], ax=one)
    with pytest.raises(ValueError, match="heads"):
        tl.plot.pattern(cache, 3, 8)
    with pytest.raises(KeyError, match="names_filter"):
        tl.plot.pattern(model.run_with_cache(TEXT, ["z"])[1], 3)


def test_arrays_for_circuitsvis(model: tl.Model) -> None:
    _, cache = model.run_with_cache(TEXT, ["pattern"])
    found = tl.plot.circuitsvis(cache, 2, [7, 0])
    assert set(found) == {"tokens", "attention", "attention_head_names"} and found["attention_head_names"] == [
        "L2H7",
        "L2H0",
    ]
    assert found["tokens"] == model.to_str_tokens(TEXT) and found["attention"].shape == (2, 6, 6)
    assert np.array_equal(found["attention"][0], cache["pattern", 2][7])


def test_lenses(model: tl.Model) -> None:
    found = tl.lens(model, TEXT)
    ax = found.plot()
    assert np.array_equal(drawn(ax), found.top_q[:, :, 0].T[::-1])
    assert ticks(ax.yaxis) == ["7", "6", "5", "4", "3", "2", "1", "0", "input"] and ticks(ax.xaxis)[2] == "2  cat"
    words = {(round(t.get_position()[0]), round(t.get_position()[1])): t.get_text() for t in ax.texts}
    assert words[5, 0] == found.top_str[5][8][0] and words[0, 8] == found.top_str[0][0][0]
    assert np.array_equal(drawn(found.plot("kl")), found.kl.T[::-1])
    with pytest.raises(ValueError, match="did you mean 'entropy'"):
        found.plot("entropie")
    with pytest.raises(ValueError, match="top=0"):
        tl.lens(model, TEXT, top=0).plot()


def test_grids(model: tl.Model) -> None:
    found = tl.patch(
        model, TEXT, "The dog sat on the", taps=["resid_pre", "z"], each="default",
        answers=[model.to_single_token(" hear"), model.to_single_token(" edge")],
    )  # fmt: skip
    ax = found["resid_pre"].plot()
    assert np.array_equal(drawn(ax), found["resid_pre"].values[:, 0]) and ticks(ax.xaxis)[2] == "2  cat"
    low, high = ax.images[0].get_clim()
    assert low == -high == -np.abs(found["resid_pre"].values).max()
    assert np.array_equal(drawn(found["z"].plot()), found["z"].values[:, :, 0])
    first, second = found.plot(normalised=True)
    assert (
        drawn(first) == pytest.approx(found.normalised(found["resid_pre"].values[:, 0]))
        and second.get_title() == "z, denoise"
    )
    both = tl.patch(
        model, TEXT, "The dog sat on the", taps="z:layers=2-3", each="head-position", metric="kl_clean"
    ).grids[0]
    ax = both.plot(centred=False)
    assert drawn(ax).shape == (16, 6) and drawn(ax)[8 + 5, 2] == both.values[1, 5, 2] and ticks(ax.yaxis)[13] == "3.5"


def test_traces(model: tl.Model) -> None:
    found = tl.trace(model, TEXT, threshold=0.05)
    assert np.array_equal(drawn(found.plot("cut_kl")), found.heads("cut_kl"))
    with pytest.raises(ValueError, match="did you mean 'cut_tv'"):
        found.plot("cut_tw")


def test_tokens_that_are_formulas(model: tl.Model) -> None:
    found = tl.lens(model, TEXT)
    odd = ["$x^$", "\n", "\x00", "\u202e", "$", "\\frac{"]
    ax = replace(found, str_tokens=odd).plot()
    ax.figure.savefig(io.BytesIO(), format="png")
    assert ticks(ax.xaxis)[1:4] == ["1 \u23ce", "2 <0000>", "3 <202E>"]


def test_without_matplotlib(model: tl.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'tempo-lm\[plot\]'"):
        tl.lens(model, TEXT).plot()
    with pytest.raises(ValueError, match=r"\[row, column\]"):
        tl.plot.heat([1, 2])
