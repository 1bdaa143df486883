"""What the tasks beside this file are made of."""

from __future__ import annotations

from typing import Any

from datasets import Dataset


def _task(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"test": Dataset.from_list(rows)}


def choices(**kwargs: Any) -> dict[str, Any]:
    """A question, four ends, the right one's number."""
    rows = [
        ("The cat sat on the", ["of", "and", "floor", "mine"], 2),
        ("Once upon a", ["of", "time", "was", "the"], 1),
        ("She opened the door and went", ["whose", "the", "said", "out"], 3),
        ("He looked at", ["of", "him", "and", "was"], 1),
        ("", ["zz", "qq", "xx", "The"], 3),
    ]
    return _task([{"question": q, "choices": c, "answer": a} for q, c, a in rows])


def texts(**kwargs: Any) -> dict[str, Any]:
    return _task([{"text": "The cat sat on the mat."}, {"text": "A man went down to the sea."}])


def questions(**kwargs: Any) -> dict[str, Any]:
    return _task([{"question": "The cat sat on the", "answer": "x"}, {"question": "Once upon a", "answer": "x"}])
