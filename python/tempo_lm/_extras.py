"""Packages that are only needed by some functions: imported when one is called, with a message that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

_EXTRAS = {"pandas": "frame", "pyarrow": "parquet", "matplotlib": "plot", "lm_eval": "lm_eval"}


def need(package: str) -> Any:
    """The module.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        top = package.split(".")[0]
        raise ImportError(
            f"this needs {top}, which is not installed: pip install 'tempo-lm[{_EXTRAS.get(top, top)}]'"
        ) from error


def pandas() -> Any:
    return need("pandas")
