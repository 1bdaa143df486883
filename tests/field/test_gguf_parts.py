#!/usr/bin/env python3
"""A real model, written again by the gguf package in several files: the same logits, whichever part is named."""
import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import gguf
except ImportError:
    print("skipped: the gguf package is not there")
    sys.exit(77)

tempo = sys.argv[1] if len(sys.argv) > 1 else os.environ["TEMPO"]
model = os.path.join(os.environ.get("TEMPO_FIELD", "build/field"), "models", "smollm2.gguf")
if not os.path.exists(model):
    print("skipped:", model, "is not there")
    sys.exit(77)


def write(reader, path, split):
    """All fields and tensors of a file; as several files with at most `split` tensors each."""
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=split)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for t in reader.tensors:
        writer.add_tensor(t.name, t.data, raw_dtype=t.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(path):
    done = subprocess.run([tempo, "logits", "-m", path, "--prompt-ids", "1,2,3,40,50,6", "--top", "20", "--json"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        return done.stderr
    return json.loads(done.stdout)["top"]


with tempfile.TemporaryDirectory() as folder:
    write(gguf.GGUFReader(model), os.path.join(folder, "m.gguf"), 60)
    parts = sorted(glob.glob(os.path.join(folder, "m-*-of-*.gguf")))
    want = logits(model)
    differences = 0
    for path in [parts[0], parts[1], parts[-1], folder]:
        got = logits(path)
        if got != want:
            differences += 1
            print(path, "gives", str(got)[:300], "instead of", str(want)[:300])
    os.remove(parts[1])
    message = str(logits(parts[0]))
    if f"part 2 of {len(parts)} is missing" not in message:
        differences += 1
        print("without part 2:", message[:300])
print(f"{len(parts)} parts, {differences} differences")
sys.exit(differences > 0 or len(parts) < 3)
