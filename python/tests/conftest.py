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


def pytest_configure(config: pytest.Config) -> None:
    """What goes wrong in a destructor or in a thread fails the test in which it is seen."""
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnraisableExceptionWarning")
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")
