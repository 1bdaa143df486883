#!/usr/bin/env python3
"""No text from outside names a control token, by whatever way; bytes without a token are what the reference makes of them.

Over the tokenizers that their makers published and over GGUF files: names of control tokens whole, in parts, by other
characters that normalise to them, spelled as vocabularies spell bytes, among random text.  As a text without special tokens, as
a message to a template that writes markers, and as a message to the model's own template.
"""

import json
import random
import sys
import unicodedata

import tokens

SEED, RANDOM_TEXTS = 20240706, 1500


def alphabet():
    """bytes_to_unicode of GPT-2."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def disguises(name):
    wide = "".join(chr(ord(c) + 0xFEE0) if 0x21 <= ord(c) <= 0x7E else c for c in name)
    spelling = alphabet()
    return [name, f" {name}", f"{name} ", f"\n{name}\n", f"a{name}b", name * 3, name[:-1], name[1:], name.upper(), name.title(),
            wide, unicodedata.normalize("NFD", name), unicodedata.normalize("NFKC", name),
            unicodedata.normalize("NFKD", name), "".join(spelling[b] for b in name.encode()), name.replace("_", "\u2581"),
            name.replace(" ", "\u2581"), f"\u2581{name}", f"\u0120{name}", name.replace("<", "\u2039"), f"<{name}>",
            name[: len(name) // 2] + "\u200b" + name[len(name) // 2 :], name[: len(name) // 2] + "\0" + name[len(name) // 2 :],
            name.replace("|", "\uff5c"), name.replace("\uff5c", "|")]


def random_texts(names, rng):
    pieces = [part for name in names for part in (name, name[: len(name) // 2], name[len(name) // 2 :])]
    for _ in range(RANDOM_TEXTS):
        text = ""
        for _ in range(rng.randint(1, 12)):
            kind = rng.randrange(5)
            if kind == 0:
                text += rng.choice(pieces)
            elif kind == 1:
                text += chr(rng.randrange(128))
            elif kind == 2:
                text += f"<0x{rng.randrange(256):02X}>"
            elif kind == 3:
                text += rng.choice(["the ", " of", "\n\n", "    ", "<", "|", "end", "of", "text", ">", "im", "_", "start"])
            else:
                text += chr(rng.choice([rng.randrange(0xA0, 0x250), rng.randrange(0x3040, 0x30FF), rng.randrange(0xFF01, 0xFF5F)]))
        yield text


def all_texts(names):
    rng = random.Random(SEED)
    yield from (chr(c) for c in range(256))
    yield from (f"<0x{b:02X}>" for b in range(256))
    for name in names:
        yield from disguises(name)
    yield from random_texts(names, rng)


class Check:
    def __init__(self, name, ours, reference, control, added, template):
        self.name, self.ours, self.reference = name, ours, reference
        self.control, self.added = control, added  # id -> name; of those added, that are no control tokens
        self.template = template  # the model's own, or ""
        self.by_name = {name: i for i, name in (*added.items(), *control.items())}
        self.differences, self.texts = 0, 0

    def complain(self, what, text, got, expected=None):
        self.differences += 1
        if self.differences <= 5:
            print(f"{self.name}: {what}: {text!r}: {got}" + (f", expected {expected}" if expected is not None else ""))

    def markers(self, ids, template=""):
        """Control tokens, and what else the template writes and its vocabulary has as one token."""
        return [i for i in ids
                if i in self.control or (i in self.added and self.added[i].strip() and self.added[i] in template)]

    def text(self, text):
        """As the reference has it, with the names of special tokens and without."""
        for special in (True, False):
            self.reference.encode_special_tokens = not special
            got, want = self.ours.ids(text, special), self.reference.encode(text, add_special_tokens=False).ids
            if got != want:
                self.complain("special" if special else "plain", text, got, want)
            if not special and (not isinstance(got, list) or self.markers(got)):
                self.complain("a text names a marker", text, got)

    def message(self, text, template, own):
        got = self.ours.chat(template, text)
        written = template or self.template
        if isinstance(got, str):
            self.complain("a message", text, got)
        elif self.markers(got[0], written) != own:
            self.complain("a message changes the markers", text, self.markers(got[0], written), own)

    def run(self):
        names = sorted(self.control.values(), key=len)
        names = names[:12] + names[-12:] if len(names) > 24 else names
        added = sorted((name for name in self.added.values() if name.strip()), key=lambda name: (name not in self.template, name))[:8]
        marks = [names[0], *added[:2], names[-1]]
        written = [f"{{{{ {json.dumps(name, ensure_ascii=False)} }}}}" for name in marks]
        marked = "".join([*written[:-1], "{{ messages[0].content }}", written[-1]])
        models = self.ours.chat(None, "hello")
        models = models if isinstance(models, str) else self.markers(models[0], self.template)
        own = self.markers(self.ours.chat(marked, "hello")[0], marked)
        if own[-len(marks):] != [self.by_name[name] for name in marks] or len(own) > len(marks) + 1:  # BOS may stand in front
            self.complain("a template", marked, own)
        names += added
        for text in all_texts(names):
            self.texts += 1
            self.text(text)
            self.message(text, marked, own)
            if not isinstance(models, str) and text.strip():
                self.message(text, None, models)
        skipped = f" (its own template: {models})" if isinstance(models, str) else ""
        print(f"{self.name}: {self.texts} texts, {len(self.control)} markers, {self.differences} differences{skipped}")
        return self.differences


def main():
    failed, skipped = 0, []
    for path in tokens.npm_tokenizers():
        ours = tokens.Ours(path)
        if ours.failure is not None:
            skipped.append(f"{path.name}: {ours.failure}")
            continue
        content = json.loads((path / "tokenizer.json").read_text())
        control, added = ({t["id"]: t["content"] for t in content["added_tokens"] if t["special"] == special}
                          for special in (True, False))
        settings = path / "tokenizer_config.json"  # not everywhere
        template = (json.loads(settings.read_text()) if settings.exists() else {}).get("chat_template") or ""
        failed += Check(path.name, ours, tokens.reference(path), control, added, str(template)).run()
        ours.close()
    for model in sorted((tokens.FIELD / "models").glob("*.gguf")):
        ours = tokens.Ours(model)
        try:
            reference, control, added, template = tokens.reference_of_gguf(model)
        except (KeyError, ValueError) as error:
            skipped.append(f"{model.name}: no reference ({error!r})")
            continue
        failed += Check(model.name, ours, reference, control, added, template).run()
        ours.close()
    for text in skipped:
        print("not compared:", text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
