#!/usr/bin/env python3
"""Writes src/kernels/codebooks.inc from what the PyPI package gguf (numpy too) knows of the IQ types' codebooks:

    python3 tools/codebooks.py > src/kernels/codebooks.inc

A codeword of 8 elements of 3 levels is 16 bits, one of 4 elements of 8 levels 12, the first element lowest."""
import numpy as np
from gguf import quants

BOOKS = [("iq2_xxs", quants.IQ2_XXS), ("iq2_xs", quants.IQ2_XS), ("iq2_s", quants.IQ2_S),
         ("iq3_xxs", quants.IQ3_XXS), ("iq3_s", quants.IQ3_S), ("iq1", quants.IQ1_S)]

print("/* codebooks.inc - the codewords of the IQ types, made by tools/codebooks.py: an element is the number of its level,")
print(" * in 2 bits where a codeword has 8 of them, in 3 where it has 4, the first one lowest.  levels_NAME: what they mean. */")
for name, kind in BOOKS:
    kind.init_grid()
    words, length = kind.grid_shape
    levels = np.array(kind.grid_map, dtype=np.int64)
    grid = kind.grid.reshape(words, length).astype(np.int64)
    numbers = np.argmax(grid[:, :, None] == levels, axis=2)
    assert np.array_equal(levels[numbers], grid)
    bits = 2 if length == 8 else 3
    packed = (numbers << (bits * np.arange(length))).sum(axis=1)
    print(f"\nstatic const int8_t levels_{name}[{1 << bits}] = {{{', '.join(str(v) for v in levels)}}};")
    print(f"static const uint16_t words_{name}[{words}] = {{")
    for at in range(0, words, 14):
        print("    " + " ".join(f"0x{v:04x}," for v in packed[at:at + 14]))
    print("};")
