"""The logit lens and direct logit attribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


def softmax(x: Any) -> Any:
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_the_last_point_is_the_models_own(model: tl.Model) -> None:
    cat = model.to_single_token(" cat")
    found = tl.lens(model, TEXT, top=3, of=[" cat", 5])
    q = softmax(model(TEXT))
    assert found.layers.tolist() == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert found.top_ids.shape == found.top_q.shape == (6, 9, 3)
    assert found.top_ids[:, -1, 0].tolist() == q.argmax(-1).tolist()
    assert np.allclose(found.token_q[:, -1, 0], q[:, cat]) and found.tokens.tolist() == [cat, 5]
    assert found.token_ranks[0, -1, 0] == 1 + (q[0] > q[0, cat]).sum()
    assert np.allclose(found.entropy[:, -1], -(q * np.log(q)).sum(-1)) and np.allclose(found.kl[:, -1], 0)
    assert (found.kl[:, 0] > 0.1).all()
    assert found.str_tokens[1] == "The" and found.top_str[5][8][0] == model.to_single_str_token(
        int(found.top_ids[5, 8, 0])
    )


def test_of_a_cache_it_is_the_same(model: tl.Model) -> None:
    _, cache = model.run_with_cache(TEXT, ["resid_pre", "resid_post"])
    a, b = cache.logit_lens(top=2), tl.lens(model, TEXT, top=2)
    assert a.top_q.tobytes() == b.top_q.tobytes() and a.kl.tobytes() == b.kl.tobytes() and a.top_str == b.top_str
    _, cache = model.run_with_cache(TEXT, "resid_pre")
    with pytest.raises(KeyError, match="resid_post"):
        cache.logit_lens()


def test_a_table(model: tl.Model) -> None:
    pytest.importorskip("pandas")
    table = tl.lens(model, TEXT).to_pandas()
    assert list(table.columns) == ["pos", "token", "layer", "top", "probability", "entropy", "kl"] and len(table) == 54


def test_tokens_that_are_none(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="tokens: 'The cat' is 2 tokens"):
        tl.lens(model, TEXT, of="The cat")
    with pytest.raises(ValueError, match="top"):
        tl.lens(model, TEXT, top=257)
    with pytest.raises(TypeError, match="one prompt"):
        tl.lens(model, [TEXT, TEXT])  # type: ignore[list-item]


def test_the_parts_of_a_logit_add_up(model: tl.Model) -> None:
    found = tl.attribute(model, TEXT, " cat", minus=" dog", heads=True)
    cat, dog = model.to_single_token(" cat"), model.to_single_token(" dog")
    logits = model(TEXT).astype(np.float64)
    assert np.allclose(found.logit, logits[:, cat] - logits[:, dog])
    assert found.attn.shape == found.mlp.shape == (6, 8) and found.heads is not None and found.heads.shape == (6, 8, 8)
    total = found.embed + found.attn.sum(1) + found.mlp.sum(1) + found.constant
    assert np.allclose(total + found.rest, found.logit) and (np.abs(found.rest) <= found.bound).all()
    assert np.allclose(found.heads.sum(2), found.attn, atol=1e-4)
    assert tl.attribute(model, TEXT, cat).heads is None


def test_edits_in_force_are_in_the_lens(model: tl.Model) -> None:
    plain = tl.lens(model, TEXT)
    with model.edits("zero blocks.3.hook_mlp_out"):
        edited = tl.lens(model, TEXT)
    assert plain.top_q[:, :4].tobytes() == edited.top_q[:, :4].tobytes()
    assert plain.top_q[:, 4:].tobytes() != edited.top_q[:, 4:].tobytes()
