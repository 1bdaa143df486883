"""Sets as HTML: read back by a parser, as a browser would."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl
from tempo_lm.show import MAX_MEMBERS, MAX_STEPS, visible_text

TEXT = "The cat sat on the"
VOID = {"br"}


class Reader(HTMLParser):
    """Rows of cells; each cell's members as dicts of token, q, width and siblings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[list[dict[str, Any]]]] = []
        self.heads: list[list[str]] = []
        self.marked: list[str] = []
        self.notes = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {k: v or "" for k, v in attrs}
        self.tags.add(tag)
        self.attributes |= set(of)
        if tag in VOID:
            return
        self.open.append((tag, of.get("class", "")))
        if tag == "tr":
            self.rows.append([])
            self.heads.append([])
        elif tag == "td":
            self.rows[-1].append([])
        elif tag == "th":
            self.heads[-1].append("")
        elif "tempo-member" in of.get("class", ""):
            self.rows[-1][-1].append({"token": "", "q": "", "siblings": "", "out": "tempo-out" in of["class"]})
        elif of.get("class") == "tempo-bar":
            self.rows[-1][-1][-1]["width"] = float(of["style"].removeprefix("width:").removesuffix("%"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, kind = self.open[-1]
        if kind in ("tempo-token", "tempo-q", "tempo-siblings"):
            self.rows[-1][-1][-1][kind.removeprefix("tempo-")] += data
        elif kind == "tempo-note":
            self.notes += data
        elif tag == "th":
            self.heads[-1][-1] += data
            if kind == "tempo-differs":
                self.marked.append(data)


def test_arms_stand_under_one_another(model: tl.Model) -> None:
    r = model.decode(TEXT, threshold=0.05, modes=["isolated", "visible"], steps=4)
    page = Reader(r._repr_html_())
    assert page.heads[0] == ["", "0", "1", "2", "3"] and page.heads[1:] == [["isolated"], ["visible"]]
    assert r.first_difference is not None and page.marked == [str(r.first_difference["set"])]
    for row, arm in zip(page.rows[1:], r.arms.values(), strict=True):
        assert len(row) == 4
        for cell, of in zip(row, arm.sets, strict=True):
            assert [m["token"] for m in cell] == [visible_text(m.text) for m in of]
            assert [m["q"] for m in cell] == [f"{m.probability:.3f}" for m in of]
            assert [m["width"] for m in cell] == pytest.approx([100 * m.probability for m in of], abs=0.006)


def test_an_arm_that_ended_leaves_its_cells_empty(model: tl.Model) -> None:
    r = model.decode(TEXT, arms={"long": {"steps": 5}, "short": {"steps": 2}}, stop="never")
    long, short = Reader(r._repr_html_()).rows[1:]
    assert [bool(c) for c in long] == [True] * 5 and [bool(c) for c in short] == [True, True, False, False, False]


def test_hostile_tokens(model: tl.Model) -> None:
    r = model.decode(TEXT, threshold=0.05, steps=1)
    bad = [
        "</td><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "&lt;b&gt;",
        "\u202egnp.exe",
        "a\nb\x00c",
        "\ud800",
        "x" * 999,
    ]
    members = tuple(tl.Member(i, text, 0.1, None, None) for i, text in enumerate(bad))
    of = replace(r.sets[0], members=members, arm="<script>")
    html = tl.Decoded(r.prompt, {"<script>": tl.Arm("<script>", [of], "<b>")})._repr_html_()
    page = Reader(html)
    assert [m["token"] for m in page.rows[1][0]] == [visible_text(t) for t in bad]
    assert page.tags == {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "span", "br"}
    assert page.attributes == {"class", "style", "title", "scope"}
    assert (
        visible_text(bad[3]) == "<202E>gnp.exe"
        and visible_text(bad[4]) == "a\u23ceb<0000>c"
        and len(visible_text(bad[6])) == 49
    )
    assert "\u202e" not in html and "\x00" not in html
    html.encode("utf-8")  # no half of a surrogate pair
    for arm in (r.arm(), of):
        assert "tempo-bar" in arm._repr_html_()


def test_no_network_light_and_dark(model: tl.Model) -> None:
    html = model.decode(TEXT, steps=1)._repr_html_()
    assert "prefers-color-scheme:dark" in html and "data-jp-theme-light=false" in html
    assert not any(word in html for word in ("http", "url(", "@import", "<script", "<link", "src="))


def test_attention_on_siblings(model: tl.Model, tmp_path: Path) -> None:
    r = model.decode(
        TEXT, threshold=0.05, modes=["isolated", "visible"], steps=2, capture_dir=str(tmp_path / "c"), record="attention", closing_pass=True
    )  # fmt: skip
    page = Reader(r._repr_html_())
    capture = tl.load_capture(tmp_path / "c")
    assert isinstance(capture, dict) and len(r.sets[0]) == 2
    mean = capture["visible"]["step_1_attention"].mean(axis=(0, 1, 2), dtype=np.float64)
    one, two = (m.slot for m in r.arm("visible").sets[0])
    assert f"{mean[0, two]:.4f}  {r.arm('visible').sets[0].members[1].text}" in page.rows[2][0][0]["siblings"]
    assert f"{mean[1, one]:.4f}  {r.arm('visible').sets[0].members[0].text}" in page.rows[2][0][1]["siblings"]
    assert mean[0, two] > 0 and page.rows[1][0][0]["siblings"].endswith(f"0.0000  {r.sets[0].members[1].text}")
    for file in (tmp_path / "c").rglob("*.npz"):
        file.unlink()
    assert all(not m["siblings"] for m in Reader(r._repr_html_()).rows[2][0])


def test_attention_of_one_arm(model: tl.Model, tmp_path: Path) -> None:
    r = model.decode(TEXT, threshold=0.05, mode="visible", steps=2, capture_dir=str(tmp_path / "c"), record="attention")
    html = r._repr_html_()
    assert f"padding-bottom:{1.5 * max(map(len, r.sets)) + 1:.1f}em" in html
    first, last = Reader(html).rows[1]
    assert all(m["siblings"] for m in first) and not any(m["siblings"] for m in last)


def test_much_of_everything(model: tl.Model) -> None:
    r = model.decode(TEXT, threshold=0.05, steps=1)
    members = tuple(tl.Member(i, "a", 0.001, i, 0.0) for i in range(MAX_MEMBERS + 7))
    sets = [replace(r.sets[0], step=i, members=members) for i in range(MAX_STEPS + 3)]
    page = Reader(tl.Arm("a", sets)._repr_html_())
    assert len(page.rows[1]) == MAX_STEPS and len(page.rows[1][0]) == MAX_MEMBERS
    assert f"the first {MAX_STEPS} of {MAX_STEPS + 3} steps" in page.notes and "7 more" in page.notes


def test_attention_of_a_list_of_prompts(model: tl.Model, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for r in model.decode(
        [TEXT, "A man"], threshold=0.05, steps=2, capture_dir=str(tmp_path / "c"), record="attention"
    ):  # fmt: skip
        assert len(r.sets[0]) < 2 or all(m["siblings"] for m in Reader(r._repr_html_()).rows[1][0])
        assert tl.load_capture(r.capture_dir).n_steps == 2


def test_what_print_and_a_shell_show(model: tl.Model) -> None:
    r = model.decode("The cat sat on the", threshold=0.05, modes=["isolated", "visible"], steps=3)
    assert str(r) == r.tree() and str(r.arm("visible")) in str(r)
    assert len(str(r).splitlines()) == 2 + 2 * 3
    n = sum(len(s) for s in r.arm("visible").sets)
    assert repr(r.arm("visible")) == f"<tempo_lm.Arm visible: 3 sets, {n} members, stopped by steps>"
    assert repr(r) == f"<tempo_lm.Decoded of 6 tokens: {r.arm('isolated')!r}, {r.arm('visible')!r}>"
