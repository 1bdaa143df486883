"""What the pages say is what the package does: their code runs, and the reference is of these docstrings."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import tempo_lm as tl
from conftest import ROOT

PAGES = ["README.md", "python/README.md", "docs/python.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| .* \| .* \| `([^|]*)` \|$", re.MULTILINE)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)


def run_blocks(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks, page
    for i, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {i}", "exec"), names)
    return names


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page: str) -> None:
    names = run_blocks(page)
    assert names["logits"].shape[1] == names["m"].cfg.d_vocab


def test_rows_of_the_tables_run() -> None:
    names = run_blocks("docs/python.md")
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    pictures = re.findall(r"^\| (`.*plot.*`) \| ", page[page.index("## Pictures") :], re.MULTILINE)
    assert len(pictures) == 6
    for row in pictures:
        for call in re.findall(r"`([^`]*)`", row):
            if "values" not in call:
                exec(compile(call, call, "exec"), names)
    rows = ROW.findall(page[page.index("## Coming from") :])
    assert len(rows) == 14 + 6 + 11 + 7
    for row in rows:
        exec(compile(row, row, "exec"), names)


def test_the_reference_is_of_these_docstrings() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "python-api.py"))["reference"]()
    written = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    assert written == made, "docs/python-api.md: make it again: tools/python-api.py >docs/python-api.md"
    for name in tl.__all__:
        assert name == "__version__" or f"\n## tl.{name}\n" in made


def test_the_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import pandas

    monkeypatch.setattr(sys, "argv", ["set_sizes.py", "--out", "t.csv"])
    runpy.run_path(str(ROOT / "examples" / "python" / "set_sizes.py"), run_name="__main__")
    table = pandas.read_csv(tmp_path / "t.csv")
    assert set(table["prompt"]) == {"cat", "time", "door"} and len(table) == 3 * 5
    # where nobody has a sibling there is nothing to see
    assert (table["tv"][table["pairs"] == 0] == 0).all() and (table["tv"][table["pairs"] > 0] > 0).all()
    assert (table["pairs"] == 0).any() and "rank correlation" in capsys.readouterr().out
