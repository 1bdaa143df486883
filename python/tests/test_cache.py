"""run_with_cache and ActivationCache."""

from __future__ import annotations

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"
N, D, HEADS, D_HEAD, LAYERS, KV = 6, 256, 8, 32, 8, 4


def test_everything_by_default_with_the_shapes_of_transformer_lens(model: tl.Model) -> None:
    logits, cache = model.run_with_cache(TEXT)
    assert logits.tobytes() == model(TEXT).tobytes()
    assert list(cache) == [n for n in model.hook_names if not n.endswith(("hook_result", "logits"))]
    shapes = {
        "hook_embed": (N, D), "blocks.3.hook_resid_mid": (N, D), "blocks.0.ln1.hook_scale": (N, 1),
        "blocks.2.attn.hook_q": (N, HEADS, D_HEAD), "blocks.2.attn.hook_k": (N, KV, D_HEAD), "blocks.7.attn.hook_z": (N, HEADS, D_HEAD),
        "blocks.7.attn.hook_pattern": (HEADS, N, N), "blocks.1.mlp.hook_post": (N, 704), "ln_final.hook_normalized": (N, D),
    }  # fmt: skip
    for name, shape in shapes.items():
        assert cache[name].shape == shape and cache[name].dtype == np.float32 and cache[name].flags.c_contiguous
    pattern = cache["pattern", 0]
    assert np.allclose(pattern.sum(-1), 1) and (np.triu(pattern[0], 1) == 0).all()


def test_the_parts_add_up(model: tl.Model) -> None:
    _, cache = model.run_with_cache(TEXT)
    parts, labels = cache.decompose_resid()
    assert parts.shape == (1 + 2 * LAYERS, N, D) and labels[:3] == ["embed", "0_attn_out", "0_mlp_out"]
    assert np.allclose(parts.sum(0), cache["resid_post", -1], atol=1e-4)
    points, names = cache.accumulated_resid(incl_mid=True)
    assert points.shape == (2 * LAYERS + 1, N, D) and names[1] == "0_mid" and names[-1] == "final_post"
    assert cache.stack("resid_post").shape == (LAYERS, N, D)


def test_result_only_by_name_and_it_adds_up(model: tl.Model) -> None:
    _, cache = model.run_with_cache(TEXT, ["blocks.2.attn.hook_result", "blocks.2.hook_attn_out"])
    assert cache["result", 2].shape == (N, HEADS, D)
    assert np.allclose(cache["result", 2].sum(1), cache["attn_out", 2], atol=1e-4)


@pytest.mark.parametrize("names, found", [
    ("blocks.3.attn.hook_pattern", ["blocks.3.attn.hook_pattern"]),
    ("pattern:layers=2-3", ["blocks.2.attn.hook_pattern", "blocks.3.attn.hook_pattern"]),
    (["hook_embed", "ln1.scale:layers=0"], ["hook_embed", "blocks.0.ln1.hook_scale"]),
    (lambda name: name.endswith("7.hook_resid_post"), ["blocks.7.hook_resid_post"]),
    ([], []),
])  # fmt: skip
def test_names_filter(model: tl.Model, names: object, found: list[str]) -> None:
    _, cache = model.run_with_cache(TEXT, names)  # type: ignore[arg-type]
    assert list(cache.keys()) == found


def test_a_name_that_is_not_there_says_the_nearest(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="did you mean 'blocks.3.attn.hook_pattern'"):
        model.run_with_cache(TEXT, "blocks.3.attn.hook_patern")
    with pytest.raises(ValueError, match="names_filter"):
        model.run_with_cache(TEXT, "blocks.8.attn.hook_pattern")
    with pytest.raises(TypeError, match="names_filter"):
        model.run_with_cache(TEXT, [3])  # type: ignore[list-item]
    _, cache = model.run_with_cache(TEXT, "pattern")
    with pytest.raises(KeyError, match="names_filter says what is kept"):
        cache["hook_embed"]
    with pytest.raises(KeyError, match="which layer"):
        cache["pattern"]
    assert ("pattern", 3) in cache and "hook_embed" not in cache and ("pattern", 99) not in cache


def test_a_list_of_prompts_has_the_bits_of_each(model: tl.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [TEXT, "A", "One two three four five six seven"]
    alone = [model.run_with_cache(t) for t in texts]
    for most in (512, 5):
        monkeypatch.setattr("tempo_lm._passes.MOST_ROWS", most)
        logits, caches = model.run_with_cache(texts)
        for (a, cache), b, other in zip(alone, logits, caches, strict=True):
            assert a.tobytes() == b.tobytes() and list(cache) == list(other)
            for name in cache:
                assert cache[name].tobytes() == other[name].tobytes(), name


def test_another_type_and_a_table(model: tl.Model) -> None:
    pd = pytest.importorskip("pandas")
    _, cache = model.run_with_cache(TEXT, ["pattern:layers=0", "hook_embed"])
    assert cache.to(np.float64)["pattern", 0].dtype == np.float64 and cache.to("cpu") is cache
    table = cache.to_pandas(("pattern", 0))
    assert isinstance(table, pd.DataFrame) and list(table.columns) == ["head", "query", "key", "value"]
    row = table[(table["head"] == 2) & (table["query"] == 4) & (table["key"] == 1)]
    assert row["value"].item() == cache["pattern", 0][2, 4, 1]
    assert list(cache.to_pandas("hook_embed").columns) == ["pos", "index", "value"]
