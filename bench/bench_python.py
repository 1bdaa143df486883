#!/usr/bin/env python3
"""What Python costs beside the pass: m(tokens) against the same calls of the library with everything prepared.

    TEMPO_LIBRARY=build/libtempo.so PYTHONPATH=python python3 bench/bench_python.py [MODEL [TOKENS]]

Both are run in turn, and each reports the CPU seconds of its fastest round: the machine may be busy.  Prints microseconds a call, their
difference, and its share of the pass; then what a whole cache and a hook in every layer add.  Exit 1 when a call costs over 20 us more.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import tempo_lm as tl
from tempo_lm._library import NULL, ffi, lib
from tempo_lm._passes import plain_item, row_array

ROUNDS, LEAST = 15, 0.02


def prepared(model: tl.Model, ids: Any) -> Any:
    """A call that does what a C program does: a sequence, a pass, the logits looked at; rows and options stay."""
    core = model._core
    item = plain_item(ids)
    rows = row_array(item, 0, len(ids), NULL, lib.TEMPO_WANT_LOGITS)
    options = ffi.new("tempo_seq_options *", {"size": ffi.sizeof("tempo_seq_options"), "max_slots": len(ids)})
    seq, err, memory = ffi.new("tempo_seq **"), ffi.new("tempo_err *"), ffi.from_buffer("tempo_row[]", rows)
    out = np.empty((len(ids), model.cfg.d_vocab), np.float32)
    to = ffi.from_buffer("float[]", out)

    def call() -> None:
        assert lib.tempo_seq_create(seq, core._engine, options, err) == 0
        rows["seq"] = int(ffi.cast("uintptr_t", seq[0]))
        assert lib.tempo_engine_forward(core._engine, memory, len(rows), NULL, err) == 0
        ffi.memmove(to, lib.tempo_engine_logits(core._engine, 0), out.nbytes)
        lib.tempo_seq_free(seq[0])

    return call


def fastest(calls: list[Any]) -> list[float]:
    """Seconds of CPU that one call of each takes, the least of the rounds, which go in turn."""
    for call in calls:
        call()
    begin = time.perf_counter()
    calls[0]()
    n = max(1, int(LEAST / max(1e-6, time.perf_counter() - begin)))
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for i, call in enumerate(calls):
            begin = time.process_time()
            for _ in range(n):
                call()
            best[i] = min(best[i], (time.process_time() - begin) / n)
    return best


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else None
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    with tl.Model.from_pretrained(name, threads=1) as m:
        ids = (np.arange(n, dtype=np.int32) * 37 + 11) % m.cfg.d_vocab
        calls = [
            prepared(m, ids),
            lambda: m(ids),
            lambda: m.run_with_cache(ids),
            lambda: m.run_with_hooks(ids, [("resid_post", lambda values, hook: None)]),
        ]
        plain, call, cache, hooks = (1e6 * s for s in fastest(calls))
    print(f"{m.cfg.model_name}, {n} tokens: a pass {plain:.1f} us; m(tokens) {call - plain:+.1f} us, {100 * (call / plain - 1):+.2f}%")
    print(f"a whole cache {cache - call:+.1f} us, a hook in every layer {hooks - call:+.1f} us ({m.cfg.n_layers} layers)")
    return 0 if call - plain < 20 else 1


if __name__ == "__main__":
    sys.exit(main())
