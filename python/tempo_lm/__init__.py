"""tempo for Python: language models on the CPU, looked into and decoded with parallel sets.

    import tempo_lm as tl
    m = tl.Model.from_pretrained()          # None: the built-in model; a path, a .gguf, "org/name", "org/name:Q4_K_M"
    logits = m(m.to_tokens("The cat"))      # float32 [pos, d_vocab]

Every number comes from the C library libtempo; arrays are numpy's.
"""

from __future__ import annotations

from ._library import version as __version__
from .cache import ActivationCache
from .config import Config
from .edits import Edits
from .errors import BusyError, ClosedError, TempoError
from .hooks import HookPoint
from .lenses import Attribution, Lens, attribute, lens
from .model import Model
from .results import Arm, Decoded, Member, Set

__all__ = [
    "ActivationCache",
    "Arm",
    "Attribution",
    "BusyError",
    "ClosedError",
    "Config",
    "Decoded",
    "Edits",
    "HookPoint",
    "Lens",
    "Member",
    "Model",
    "Set",
    "TempoError",
    "__version__",
    "attribute",
    "lens",
]
