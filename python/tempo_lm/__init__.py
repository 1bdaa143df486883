"""tempo for Python: language models on the CPU, looked into and decoded with parallel sets.

    import tempo_lm as tl
    m = tl.Model.from_pretrained()          # None: the built-in model; a path, a .gguf, "org/name", "org/name:Q4_K_M"
    logits = m(m.to_tokens("The cat"))      # float32 [pos, d_vocab]

Every number comes from the C library libtempo; arrays are numpy's.
"""

from __future__ import annotations

from . import plot
from ._library import version as __version__
from .cache import ActivationCache
from .captures import Capture, load_capture
from .config import Config
from .edits import Edits
from .errors import BusyError, ClosedError, TempoError
from .hooks import HookPoint
from .lenses import Attribution, Lens, attribute, lens
from .model import Model
from .patching import Grid, Patched, patch
from .results import Arm, Decoded, Member, Set
from .scoring import Score
from .studies import Study, load_study
from .sweeping import Sweep, sweep
from .tracing import Trace, trace

__all__ = [
    "ActivationCache",
    "Arm",
    "Attribution",
    "BusyError",
    "Capture",
    "ClosedError",
    "Config",
    "Decoded",
    "Edits",
    "Grid",
    "HookPoint",
    "Lens",
    "Member",
    "Model",
    "Patched",
    "Score",
    "Set",
    "Study",
    "Sweep",
    "TempoError",
    "Trace",
    "__version__",
    "attribute",
    "lens",
    "load_capture",
    "load_study",
    "patch",
    "plot",
    "sweep",
    "trace",
]
