"""Opening models, and logits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tempo_lm as tl

TEXT = "The cat sat on the"


def test_cfg_has_the_names_of_transformer_lens(model: tl.Model) -> None:
    cfg = model.cfg
    assert (cfg.n_layers, cfg.d_model, cfg.n_heads, cfg.d_head, cfg.d_mlp) == (8, 256, 8, 32, 704)
    assert (cfg.d_vocab, cfg.n_ctx, cfg.n_key_value_heads) == (4096, 512, 4)
    assert cfg.model_name == "tempo-tiny" and cfg.original_architecture == "llama"


def test_logits_of_all_positions(model: tl.Model) -> None:
    logits = model(TEXT)
    assert logits.shape == (6, 4096) and logits.dtype == np.float32 and logits.flags.c_contiguous
    assert np.isfinite(logits).all()
    again = model(model.to_tokens(TEXT))
    assert again.tobytes() == logits.tobytes() and again is not logits


def test_a_prefix_has_the_same_bits(model: tl.Model) -> None:
    ids = model.to_tokens(TEXT)
    assert model(ids[:3]).tobytes() == model(ids)[:3].tobytes()


def test_prompts_of_a_list_have_the_bits_that_they_have_alone(model: tl.Model) -> None:
    texts = [TEXT, "A", "One two three four five six seven", TEXT]
    together = model(texts)
    assert [len(x) for x in together] == [len(model.to_tokens(t)) for t in texts]
    for text, logits in zip(texts, together, strict=True):
        assert logits.tobytes() == model(text).tobytes()


def test_prompts_are_cut_into_passes_without_changing_a_bit(model: tl.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [TEXT, "A", "One two three four five six seven"]
    whole = model(texts)
    monkeypatch.setattr("tempo_lm._passes.MOST_ROWS", 4)
    for a, b in zip(whole, model(texts), strict=True):
        assert a.tobytes() == b.tobytes()


def test_sets_share_a_position_and_see_by_mode(model: tl.Model) -> None:
    ids = model.to_tokens(TEXT)
    sets = [0, 1, 2, 3, 3, 3]
    runs = {mode: model(ids, sets=sets, mode=mode) for mode in ("isolated", "visible", "causal")}
    assert runs["isolated"][:4].tobytes() == model(ids)[:4].tobytes()
    assert runs["causal"][3].tobytes() == runs["isolated"][3].tobytes()
    assert runs["causal"][4].tobytes() != runs["isolated"][4].tobytes()
    assert runs["visible"][3].tobytes() != runs["causal"][3].tobytes()
    assert runs["visible"][5].tobytes() != runs["causal"][5].tobytes()  # its siblings have seen it


def test_positions(model: tl.Model) -> None:
    ids = model.to_tokens(TEXT)
    assert model(ids, positions=np.arange(6)).tobytes() == model(ids).tobytes()
    assert model(ids, positions=np.arange(6) * 2.0).tobytes() != model(ids).tobytes()


@pytest.mark.parametrize(
    "how, words",
    [
        ({"sets": [0, 0]}, "one number for each of 6 tokens"),
        ({"sets": [0, 1, 3, 4, 5, 6]}, "one more"),
        ({"sets": [1, 1, 1, 1, 1, 1]}, "numbers from 0"),
        ({"positions": [0.0]}, "positions: one for each"),
        ({"mode": "visble"}, "did you mean 'visible'"),
    ],
)
def test_sets_that_do_not_fit(model: tl.Model, how: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model(TEXT, **how)


def test_no_token_and_too_many(model: tl.Model) -> None:
    with pytest.raises(ValueError, match="no token at all"):
        model(np.zeros(0, np.int32))
    with pytest.raises(ValueError, match=r"tokens\[1\]: no token"):
        model([np.ones(1, np.int32), np.zeros(0, np.int32)])
    with pytest.raises(tl.TempoError) as raised:
        model(np.ones(513, np.int32))
    assert raised.value.code == "limit" and "512" in raised.value.message


def test_models_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(tl.TempoError) as raised:
        tl.Model.from_pretrained("no-one/no-model")
    assert raised.value.code == "not found" and "no-one/no-model" in str(raised.value)
    (tmp_path / "x.gguf").write_bytes(b"GGUF\x03\0\0\0")
    with pytest.raises(tl.TempoError) as raised:
        tl.Model.from_pretrained(tmp_path / "x.gguf")
    assert raised.value.code == "format" and raised.value.offset is not None
    with pytest.raises(TypeError, match="name"):
        tl.Model.from_pretrained(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "how, kind",
    [
        ({"compute": "fats"}, ValueError),
        ({"kv": "f61"}, ValueError),
        ({"threads": 0}, ValueError),
        ({"threads": 1.5}, TypeError),
        ({"cpu": "z80"}, ValueError),
    ],
)
def test_options_of_opening(how: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind, match="|".join([*how, *map(str, how.values())])):
        tl.Model.from_pretrained(**how)  # type: ignore[arg-type]


def test_a_half_precision_cache_is_another_number() -> None:
    with tl.Model.from_pretrained(threads=1) as full, tl.Model.from_pretrained(threads=1, kv="f16") as half:
        assert np.abs(full(TEXT) - half(TEXT)).max() < 0.1
        assert full(TEXT).tobytes() != half(TEXT).tobytes()


def test_threads_and_kernels_change_no_bit_or_little(model: tl.Model) -> None:
    with tl.Model.from_pretrained(threads=2) as two:
        assert two(TEXT).tobytes() == model(TEXT).tobytes()
    with tl.Model.from_pretrained(threads=1, cpu="scalar") as plain:
        assert plain.cfg.kernels == "scalar"
        assert np.abs(plain(TEXT) - model(TEXT)).max() < 1e-3


def test_a_file_that_changes_is_noticed(tmp_path: Path, shared: Path) -> None:
    copy = tmp_path / "m.gguf"
    shutil.copy(shared / "models" / "stories260K.gguf", copy)
    with tl.Model.from_pretrained(copy, threads=1) as m:
        m([1, 2])
        with copy.open("ab") as file:
            file.write(b"x")
        with pytest.raises(tl.TempoError) as raised:
            m([1, 2])
        assert raised.value.code == "io"


def test_closing_twice_and_using_after() -> None:
    m = tl.Model.from_pretrained(threads=1)
    logits = m(TEXT)
    m.close()
    m.close()
    assert m.closed and "closed" in repr(m)
    assert np.isfinite(logits).all()
    for use in (lambda: m(TEXT), lambda: m.to_tokens("x"), lambda: m.to_string([1])):
        with pytest.raises(tl.ClosedError):
            use()


def test_the_short_way_and_the_long_one(model: tl.Model) -> None:
    """int32 ids take the short way; lists of numbers the long one."""
    for n in (1, 6, 3, 40, 6):
        ids = (np.arange(n, dtype=np.int32) * 37 + 11) % 4096
        assert model(ids).tobytes() == model(ids.tolist()).tobytes()
    with pytest.raises(ValueError, match="id 4096 at 1"):
        model(np.array([1, 4096], np.int32))


def test_results_that_are_held_are_never_given_out_again(model: tl.Model) -> None:
    ids = [(np.arange(8, dtype=np.int32) * k + 11) % 4096 for k in (3, 5, 7, 11, 13, 17)]
    want = [model(i.tolist()) for i in ids]
    held = [model(i) for i in ids]
    rows = [model(i)[3] for i in ids]
    views = [memoryview(model(i)) for i in ids]  # type: ignore[arg-type]
    for k, logits in enumerate(want):
        assert held[k].tobytes() == logits.tobytes() == views[k].tobytes()
        assert rows[k].tobytes() == logits[3].tobytes()


def test_memory_that_nobody_holds_is_used_again(model: tl.Model) -> None:
    ids = np.arange(8, dtype=np.int32)
    places = {model(ids).__array_interface__["data"][0] for _ in range(20)}
    assert len(places) <= 2
