"""Every architecture against numbers of transformers in double precision: logits, the residual stream, attention, sets in three modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl
from conftest import SHARED

ARCHS = SHARED / "models" / "arch"
NAMES = sorted(p.name for p in ARCHS.iterdir() if (p / "golden.npz").is_file()) if ARCHS.is_dir() else []


def near(got: Any, want: Any, bar: float) -> None:
    """Within ``bar`` of the largest number, at least of 1."""
    assert got.shape == want.shape
    largest = np.abs(got - want).max()
    assert largest <= bar * max(1.0, np.abs(want).max()), f"off by {largest}"


@pytest.mark.skipif(not NAMES, reason="no ../shared/models/arch here")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_architecture(name: str) -> None:
    golden = np.load(ARCHS / name / "golden.npz")
    with tl.Model.from_pretrained(Path(ARCHS / name), threads=1) as m:
        n = min(len(golden["ids"]), m.cfg.n_ctx)
        ids = golden["ids"][:n]
        logits, cache = m.run_with_cache(ids, ["resid_pre", "resid_post", "pattern"])
        near(logits, golden["logits"][:n], 2e-4)
        for layer in range(m.cfg.n_layers):
            near(cache["resid_pre", layer], golden["resid"][layer][:n], 2e-4)
            near(cache["pattern", layer], golden["attention"][layer][:, :n, :n], 2e-5)
        near(cache["resid_post", -1], golden["resid"][-1][:n], 2e-4)
        k = int((golden["set_positions"] < m.cfg.n_ctx).sum())
        sets = {"sets": golden["set_of_row"][:k], "positions": golden["set_positions"][:k]}
        for mode in ("isolated", "visible", "causal"):
            logits, cache = m.run_with_cache(golden["set_ids"][:k], "pattern", mode=mode, **sets)
            near(logits, golden[f"{mode}_logits"][:k], 2e-4)
            near(cache.stack("pattern"), golden[f"{mode}_attention"][:, :, :k, :k], 2e-5)
