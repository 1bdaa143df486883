"""Text and token ids."""

from __future__ import annotations

import numpy as np
import pytest
import tempo_lm as tl


def test_a_text_and_back(model: tl.Model) -> None:
    ids = model.to_tokens("The cat sat")
    assert ids.dtype == np.int32 and ids.ndim == 1
    assert model.to_str_tokens(ids) == ["<|begin_of_text|>", "The", " cat", " sat"]
    assert model.to_string(ids[1:]) == "The cat sat"
    assert model.to_string(ids) == "<|begin_of_text|>The cat sat"
    assert model.to_string(ids, special=False) == "The cat sat"


def test_the_first_token_at_will(model: tl.Model) -> None:
    rule = model.to_tokens("The cat")
    assert model.to_tokens("The cat", prepend_bos=True).tolist() == rule.tolist()
    assert model.to_tokens("The cat", prepend_bos=False).tolist() == rule[1:].tolist()
    assert model.tokenizer_info["bos"] == rule[0]


def test_special_tokens_in_a_text(model: tl.Model) -> None:
    assert len(model.to_tokens("<|begin_of_text|>", prepend_bos=False)) == 1
    assert len(model.to_tokens("<|begin_of_text|>", prepend_bos=False, special=False)) > 1


def test_a_list_of_texts(model: tl.Model) -> None:
    both = model.to_tokens(["The cat", ""])
    assert [len(ids) for ids in both] == [3, 1]


def test_single_tokens(model: tl.Model) -> None:
    cat = model.to_single_token(" cat")
    assert model.to_single_str_token(cat) == " cat"
    with pytest.raises(ValueError, match=r"'The cat' is 2 tokens \('The', ' cat'\), not one"):
        model.to_single_token("The cat")


def test_text_that_is_no_utf8_names_its_place(model: tl.Model) -> None:
    with pytest.raises(tl.TempoError) as raised:
        model.to_tokens("ab\ud800")
    assert raised.value.code == "format" and raised.value.offset == 2


@pytest.mark.parametrize(
    "bad, kind, words",
    [
        ([1, 4096], ValueError, "id 4096 at 1 is not below 4096"),
        ([-1], ValueError, "id -1 at 0"),
        (np.array([0.5]), TypeError, "token ids are expected"),
        (np.zeros((2, 3), np.int32), ValueError, r"shape \(2, 3\)"),
    ],
)
def test_ids_that_are_none(model: tl.Model, bad: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        model.to_string(bad)  # type: ignore[arg-type]
