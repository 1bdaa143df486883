"""score: against the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the mat"


def softmax(x: Any) -> Any:
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_columns_are_what_the_logits_say(model: tl.Model) -> None:
    ids, q = model.to_tokens(TEXT), softmax(model(TEXT))
    s = model.score(TEXT, top=3)
    n = len(ids)
    own = q[np.arange(n - 1), ids[1:]]
    assert np.allclose(s["logprob"][1:], np.log(own)) and np.isnan(s["logprob"][0])
    assert s["rank"].tolist() == [0] + [1 + int((q[i] > own[i]).sum()) for i in range(n - 1)]
    assert np.allclose(s["entropy"][1:], -(q * np.log(q)).sum(-1)[:-1])
    assert s["top_ids"][1:, 0].tolist() == q[:-1].argmax(-1).tolist() and s["top_ids"].shape == (n, 3)
    assert s["id"].tolist() == ids.tolist() and s["token"][1] == "The" and s["context"].tolist() == list(range(n))
    assert s.n_scored == n - 1 and np.isclose(s.perplexity, np.exp(-s["logprob"][1:].mean()))
    assert "perplexity" in repr(s) and set(s) >= {"position", "id", "token", "logprob", "entropy", "rank"}


def test_texts_together_have_the_same_bits(model: tl.Model) -> None:
    texts = [TEXT, "One two three", TEXT]
    for text, s in zip(texts, model.score(texts), strict=True):
        assert s["logprob"].tobytes() == model.score(text)["logprob"].tobytes()


def test_context_and_edits(model: tl.Model) -> None:
    s = model.score(TEXT, first=4)
    assert s.n_scored == len(s["id"]) - 4 and np.isnan(s["logprob"][:4]).all()
    assert [one.n_scored for one in model.score([TEXT, TEXT], first=[4, 5])] == [s.n_scored, s.n_scored - 1]
    with model.edits("zero blocks.3.hook_mlp_out"):
        edited = model.score(TEXT)["logprob"]
    assert edited.tobytes() != model.score(TEXT)["logprob"].tobytes()


def test_a_table(model: tl.Model) -> None:
    pytest.importorskip("pandas")
    table = model.score(TEXT, top=2).to_pandas()
    assert list(table.columns) == ["position", "id", "token", "logprob", "entropy", "rank", "context", "top_id_0", "top_logprob_0", "top_id_1", "top_logprob_1"]  # fmt: skip


def test_what_is_wrong(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="first"):
        model.score([TEXT, TEXT], first=[1])
    with pytest.raises(ValueError, match="top"):
        model.score(TEXT, top=300)
    with pytest.raises(tl.TempoError) as raised:
        model.score(np.ones(600, np.int32))
    assert raised.value.code == "limit"
    assert model.score(np.ones(600, np.int32), stride=100).n_scored == 599
    with model.hooks([("z", lambda v, hook: None)]), pytest.raises(ValueError, match="edits do"):
        model.score(TEXT)
