"""patch: each cell is what a hook that does the same gives."""

from __future__ import annotations

from typing import Any

import pytest
import tempo_lm as tl

CLEAN, CORRUPT = "The cat sat on the", "The dog sat on the"


@pytest.fixture(scope="module")
def answers(model: tl.Model) -> list[int]:
    return [model.to_single_token(" hear"), model.to_single_token(" edge")]


def metric(logits: Any, answers: list[int]) -> float:
    return float(logits[-1][answers[0]]) - float(logits[-1][answers[1]])


def test_cells_are_what_hooks_give(model: tl.Model, answers: list[int]) -> None:
    found = tl.patch(model, CLEAN, CORRUPT, taps=["resid_pre", "z:layers=2-3"], answers=answers)
    assert found.clean == pytest.approx(metric(model(CLEAN), answers), abs=1e-5)
    assert found.corrupt == pytest.approx(metric(model(CORRUPT), answers), abs=1e-5)
    grid = found["resid_pre"]
    assert grid.values.shape == (8, 1, 6) and grid.str_tokens is not None and grid.str_tokens[2] == " cat"
    _, cache = model.run_with_cache(CLEAN, ["resid_pre", "z"])
    for layer, pos in ((0, 2), (4, 5), (7, 3)):

        def put(values: Any, hook: tl.HookPoint, pos: int = pos) -> None:
            values[pos] = cache[hook.name][pos]

        logits = model.run_with_hooks(CORRUPT, [(f"blocks.{layer}.hook_resid_pre", put)])
        assert grid.values[layer, 0, pos] == pytest.approx(metric(logits, answers), abs=1e-5)
    heads = found["z"]
    assert heads.values.shape == (2, 8, 1) and heads.layers == [2, 3]

    def put_head(values: Any, hook: tl.HookPoint) -> None:
        values[:, 5] = cache[hook.name][:, 5]

    logits = model.run_with_hooks(CORRUPT, [("blocks.3.attn.hook_z", put_head)])
    assert heads.values[1, 5, 0] == pytest.approx(metric(logits, answers), abs=1e-5)
    assert found.normalised([found.corrupt, found.clean]).tolist() == [0, 1]
    assert found.n_cells == 8 * 6 + 16 and found.n_unchanged > 0


def test_tables_progress_and_directions(model: tl.Model, answers: list[int]) -> None:
    pytest.importorskip("pandas")
    seen: list[tuple[int, int]] = []
    found = tl.patch(
        model, CLEAN, CORRUPT, taps="resid_pre", answers=answers, direction="both", positions=[2, 5],
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1] == (32, 32) and [g.direction for g in found.grids] == ["denoise", "noise"]
    table = found.to_pandas()
    assert list(table.columns) == ["tap", "direction", "layer", "head", "pos", "value"] and len(table) == 32
    row = table[(table["direction"] == "noise") & (table["layer"] == 3) & (table["pos"] == 5)]
    assert row["value"].item() == found.grids[1].values[3, 0, 1]


@pytest.mark.parametrize("how, kind, words", [
    ({"taps": ["resid_pree"]}, ValueError, "taps.*did you mean 'resid_pre'"),
    ({"metric": "logit_dif"}, ValueError, "did you mean 'logit_diff'"),
    ({"each": "heads"}, ValueError, "each"),
    ({"answers": ["The cat"]}, ValueError, "answers: 'The cat' is 2 tokens"),
    ({"answers": [1, 2, 3]}, ValueError, "answers: one or two"),
    ({"answers": [1]}, ValueError, "answer"),
])  # fmt: skip
def test_what_is_wrong(model: tl.Model, how: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        tl.patch(model, CLEAN, CORRUPT, **{"answers": [1, 2], **how})


def test_prompts_of_other_lengths(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="6|7|length|slots|tokens"):
        tl.patch(model, CLEAN, CORRUPT + " mat", answers=[1, 2])
