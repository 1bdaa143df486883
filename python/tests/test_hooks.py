"""Hooks and edits: they see and change what a pass computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


def test_a_hook_gets_the_whole_prompt_and_changes_what_follows(model: tl.Model) -> None:
    seen: list[tuple[str, int, tuple[int, ...]]] = []

    def ablate(values: Any, hook: tl.HookPoint) -> None:
        seen.append((hook.name, hook.layer(), values.shape))
        values[:, 7] = 0

    logits = model.run_with_hooks(TEXT, fwd_hooks=[("blocks.5.attn.hook_z", ablate)])
    assert seen == [("blocks.5.attn.hook_z", 5, (6, 8, 32))]
    with model.edits("zero blocks.5.attn.hook_z heads=7"):
        assert model(TEXT).tobytes() == logits.tobytes()
    assert model(TEXT).tobytes() != logits.tobytes()


def test_values_may_be_returned(model: tl.Model) -> None:
    logits = model.run_with_hooks(TEXT, [("blocks.5.attn.hook_z", lambda v, hook: v * 0.5)])
    with model.edits("scale 0.5 blocks.5.attn.hook_z"):
        assert model(TEXT).tobytes() == logits.tobytes()


@pytest.mark.parametrize("name", ["hook_embed", "blocks.0.hook_resid_pre", "blocks.2.ln1.hook_normalized", "blocks.2.attn.hook_q",
    "blocks.2.attn.hook_k", "blocks.2.attn.hook_v", "blocks.2.attn.hook_rot_k", "blocks.2.attn.hook_attn_scores", "blocks.2.attn.hook_pattern",
    "blocks.2.hook_attn_out", "blocks.2.hook_resid_mid", "blocks.2.mlp.hook_pre", "blocks.2.mlp.hook_post", "blocks.2.hook_mlp_out",
    "blocks.7.hook_resid_post", "ln_final.hook_normalized", "logits"])  # fmt: skip
def test_rows_may_be_mixed(model: tl.Model, name: str) -> None:
    """What a hook makes of several rows: the same as writing, in a second run, what it made in the first."""
    made: list[np.ndarray[Any, Any]] = []

    def mix(values: Any, hook: tl.HookPoint) -> Any:
        out = 0.5 * values + 0.25 * values.mean(axis=0, keepdims=True) if "scores" not in hook.name else values * 0.5
        made.append(out.astype(np.float32))
        return out

    logits = model.run_with_hooks(TEXT, [(name, mix)])
    again = model.run_with_hooks(TEXT, [(name, lambda v, hook: made[0])])
    assert len(made) == 1 and logits.tobytes() == again.tobytes()
    assert logits.tobytes() != model(TEXT).tobytes()
    plain, cache = model.run_with_cache(TEXT, name, fwd_hooks=[(name, mix)])
    assert plain.tobytes() == logits.tobytes()
    kept = cache[name]
    assert np.array_equal(
        np.tril(kept) if "pattern" in name else kept, np.tril(made[0]) if "pattern" in name else made[0]
    )


def test_all_rows_of_a_residual_stream_patched_from_another_prompt(model: tl.Model) -> None:
    clean, corrupt = model.to_tokens("The cat sat on the"), model.to_tokens("The dog sat on the")
    _, cache = model.run_with_cache(clean, "resid_pre")

    def patch(values: Any, hook: tl.HookPoint) -> None:
        values[...] = cache[hook.name]

    assert model.run_with_hooks(corrupt, [("blocks.0.hook_resid_pre", patch)]).tobytes() == model(clean).tobytes()


def test_several_hooks_in_order_with_a_context(model: tl.Model) -> None:
    order: list[str] = []

    def first(values: Any, hook: tl.HookPoint) -> Any:
        order.append(f"first {hook.name}")
        hook.ctx["n"] = hook.ctx.get("n", 0) + 1
        return values + 1

    def second(values: Any, hook: tl.HookPoint) -> None:
        order.append(f"second {hook.name} {hook.ctx}")
        values -= 1

    model.run_with_hooks(TEXT, [("resid_post:layers=0-1", first), (lambda n: n == "blocks.0.hook_resid_post", second)])
    assert order == [
        "first blocks.0.hook_resid_post",
        "second blocks.0.hook_resid_post {}",
        "first blocks.1.hook_resid_post",
    ]


def test_prompts_of_a_list_are_shown_one_by_one(model: tl.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, tuple[int, ...]]] = []

    def see(values: Any, hook: tl.HookPoint) -> None:
        shapes.append((hook.prompt, values.shape))
        values *= 0.5

    monkeypatch.setattr("tempo_lm._passes.MOST_ROWS", 7)
    together = model.run_with_hooks([TEXT, "A", TEXT], [("pattern:layers=1", see)])
    assert shapes == [(0, (8, 6, 6)), (1, (8, 2, 2)), (2, (8, 6, 6))]
    assert (
        together[0].tobytes()
        == together[2].tobytes()
        == model.run_with_hooks(TEXT, [("pattern:layers=1", see)]).tobytes()
    )


def test_what_the_model_does_not_read_is_read_only(model: tl.Model) -> None:
    shapes: list[tuple[int, ...]] = []
    model.run_with_hooks(TEXT, [("blocks.1.attn.hook_result", lambda v, hook: shapes.append(v.shape))])
    assert shapes == [(6, 8, 256)]
    with pytest.raises(ValueError, match="read-only"):
        model.run_with_hooks(TEXT, [("blocks.1.attn.hook_result", lambda v, hook: v.fill(0))])
    with pytest.raises(ValueError, match="does not read"):
        model.run_with_hooks(TEXT, [("blocks.1.attn.hook_result", lambda v, hook: v * 2)])


def test_values_may_be_kept_and_are_read_only_afterwards(model: tl.Model) -> None:
    kept: list[Any] = []
    model.run_with_hooks(TEXT, [("blocks.1.hook_resid_post", lambda v, hook: kept.append(v))])
    _, cache = model.run_with_cache(TEXT, "blocks.1.hook_resid_post")
    model("Another prompt that takes the same memory")
    assert np.array_equal(kept[0], cache["resid_post", 1])
    with pytest.raises(ValueError, match="read-only"):
        kept[0][0] = 1


class Mine(Exception):
    pass


def test_exceptions_come_out_unchanged_and_the_model_goes_on(model: tl.Model) -> None:
    error = Mine("here")

    def fail(values: Any, hook: tl.HookPoint) -> None:
        raise error

    before = model(TEXT)
    with pytest.raises(Mine) as raised:
        model.run_with_hooks(TEXT, [("blocks.3.hook_resid_mid", fail)])
    assert raised.value is error
    with pytest.raises(KeyboardInterrupt):
        model.run_with_hooks(
            TEXT, [("blocks.3.hook_resid_mid", lambda v, hook: (_ for _ in ()).throw(KeyboardInterrupt))]
        )
    assert model(TEXT).tobytes() == before.tobytes()


@pytest.mark.parametrize("hooks, kind, words", [
    ([("blocks.3.attn.hook_zz", len)], ValueError, r"fwd_hooks\[0\].*did you mean 'blocks.3.attn.hook_z'"),
    ([("z", 3)], TypeError, "a pair of a name and a function"),
    (["z"], TypeError, "a pair of a name and a function"),
    ([("blocks.0.attn.hook_z", lambda v, hook: v[0])], ValueError, r"returns shape \(8, 32\), not \(6, 8, 32\)"),
])  # fmt: skip
def test_hooks_that_are_none(model: tl.Model, hooks: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        model.run_with_hooks(TEXT, hooks)


def test_hooks_in_force(model: tl.Model) -> None:
    plain = model(TEXT)
    with model.hooks(fwd_hooks=[("blocks.5.attn.hook_z", lambda v, hook: v * 0)]):
        inside = model(TEXT)
        _, cache = model.run_with_cache(TEXT, "blocks.5.attn.hook_z")
        assert not cache["z", 5].any()
    assert inside.tobytes() != plain.tobytes() and model(TEXT).tobytes() == plain.tobytes()


def test_edits_stack_and_end(model: tl.Model) -> None:
    plain = model(TEXT)
    with model.edits("zero blocks.5.attn.hook_z heads=7") as outer:
        once = model(TEXT)
        with model.edits("add blocks.2.hook_resid_post vector=v times=2", v=np.ones(256)) as inner:
            assert len(inner) == 2 and outer.texts[0] in repr(inner)
            assert model(TEXT).tobytes() != once.tobytes()
        assert model(TEXT).tobytes() == once.tobytes()
    assert model(TEXT).tobytes() == plain.tobytes()


@pytest.mark.parametrize("text, arrays, words", [
    ("zeroo blocks.5.attn.hook_z", {}, "zeroo"),
    ("zero blocks.9.attn.hook_z", {}, "blocks.9.attn.hook_z"),
    ("add blocks.2.hook_resid_post vector=v", {"v": np.ones(3)}, "vector|256"),
    ("add blocks.2.hook_resid_post vector=nothing", {}, "nothing"),
])  # fmt: skip
def test_edits_that_are_none(model: tl.Model, text: str, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(tl.TempoError, match=words):
        with model.edits(text, **arrays):
            pass
    assert model(TEXT).shape == (6, 4096)
