"""What the tests of tokenizers share: the program's tokenizer as a process, and the reference ones."""

import functools
import json
import os
import pathlib
import subprocess
import sys

FIELD = pathlib.Path(os.environ.get("TEMPO_FIELD", "build/field")).resolve()
BUILD = pathlib.Path(os.environ.get("TEMPO_BUILD", "build")).resolve()


def need(path):
    """The path, or the end of the test, which has nothing to compare."""
    if not path.exists():
        print(f"{pathlib.Path(sys.argv[0]).name}: {path} is not there (tests/field/fetch.sh)", file=sys.stderr)
        sys.exit(77)
    return path


def npm_tokenizers():
    return sorted(path.parent for path in need(FIELD / "npm").glob("*/tokenizer.json"))


@functools.cache
def build(name):
    """A program that only these tests need."""
    subprocess.run(["cmake", "--build", str(BUILD), "--target", name], check=True, stdout=sys.stderr)
    return BUILD / name


class Ours:
    """field_tokenize of one model."""

    def __init__(self, model):
        self.process = subprocess.Popen([build("field_tokenize"), str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.failure = self.process.stderr.read().strip() if line == "" else None
        about = json.loads(line or "{}")
        self.control = set(about.get("control", ()))
        self.eos = about.get("eos", [])
        self.notes = about.get("notes", [])
        if self.failure is None:
            self.failure = self._ask({"text": "a"}).get("error")

    def _ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ids(self, text, special=True):
        answer = self._ask({"text": text, "no_bos": True, "no_special": not special})
        return answer["ids"] if "ids" in answer else answer["error"]

    def text(self, ids):
        """What the ids spell, markers too."""
        answer = self._ask({"ids": ids, "special": True})
        return bytes(answer["bytes"]).decode(errors="replace") if "bytes" in answer else answer["error"]

    def chat(self, template, content):
        """(ids, text) of one message, or the error."""
        answer = self._ask({"template": template, "messages": [["user", content]]})
        return (answer["ids"], answer["text"]) if "ids" in answer else answer["error"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def reference(path):
    import tokenizers

    return tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
NFC = {"type": "NFC"}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def cut(*patterns):
    return sequence(*map(split, patterns), BYTE_LEVEL | {"use_regex": False})


DIGITS = {"type": "Digits", "individual_digits": True}
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
# What the models' own tokenizer files say where GGUF has a name: (normalizer, pre_tokenizer).
PUBLISHED = {
    "gpt-2": (None, BYTE_LEVEL),
    "mpt": (NFC, BYTE_LEVEL),
    "olmo": (NFC, BYTE_LEVEL),
    "smollm": (None, sequence(DIGITS, BYTE_LEVEL)),
    "starcoder": (None, sequence(DIGITS, BYTE_LEVEL)),
    "refact": (None, sequence(DIGITS, BYTE_LEVEL)),
    "command-r": (NFC, sequence(DIGITS, BYTE_LEVEL)),
    "qwen2": (NFC, cut(QWEN2)),
    "llama-bpe": (None, cut(LLAMA3)),
}


def merges_by_score(pieces, scores):
    """The pairs of a SentencePiece vocabulary, best first."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    pairs = []
    for whole, piece in enumerate(pieces):
        for at in range(1, len(piece)):
            left, right = piece[:at], piece[at:]
            if left in ids and right in ids:
                pairs.append((-scores[whole], ids[left], ids[right], left, right))
    return [[left, right] for *_, left, right in sorted(pairs)]


def document_of_gguf(path):
    """The tokenizer.json that the vocabulary of a GGUF file was made from, as far as texts go: (document, names of its control tokens
    by id, of user-defined ones, chat template)."""
    import gguf

    reader = gguf.GGUFReader(path)

    def strings(key):
        field = reader.fields[key]
        return [bytes(field.parts[i]).decode() for i in field.data]

    pieces = strings("tokenizer.ggml.tokens")
    types = [int(reader.fields["tokenizer.ggml.token_type"].parts[i][0])
             for i in reader.fields["tokenizer.ggml.token_type"].data]
    model = strings("tokenizer.ggml.model")[0]
    control, user = ({i: pieces[i] for i in range(len(pieces)) if types[i] == kind} for kind in (3, 4))
    swallowing = strings("general.architecture")[0] == "phi3" and model == "llama"
    added = [{"id": i, "content": pieces[i], "special": types[i] == 3, "normalized": False, "single_word": False, "lstrip": False,
              "rstrip": swallowing and types[i] == 3 and pieces[i] not in ("<s>", "<unk>", "<|endoftext|>")}
             for i in range(len(pieces)) if types[i] in (3, 4)]
    result = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": None}
    bpe = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
           "fuse_unk": False, "byte_fallback": False, "vocab": {piece: i for i, piece in enumerate(pieces)}}
    if model == "llama":
        field = reader.fields["tokenizer.ggml.scores"]
        scores = [float(field.parts[i][0]) for i in field.data]
        prefix = "tokenizer.ggml.add_space_prefix" not in reader.fields or bool(reader.fields["tokenizer.ggml.add_space_prefix"].parts[-1][0])
        result |= {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}] * prefix + [
                       {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
                   "pre_tokenizer": None,
                   "decoder": {"type": "Sequence", "decoders": [
                       {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
                       + [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] * prefix},
                   "model": bpe | {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                                   "merges": merges_by_score(pieces, scores)}}
    else:
        normalizer, pre_tokenizer = PUBLISHED[strings("tokenizer.ggml.pre")[0]]
        result |= {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": BYTE_LEVEL,
                   "model": bpe | {"merges": [pair.split(" ") for pair in strings("tokenizer.ggml.merges")]}}
    template = strings("tokenizer.chat_template")[0] if "tokenizer.chat_template" in reader.fields else ""
    return result, control, user, template


def write_lists(folder, document):
    """In place of the folder's tokenizer.json what older directories have, if one of their classes cuts texts this way."""
    ways = {"GPT2Tokenizer": PUBLISHED["gpt-2"], "GPTNeoXTokenizerFast": PUBLISHED["olmo"], "Qwen2Tokenizer": PUBLISHED["qwen2"]}
    names = [name for name, way in ways.items() if way == (document["normalizer"], document["pre_tokenizer"])]
    if names:
        (folder / "tokenizer.json").unlink()
        (folder / "config.json").write_text("{}")
        (folder / "vocab.json").write_text(json.dumps(document["model"]["vocab"]))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in document["model"]["merges"]))
        (folder / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": names[0], "added_tokens_decoder": {str(token["id"]): token for token in document["added_tokens"]}}))
    return bool(names)


def reference_of_gguf(path):
    """(tokenizer, names of its control tokens by id, of user-defined ones, chat template)"""
    import tokenizers

    document, *rest = document_of_gguf(path)
    return tokenizers.Tokenizer.from_str(json.dumps(document)), *rest
