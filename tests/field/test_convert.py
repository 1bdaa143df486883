#!/usr/bin/env python3
"""Conversions against PyPI gguf: it opens every file that `tempo convert` writes and reads all tensors, and of the types that it
quantises the bytes are the same as from gguf.quants.  Usage: test_convert.py [TEMPO]; run by the field part of check-all.sh."""
import os
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np
    from gguf import quants
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

TEMPO = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TEMPO", "build/tempo")
MODEL = "models/tempo-tiny"
SAME = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0", "MXFP4"]
SEARCHED = ["Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K"]
QUANTISED_BY_GGUF = {gguf.GGMLQuantizationType[t] for t in SAME}


def convert(source, out, kind):
    subprocess.run([TEMPO, "convert", source, out, "--type", kind, "--force"], check=True, stderr=subprocess.DEVNULL)
    return {t.name: t for t in gguf.GGUFReader(out).tensors}


def main():
    read = compared = 0
    with tempfile.TemporaryDirectory() as folder:
        floats = convert(MODEL, f"{folder}/floats.gguf", "F32")
        for kind in SAME + SEARCHED:
            for name, tensor in convert(f"{folder}/floats.gguf", f"{folder}/out.gguf", kind).items():
                values = quants.dequantize(tensor.data, tensor.tensor_type)
                want = floats[name].data.reshape(values.shape)
                assert np.isfinite(values).all(), (kind, name)
                read += 1
                if tensor.tensor_type in QUANTISED_BY_GGUF:
                    theirs = quants.quantize(want, tensor.tensor_type)
                    if theirs.tobytes() != tensor.data.tobytes():
                        print(f"{kind}: {name} ({tensor.tensor_type.name}): other bytes than gguf.quants")
                        sys.exit(1)
                    compared += 1
                else:
                    error = float(((values - want).astype(np.float64) ** 2).sum() / (want.astype(np.float64) ** 2).sum())
                    if tensor.tensor_type != gguf.GGMLQuantizationType.F32 and not 0 < error < 0.1:
                        print(f"{kind}: {name} ({tensor.tensor_type.name}): relative squared error {error}")
                        sys.exit(1)
    print(f"{read} tensors of {len(SAME + SEARCHED)} types read, {compared} of them byte for byte those of gguf.quants")
    if compared < 100:
        sys.exit(1)


main()
