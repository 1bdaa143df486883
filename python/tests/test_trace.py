"""trace: cutting all edges is what mode isolated gives."""

from __future__ import annotations

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


def test_cells(model: tl.Model) -> None:
    q = {
        mode: model.decode(TEXT, threshold=0.05, mode=mode, steps=2, distributions=True).sets[1].distribution
        for mode in ("visible", "isolated")
    }
    assert q["visible"] is not None and q["isolated"] is not None
    seen: list[tuple[int, int]] = []
    t = tl.trace(
        model, TEXT, threshold=0.05, tokens=["th", " of"], progress=lambda done, total: seen.append((done, total))
    )
    assert t.set == model.decode(TEXT, threshold=0.05, mode="visible", steps=1).sets[0] and len(t.set) == 2
    whole = t.cells[0]
    assert whole["kind"] == "all" and whole["cut_tv"] == pytest.approx(0.5 * np.abs(q["visible"] - q["isolated"]).sum())
    assert (
        t.token_q.tolist() == q["visible"][t.tokens].tolist()
        and t.token_cut[0].tolist() == q["isolated"][t.tokens].tolist()
    )
    assert t.heads().shape == (8, 8) and t.layers("cut_kl").shape == (8,) and t.token_exchanged is None
    layer, head = t.strongest[0]
    assert t.heads()[layer, head] == t.heads().max() and seen[-1][1] == len(t.cells)


def test_strangers_and_a_table(model: tl.Model) -> None:
    pytest.importorskip("pandas")
    t = tl.trace(model, TEXT, threshold=0.05, strangers=[" cat", " dog"], first_layer=2, last_layer=4)
    assert t.heads("exchanged_tv").shape == (3, 8) and t.first_layer == 2 and min(t.strongest)[0] == 2
    table = t.to_pandas()
    assert {"kind", "layer", "head", "kept", "cut_tv", "exchanged_kl", "strangers_set_changes"} <= set(table.columns)
    assert len(table) == len(t.cells) and (table["exchanged_tv"] > 0).any()


def test_what_is_wrong(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="strangers: one for each of 2"):
        tl.trace(model, TEXT, threshold=0.05, strangers=[" cat"])
    with pytest.raises(ValueError, match="isolated|mode"):
        tl.trace(model, TEXT, threshold=0.05, mode="isolated")
    with pytest.raises(ValueError, match="two|slots"):
        tl.trace(model, TEXT, threshold=1.0)
    with pytest.raises(ValueError, match="layer"):
        tl.trace(model, TEXT, threshold=0.05, first_layer=99)
    with pytest.raises(TypeError, match="did you mean 'threshold'"):
        tl.trace(model, TEXT, treshold=0.05)


def test_what_progress_raises_comes_out(model: tl.Model) -> None:
    def stop(done: int, total: int) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        tl.trace(model, TEXT, threshold=0.05, progress=stop)
