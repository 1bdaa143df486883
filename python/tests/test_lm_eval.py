"""lm-evaluation-harness runs small tasks of ours with the adapter; its numbers are those of the logits."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tempo_lm as tl

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
harness = pytest.importorskip("lm_eval", reason="lm_eval is not installed (the extra [lm-eval])")
adapter = pytest.importorskip("tempo_lm.lm_eval")

TASKS = Path(__file__).parent / "tasks"


@pytest.fixture(scope="module")
def lm(model: tl.Model) -> Any:
    return adapter.TempoLM(model, batch_size=4)


def asked(*args: Any) -> Any:
    return SimpleNamespace(args=args)


def by_hand(model: tl.Model, ids: Any, first: int) -> tuple[float, bool]:
    logits = model(ids).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    places = range(first, len(ids))
    return sum(float(logprobs[i - 1, ids[i]]) for i in places), all(logits[i - 1].argmax() == ids[i] for i in places)


def test_tasks(lm: Any, model: tl.Model) -> None:
    manager = pytest.importorskip("lm_eval.tasks").TaskManager(include_path=str(TASKS), include_defaults=False)
    names = ["tempo_choices", "tempo_texts", "tempo_answers"]
    found = harness.simple_evaluate(model=lm, tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=True)
    assert found["results"]["tempo_choices"]["acc,none"] == 1
    texts = [sample["doc"]["text"] for sample in found["samples"]["tempo_texts"]]
    total = sum(by_hand(model, model.to_tokens(text), 1)[0] for text in texts)
    words = sum(len(text.split()) for text in texts)
    assert math.log(found["results"]["tempo_texts"]["word_perplexity,none"]) == pytest.approx(-total / words, rel=1e-4)
    answers = [sample["resps"][0][0] for sample in found["samples"]["tempo_answers"]]
    greedy = model.generate("The cat sat on the", steps=12)
    assert answers[0] == greedy.split(".")[0].split("\n")[0] and answers[0]


def test_numbers_are_those_of_logits(lm: Any, model: tl.Model) -> None:
    pairs = [
        ("The cat sat on the", " floor"),
        ("The cat sat on the ", "floor of the"),
        ("", "The cat"),
        ("A man", " went out"),
        ("Hi", ""),
    ]
    found = lm.loglikelihood([asked(*pair) for pair in pairs])
    for (context, continuation), (of, greedy) in zip(pairs, found, strict=True):
        whole = model.to_tokens(context + continuation)
        first = len(model.to_tokens(context.rstrip()))
        value, is_greedy = by_hand(model, whole, first)
        assert of == pytest.approx(value, abs=1e-4) and greedy == is_greedy
    alone = [lm.loglikelihood([asked(*pair)])[0] for pair in pairs]
    assert alone == found  # to the bit, whatever was beside it
    best = model.generate("The cat sat on the", steps=3)
    assert lm.loglikelihood([asked("The cat sat on the", best)])[0][1] is True


def test_long_texts(lm: Any, model: tl.Model) -> None:
    text = "A man went down to the sea. " * 100
    ids = model.to_tokens(text)
    assert len(ids) > model.cfg.n_ctx
    context, continuation = text[:-9], text[-9:].rstrip()
    back = len(lm._pair(context, continuation)[1])
    whole = lm.tok_encode(context + continuation)
    value, _ = by_hand(model, whole[-model.cfg.n_ctx :], model.cfg.n_ctx - back)
    assert lm.loglikelihood([asked(context, continuation)])[0][0] == pytest.approx(value, abs=1e-4)
    rolling = lm.loglikelihood_rolling([asked(text)])[0]
    # the second window is as long as the context lets it be, and scores what the first did not
    whole_windows = by_hand(model, ids[:512], 1)[0] + by_hand(model, ids[-512:], 512 - (len(ids) - 512))[0]
    assert len(ids) < 2 * 512 and rolling == pytest.approx(whole_windows, abs=1e-3)
    with pytest.raises(ValueError, match="does not fit a context of 512"):
        lm.loglikelihood([asked("A", text)])


def test_answers(lm: Any, model: tl.Model) -> None:
    ask = {"until": ["zzz"], "max_gen_toks": 6}
    whole = model.generate("The cat sat on the", steps=6)
    stop = whole.split()[2]
    assert lm.generate_until([asked("The cat sat on the", ask)]) == [whole]
    assert lm.generate_until([asked("The cat sat on the", {"until": stop, "max_gen_toks": 6})]) == [
        whole[: whole.index(stop)]
    ]
    prompts = ["The cat sat on the", "Once upon a", "A man went out to the", "", "She said", "He looked at"]
    ask = {"until": [" the", "."], "max_gen_toks": 9}
    together = lm.generate_until([asked(p, ask) for p in prompts])
    assert together == [lm.generate_until([asked(p, ask)])[0] for p in prompts] and len(set(together)) > 3
    for prompt, answer in zip(prompts[:3], together, strict=False):
        greedy = model.generate(prompt, steps=9)
        assert answer == greedy[: min(greedy.find(s) if s in greedy else 999 for s in (" the", "."))]
    other = {"until": [], "max_gen_toks": 2}
    mixed = lm.generate_until([asked(prompts[0], ask), asked(prompts[0], other), asked(prompts[1], ask)])
    assert mixed == [together[0], model.generate(prompts[0], steps=2), together[1]]
    greedy = {"do_sample": False, "temperature": 0.7, "max_gen_toks": 6}
    assert lm.generate_until([asked("The cat sat on the", greedy)]) == [whole]
    drawn = {"do_sample": True, "temperature": 1.5, "max_gen_toks": 6, "seed": 3}
    one, two = lm.generate_until([asked("The cat", drawn), asked("The cat", drawn)])
    assert one == two != lm.generate_until([asked("The cat", {**drawn, "seed": 4})])[0]
    assert lm.generate_until([asked("A man went down to the sea. " * 100, {"max_gen_toks": 6})])[0]
    with pytest.raises(ValueError, match="num_beams"):
        lm.generate_until([asked("A", {"num_beams": 2})])
    with pytest.raises(ValueError, match="max_gen_toks"):
        lm.generate_until([asked("A", {"max_gen_toks": 512})])


def test_conversations_and_tokens(lm: Any, model: tl.Model) -> None:
    text = lm.apply_chat_template([{"role": "user", "content": "Hi"}])
    assert "Hi" in text and text.startswith("<|begin_of_text|>") == (
        lm.tok_encode(text)[0] == model.tokenizer_info["bos"]
    )
    ids = lm.tok_encode(text)
    assert (ids == model.tokenizer_info["bos"]).sum() == 1
    assert lm.tokenizer_name == "tempo-tiny"
    given = adapter.TempoLM.create_from_arg_obj(
        {"kv": "f16"}, {"batch_size": 2, "max_batch_size": None, "device": "cuda:0"}
    )
    given.model.close()


def test_its_name_in_the_harness() -> None:
    assert pytest.importorskip("lm_eval.api.registry").get_model("tempo") is adapter.TempoLM
