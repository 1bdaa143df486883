"""load_capture and load_study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


def test_a_capture_is_what_the_steps_computed(model: tl.Model, tmp_path: Path) -> None:
    r = model.decode(
        TEXT, steps=3, capture_dir=str(tmp_path / "c"), record="attention,logits,positions,resid_post:layers=1"
    )
    c = tl.load_capture(tmp_path / "c")
    assert isinstance(c, tl.Capture) and c.n_steps == 3
    assert {"attention", "logits", "resid_post"} <= set(c.kinds()) and "3 steps" in repr(c)
    logits, cache = model.run_with_cache(TEXT, ["pattern", "resid_post"])
    assert c["step_0_logits"][0].tobytes() == logits[-1].tobytes()
    assert c.steps("attention")[0][:, 0, :, 0].tobytes() == cache.stack("pattern")[:, :, -1].tobytes()
    assert c.steps("resid_post")[0][0, 0].tobytes() == cache["resid_post", 1][-1].tobytes()
    assert c.positions is not None and c.positions[6] == 6.0 and [m.slot for m in r.sets[0]] == [6, 7][: len(r.sets[0])]
    with pytest.raises(KeyError, match="did you mean 'logits'"):
        c.steps("logit")
    with pytest.raises(KeyError, match="step_0_logits"):
        c["step_0_logit"]


def test_arms_are_a_dict(model: tl.Model, tmp_path: Path) -> None:
    model.decode(TEXT, steps=2, modes=["isolated", "visible"], capture_dir=str(tmp_path / "c"))
    found = tl.load_capture(tmp_path / "c")
    assert isinstance(found, dict) and list(found) == ["isolated", "visible"] and found["visible"].n_steps == 2


def test_safetensors(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    header = {
        "__metadata__": {"metadata": json.dumps({"num_steps": 1})},
        "step_0_logits": {"dtype": "F32", "shape": [1, 1, 6], "data_offsets": [0, 24]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "logits_distributions.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + values.tobytes()
    )
    c = tl.load_capture(tmp_path)
    assert isinstance(c, tl.Capture) and c.n_steps == 1 and np.array_equal(c["step_0_logits"], values)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such directory"):
        tl.load_capture(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="no capture"):
        tl.load_capture(tmp_path)
    with pytest.raises(FileNotFoundError, match="no study"):
        tl.load_study(tmp_path)


def test_a_study(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "units").mkdir()
    (tmp_path / "study.json").write_text('{"title": "t"}')
    for i in range(2):
        (tmp_path / "units" / f"m0-t0.1-p{i}.json").write_text(json.dumps({"prompt": i, "logits": {"tv": 0.5 * i}}))
    study = tl.load_study(tmp_path)
    table = study.frame()
    assert (
        study.plan == {"title": "t"}
        and list(table.columns) == ["file", "prompt", "logits.tv"]
        and table["logits.tv"].tolist() == [0, 0.5]
    )
    with pytest.raises(ValueError, match="kind: no 'floor'"):
        study.documents("floor")
