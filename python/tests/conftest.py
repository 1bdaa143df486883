"""What tests share: the built-in model, opened once, and where models for tests lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tempo_lm as tl

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def model() -> Iterator[tl.Model]:
    """The built-in model.  Tests that close one open their own."""
    with tl.Model.from_pretrained(threads=1) as m:
        yield m


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and golden files for tests; skips where it is not there."""
    if not (SHARED / "models").is_dir():
        pytest.skip("no ../shared/models here")
    return SHARED
