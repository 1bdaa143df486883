"""The notebooks of examples/ run from the first cell to the last, as they are, and are committed without what they print."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

FOLDER = ROOT / "examples" / "notebooks"


def cells(name: str) -> list[str]:
    """Sources of the cells with code."""
    document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert document["nbformat"] == 4 and len({c["id"] for c in document["cells"]}) == len(document["cells"])
    code = [c for c in document["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code), f"{name}: outputs are left in it"
    return ["".join(c["source"]) for c in code]


def run(name: str) -> tuple[dict[str, Any], list[str]]:
    """(names, what the last lines of cells are as HTML or text)."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for i, source in enumerate(cells(name)):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
        where = f"{name}, cell {i}"
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
            html = getattr(value, "_repr_html_", None)
            if value is not None:
                shown.append(html() if html is not None else repr(value))
    return names, shown


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    pyplot.close("all")


def test_all_are_here() -> None:
    assert sorted(p.name for p in FOLDER.glob("*.ipynb")) == ["activations.ipynb", "sets.ipynb"]


def test_activations() -> None:
    names, shown = run("activations.ipynb")
    assert names["effect"].shape == (8, 8) and names["effect"].min() > 0 and names["changed"]
    found = names["found"]
    assert found.clean > found.corrupt and len(names["grid"]) == sum(g.values.size for g in found.grids)
    assert "</table>" in shown[2] and "cat</th>" in shown[2]


def test_sets() -> None:
    names, shown = run("sets.ipynb")
    assert 'class="tempo"' in shown[0] and "attention on siblings" in shown[2]
    assert list(names["r"].arms) == ["isolated", "visible", "causal"]
    assert names["sizes"].shape == (2, 3) and (names["sizes"].loc[0.05] > names["sizes"].loc[0.1]).all()
    assert set(names["table"]["prompt"]) == {"cat", "time", "door"}
