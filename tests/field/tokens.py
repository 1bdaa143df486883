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


def reference_of_gguf(path):
    """Byte-level BPE of a GGUF file as the tokenizers library has it: (tokenizer, names of its control tokens by
    id, of user-defined ones, chat template)."""
    import gguf
    import tokenizers
    from tokenizers import models, pre_tokenizers

    reader = gguf.GGUFReader(path)

    def strings(key):
        field = reader.fields[key]
        return [bytes(field.parts[i]).decode() for i in field.data]

    pieces = strings("tokenizer.ggml.tokens")
    types = [int(reader.fields["tokenizer.ggml.token_type"].parts[i][0])
             for i in reader.fields["tokenizer.ggml.token_type"].data]
    pre = strings("tokenizer.ggml.pre")[0]
    merges = [tuple(pair.split(" ")) for pair in strings("tokenizer.ggml.merges")]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    result = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    if pre == "smollm":
        result.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    elif pre == "qwen2":
        from tokenizers import Regex, normalizers

        pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
                   r"|\s+(?!\S)|\s+")
        result.normalizer = normalizers.NFC()
        result.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    else:
        raise ValueError(pre)
    added = [tokenizers.AddedToken(pieces[i], special=types[i] == 3, normalized=False) for i in range(len(pieces))
             if types[i] in (3, 4)]
    result.add_special_tokens([token for token in added if token.special])
    result.add_tokens([token for token in added if not token.special])
    control, user = ({i: pieces[i] for i in range(len(pieces)) if types[i] == kind} for kind in (3, 4))
    template = strings("tokenizer.chat_template")[0] if "tokenizer.chat_template" in reader.fields else ""
    return result, control, user, template
