"""sweep: one table, with the users' ids, whose rows are what decode gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl
from tempo_lm._library import lib

pytestmark = pytest.mark.skipif(not hasattr(lib, "tempo_sweep"), reason="this library has no tempo_sweep")

PROMPTS: list[dict[str, Any]] = [{"id": "q-17", "prompt": "The cat sat on the"}, {"id": 4, "prompt": "One two"}]


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(p) + "\n" for p in PROMPTS))
    return path


def test_rows_are_what_decode_gives(model: tl.Model, jsonl: Path, tmp_path: Path) -> None:
    t = tl.sweep(
        model,
        prompts=jsonl,
        thresholds=[0.05, 0.1],
        modes=["isolated", "visible"],
        steps=3,
        max_set=[2, 64],
        out=tmp_path / "run",
    )
    assert (
        list(t)[:4] == ["prompt", "threshold", "mode", "max_set"]
        and t.out == tmp_path / "run"
        and (t.out / "sets.csv").is_file()
    )
    assert set(t["prompt"]) == {"q-17", 4} and len(t.runs["prompt"]) == 2 * 2 * 2 * 2
    for p in PROMPTS:
        r = model.decode(p["prompt"], threshold=0.05, mode="visible", steps=3)
        rows = (t["prompt"] == p["id"]) & (t["threshold"] == 0.05) & (t["mode"] == "visible") & (t["max_set"] == 64)
        assert t["id"][rows].tolist() == [m.id for s in r.sets for m in s]
        assert t["probability"][rows].tolist() == [m.probability for s in r.sets for m in s]
    again = tl.sweep(
        model, prompts=jsonl, thresholds=[0.05, 0.1], modes=["isolated", "visible"], steps=3, max_set=[2, 64]
    )
    assert all(np.array_equal(again[c], t[c], equal_nan=t[c].dtype.kind == "f") for c in t) and again.out is None


def test_the_line_of_the_docs_reads_what_it_writes(
    model: tl.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    docs = (Path(__file__).resolve().parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    line = next(row.strip() for row in docs.splitlines() if row.startswith("    pandas.read_csv("))
    prompts = [{"id": 'a, "b"\n', "prompt": "The cat sat on the"}, {"id": "NA", "prompt": "One two"}]
    t = tl.sweep(model, prompts=prompts, thresholds=[0.05, 0.1], steps=2, out=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    table = eval(line, {"pandas": pandas})
    assert list(table.columns) == list(t) and set(table["prompt"]) == {'a, "b"\n', "NA"}
    for column in ("prompt", "threshold", "mode", "step", "id", "text", "members"):
        assert table[column].tolist() == t[column].tolist(), column
    for column in ("position", "entropy", "probability", "slot_position"):
        assert np.allclose(table[column], t[column], rtol=1e-15, atol=0.0, equal_nan=True), column


def test_a_table(model: tl.Model) -> None:
    pytest.importorskip("pandas")
    seen: list[tuple[int, int]] = []
    t = tl.sweep(model, prompts=["The cat", "One"], steps=2, progress=lambda done, total: seen.append((done, total)))
    table = t.to_pandas()
    assert set(table["prompt"]) == {0, 1} and seen[-1] == (2, 2) and "members of sets" in repr(t)


@pytest.mark.parametrize("line, words", [
    ("{", r"p.jsonl:2: no JSON"), ('{"id": 3}', r'p.jsonl:2: "prompt"'), ('{"id": [], "prompt": "x"}', r'p.jsonl:2: "id"'),
    ('{"id": 4, "prompt": "x"}', r"another line's"), ("3", r"an object.*"),
])  # fmt: skip
def test_a_bad_line_is_named_before_anything_runs(model: tl.Model, tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": 4, "prompt": "y"}\n' + line + '\n{"id": 5}\n')
    with pytest.raises(ValueError, match=words + r'.*\n.*p.jsonl:3: "prompt"[^\n]*$'):
        tl.sweep(model, prompts=path, out=tmp_path / "run")
    path.write_text("3\n" * 25)
    with pytest.raises(ValueError, match=r"p.jsonl:20: .*\nand 5 more bad lines$"):
        tl.sweep(model, prompts=path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how, kind, words", [
    ({"thresholds": 0.1}, TypeError, "thresholds: a list"),
    ({"thresholds": [2.0]}, ValueError, "threshold"),
    ({"modes": ["visble"]}, ValueError, "did you mean 'visible'"),
    ({"treshold": [0.1]}, TypeError, "did you mean 'threshold"),
    ({"max_set": []}, ValueError, "max_set: an empty list"),
])  # fmt: skip
def test_what_is_wrong(model: tl.Model, how: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        tl.sweep(model, prompts=["x"], **how)
