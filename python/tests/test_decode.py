"""Decoding: sets against an independent reference, arms, batches, chats, streams, captures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl
from conftest import SHARED

TEXT = "The cat sat on the"
GOLDEN = SHARED / "golden" / "stories260K.json"
CASES = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else []


@pytest.fixture(scope="module")
def stories(shared: Path) -> Any:
    with tl.Model.from_pretrained(shared / "models" / "stories260K.gguf", threads=1) as m:
        yield m


def options_of(case: dict[str, Any]) -> dict[str, Any]:
    options = dict(case["options"])
    if "visible_layers" in options:
        first, last = str(options.pop("visible_layers")).split("-")
        options |= {"first_visible_layer": int(first), "last_visible_layer": int(last)}
    if str(options.get("positions", "")).startswith("offset"):
        options |= {"position_offset": float(options["positions"][6:].lstrip(":")), "positions": "offset"}
    return options


@pytest.mark.skipif(not CASES, reason="no ../shared/golden here")
@pytest.mark.parametrize("case", CASES, ids=[c["case"] for c in CASES])
def test_golden(stories: Any, case: dict[str, Any]) -> None:
    r = stories.decode(
        case["prompt_ids"],
        threshold=case["threshold"],
        steps=case["steps"],
        stop="never",
        distributions=True,
        **options_of(case),
    )
    assert [sorted(s.ids) for s in r.sets] == [sorted(ids) for ids in case["sets"]]
    golden = np.load(GOLDEN.parent / f"{case['case']}.npz")
    for s in r.sets:
        assert s.distribution is not None
        assert np.abs(s.distribution - golden[f"next_{s.step}"]).max() < 2e-4


def test_a_set_and_its_members(model: tl.Model) -> None:
    r = model.decode(TEXT, threshold=0.05, mode="visible", steps=3)
    assert [s.step for s in r.sets] == [0, 1, 2] and r.stopped == "steps" and not r.interrupted
    for s in r.sets:
        p = [m.probability for m in s]
        assert p == sorted(p, reverse=True) and min(p) >= 0.05 and s.n_reached == len(s) and s.arm == "visible"
        assert [m.text for m in s.members] == [model.to_single_str_token(i) for i in s.ids]
    assert {m.position for m in r.sets[0]} == {6.0} and [m.slot for m in r.sets[0]] == [6, 7]
    assert r.text == "".join(s.members[0].text for s in r.sets)
    assert r.tree().count("\n") == 2 and "' hear' 0.133" in r.tree()


def test_arms_are_each_what_they_are_alone(model: tl.Model) -> None:
    both = model.decode(TEXT, threshold=0.05, modes=["isolated", "visible"], steps=5)
    for mode in ("isolated", "visible"):
        assert both.arm(mode).sets == model.decode(TEXT, threshold=0.05, mode=mode, steps=5).sets
    assert both.first_difference == {"distribution": 1, "set": 2, "order": None}
    with pytest.raises(KeyError, match="did you mean 'visible'"):
        both.arm("visble")
    named = model.decode(TEXT, steps=2, arms={"a": {"threshold": 0.5}, "b": {"edits": "zero blocks.3.attn.hook_z"}})
    with model.edits("zero blocks.3.attn.hook_z"):
        assert [s.ids for s in named.arm("b").sets] == [s.ids for s in model.decode(TEXT, steps=2).sets]
    assert list(named.arms) == ["a", "b"] and named.arm("b").sets != named.arm("a").sets


def test_lockstep(model: tl.Model) -> None:
    r = model.decode(TEXT, threshold=0.05, modes=["isolated", "visible"], steps=5, regime="lockstep", driver="visible")
    assert [s.ids for s in r.arm("isolated").sets] == [s.ids for s in r.arm("visible").sets]


def test_prompts_of_a_list(model: tl.Model) -> None:
    texts = [TEXT, "A", "One two three"]
    for alone, together in zip([model.decode(t, steps=4) for t in texts], model.decode(texts, steps=4), strict=True):
        assert alone.sets == together.sets and alone.prompt.tolist() == together.prompt.tolist()


def test_a_table(model: tl.Model) -> None:
    pytest.importorskip("pandas")
    r = model.decode(TEXT, threshold=0.05, modes=["isolated", "visible"], steps=3)
    table = r.frame()
    assert len(table) == sum(len(s) for a in r.arms.values() for s in a.sets)
    assert list(table.columns[:8]) == ["arm", "step", "position", "rank", "id", "token", "probability", "slot"]
    top = model.decode(TEXT, threshold=0.05, steps=3, context="top").frame()
    assert top["slot"].isna().any() and top["slot"].dtype == "Int64"


def test_conversations(model: tl.Model) -> None:
    r = model.decode(messages=[{"role": "user", "content": "Hi"}], steps=2)
    assert "Hi" in model.to_string(r.prompt) and len(r.sets) == 2
    with pytest.raises(TypeError, match="messages: a list of dicts"):
        model.decode(messages="Hi")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="one of the two"):
        model.decode()
    with pytest.raises(tl.TempoError, match=r"messages\[0\]"):
        model.decode(messages=[{"content": "Hi"}])


def test_generate_and_sample(model: tl.Model) -> None:
    greedy = model.generate(TEXT, steps=4)
    assert greedy == model.decode(TEXT, threshold=1.0, steps=4).text
    one, two = (model.generate(TEXT, steps=8, sample={"temperature": 1.0, "seed": 3}) for _ in range(2))
    assert one == two != model.generate(TEXT, steps=8, sample={"temperature": 1.0, "seed": 4})
    with pytest.raises(TypeError, match="sample"):
        model.generate(TEXT, sample={"temp": 1.0})


def test_stream(model: tl.Model) -> None:
    assert list(model.stream(TEXT, steps=3)) == model.decode(TEXT, steps=3).sets
    seen = []
    for s in model.stream(TEXT, steps=30, stop="never"):
        seen.append(s)
        assert model(TEXT).shape == (6, 4096)  # other passes go between
        if len(seen) == 2:
            break
    assert seen == model.decode(TEXT, steps=2).sets


def test_capture(model: tl.Model, tmp_path: Path) -> None:
    r = model.decode(
        TEXT, steps=2, capture_dir=str(tmp_path / "c"), record="logits,resid_post:layers=1", closing_pass=True
    )
    assert r.capture_dir == str(tmp_path / "c")
    names = sorted(p.name for p in (tmp_path / "c").iterdir())
    assert "logits_distributions.npz" in names and "attention_weights.npz" not in names
    with pytest.raises(tl.TempoError, match="already|exist"):
        model.decode(TEXT, steps=2, capture_dir=str(tmp_path / "c"))
    with pytest.raises(TypeError, match="capture_dir"):
        model.decode(TEXT, record="logits")
    with pytest.raises(tl.TempoError):
        model.decode(TEXT, capture_dir=str(tmp_path / "d"), record="logitz")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("how, kind, words", [
    ({"treshold": 0.1}, TypeError, "did you mean 'threshold'"),
    ({"threshold": 0}, ValueError, "threshold"),
    ({"threshold": "0.1"}, TypeError, "threshold: a number"),
    ({"steps": 1.5}, TypeError, "steps: an integer"),
    ({"steps": -1}, ValueError, "steps"),
    ({"mode": "visble"}, ValueError, "mode.*did you mean 'visible'"),
    ({"mode": 1}, TypeError, "mode: a name"),
    ({"modes": "visible"}, TypeError, "modes: a list"),
    ({"modes": ["visible", "visible"]}, ValueError, "twice"),
    ({"modes": ["visible"], "mode": "causal"}, TypeError, "one of the two"),
    ({"arms": {}}, ValueError, "arms"),
    ({"regime": "lockstep", "driver": "x"}, ValueError, "driver"),
    ({"readout": "mean"}, ValueError, "readout"),
    ({"tools": []}, TypeError, "tools"),
    ({"edits": ["zero nothing"]}, tl.TempoError, "nothing"),
])  # fmt: skip
def test_options_that_are_none(model: tl.Model, how: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        model.decode(TEXT, **how)


def test_prompts_that_are_none(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="no token at all"):
        model.decode(np.zeros(0, np.int32))
    with pytest.raises(tl.TempoError) as raised:
        model.decode(np.ones(600, np.int32))
    assert raised.value.code == "limit"
    with model.hooks([("z", lambda v, hook: None)]), pytest.raises(ValueError, match="edits do"):
        model.decode(TEXT)


def test_the_models_cache_type_is_decodings(model: tl.Model) -> None:
    with tl.Model.from_pretrained(threads=1, kv="f16") as half:
        assert half.decode(TEXT, steps=3).sets == model.decode(TEXT, steps=3, kv="f16").sets
        assert half.decode(TEXT, steps=3, kv="f32").sets == model.decode(TEXT, steps=3).sets
        assert half.decode(TEXT, steps=3).sets != model.decode(TEXT, steps=3).sets


def test_a_prompt_may_leave(model: tl.Model) -> None:
    runs, _ = model._runs([TEXT, "Once upon a"], None, {"steps": 4, "stop": "never"})
    runs.step()
    runs.leave(0)
    while runs.running:
        runs.step()
    runs.close()
    assert [len(r.sets) for r in runs.results] == [1, 4]
    assert runs.results[1].sets == model.decode("Once upon a", steps=4, stop="never").sets


def test_characters_of_several_tokens(model: tl.Model) -> None:
    ids = model.to_tokens("\u20ac\U0001f600", prepend_bos=False).tolist()
    assert len(ids) == 7
    runs, _ = model._runs(TEXT, None, {"threshold": 1.0, "steps": 7, "stop": "never"})
    wanted = iter(ids)
    read = runs._read

    def other(*where: Any) -> Any:
        of = read(*where)
        return replace(of, members=(replace(of.members[0], id=next(wanted), text="\ufffd"),))

    runs._read = other  # type: ignore[method-assign]
    assert runs.all()[0].text == "\u20ac\U0001f600"
