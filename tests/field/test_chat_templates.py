#!/usr/bin/env python3
"""Chat templates rendered by tempo and by Hugging Face's transformers (Jinja2): the same text, or refused by both.

  tests/field/test_chat_templates.py [PROGRAM]     tempo; field_render must lie beside it or be named by TEMPO_FIELD_RENDER

Real templates ($TEMPO_FIELD/templates, those in $TEMPO_FIELD/npm) with many conversations, then generated templates of
one construct each.  Runs in $TEMPO_FIELD/venv.  Fixed seeds; counts are printed; exit 1 on a difference, 77 when what it
needs is not there.
"""
import datetime
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
FIELD = pathlib.Path(os.environ.get("TEMPO_FIELD", "build/field"))
PROGRAM = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TEMPO", "build/tempo"))
RENDER = pathlib.Path(os.environ.get("TEMPO_FIELD_RENDER", PROGRAM.parent / "field_render"))
NOW = datetime.datetime(2024, 7, 6)  # as tests/field/render.c has it


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
try:
    from transformers.utils import chat_template_utils as reference
except ImportError:
    skip("no transformers in this Python")
if not RENDER.exists():
    skip(f"no {RENDER}: cmake --build DIR --target field_render")


class Then(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


reference.datetime = Then


def rendered_there(case):
    """The text, or None and why not."""
    given = dict(case.get("context", {}))
    for name in ("bos", "eos"):
        if case.get(name) is not None:
            given.setdefault(name + "_token", case[name])
    given.setdefault("add_generation_prompt", False)
    messages = [{k: v for k, v in m.items() if v is not None} for m in case.get("messages", [])]
    try:
        text = reference.render_jinja_template([messages], tools=case.get("tools"), chat_template=case["template"], **given)[0][0]
        text.encode()
        return text, None
    except Exception as e:  # whatever a template does wrong
        return None, f"{type(e).__name__}: {e}"


def rendered_here(cases):
    lines = "".join(json.dumps(c) + "\n" for c in cases)
    done = subprocess.run([RENDER], input=lines, capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(answers) != len(cases):
        sys.exit(f"{RENDER} ended with {done.returncode} after {len(answers)} of {len(cases)} templates: {done.stderr[-2000:]}\n"
                 f"{json.dumps(cases[len(answers)])[:4000] if len(answers) < len(cases) else ''}")
    return answers


ADDRESS = re.compile(r" at 0x[0-9a-f]+>")  # of an object: what cannot be written twice


class Count:
    def __init__(self, what):
        self.what, self.same, self.refused, self.addresses, self.big, self.only_here, self.differ = what, 0, 0, 0, 0, {}, []

    def add(self, name, case, answer):
        want, why = rendered_there(case)
        got = answer.get("text")
        if want is not None and got == want:
            self.same += 1
        elif want is None and got is None:
            self.refused += 1
        elif want is None and may_differ(why):
            self.only_here.setdefault(why[:60], []).append(name)
        elif want is not None and ADDRESS.search(want):
            self.addresses += 1
        elif want is not None and re.search("beyond 2.63|complex numbers", answer.get("error", "")):
            self.big += 1
        else:
            self.differ.append((name, case, want if want is not None else why, got if got is not None else answer["error"]))

    def report(self):
        n = self.same + self.refused + self.addresses + self.big + len(self.differ) + sum(map(len, self.only_here.values()))
        print(f"{self.what}: {n} renderings, {self.same} the same, {self.refused} refused by both, "
              f"{sum(map(len, self.only_here.values()))} only here, {self.addresses} with an address there, {self.big} with a number that is none here, {len(self.differ)} differ")
        for why, names in sorted(self.only_here.items()):
            print(f"  only here: {why}: {len(names)}")
        for name, case, want, got in list({name.split(",")[0]: d for d in self.differ for name in d[:1]}.values())[:20]:
            print(f"\n  {name[:300]}\n  {case['template'][:300]!r}\n    there: {around(want, got)!r}\n    here:  {around(got, want)!r}")
        return not self.differ


def around(a, b):
    """Where a begins to differ from b."""
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return a[max(0, at - 60):at + 100]


def may_differ(why):
    """What transformers forbids, and others that read the same templates do not: changing lists and mappings; filters of others."""
    return why.startswith("SecurityError") or "No filter named 'from_json'" in why or "No filter named 'fromjson'" in why


# ---- real templates ----

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Get the weather.\nNow.", "parameters": {
        "type": "object", "properties": {
            "city": {"type": "string", "description": "A city, e.g. \"Paris\""},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
            "days": {"type": ["integer", "null"], "minimum": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number", "description": "L\u00e4nge"}}, "required": ["lat"]}},
        "required": ["city"]}, "return": {"type": "string", "description": "The weather"}}},
    {"type": "function", "function": {"name": "stop", "description": "Stop & <halt> it's \u00e4", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris", "days": 2, "deep": {"x": [1, 2.5, None, True, "\u00e9\"<"]}}}}
TEXT_CALL = {"id": "abcdef123", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(CALL["function"]["arguments"])}}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


PARTS = [{"type": "text", "text": "What is"}, {"type": "text", "text": " this?"}]
CONVERSATIONS = {
    "one": [say("user", "Hello")],
    "system": [say("system", "You are terse."), say("user", " Hello \n")],
    "developer": [say("developer", "You are terse."), say("user", "Hello")],
    "turns": [say("user", "Hello"), say("assistant", "Hi, what is it?"), say("user", "A question.")],
    "system turns": [say("system", " Be kind.\n"), say("user", "Hello"), say("assistant", "Hi."), say("user", "Why?"), say("assistant", "Because.")],
    "unicode": [say("user", "na\u00efve \U0001f600 \u65e5\u672c\u8a9e e\u0301 \u00df"), say("assistant", "\u4f60\u597d"), say("user", "\u202f?\u3000")],
    "odd": [say("user", "</s>{{ bos_token }}{% raw %}\r\n x \x0b'\"\\"), say("assistant", "<s>"), say("user", "<|eot_id|>")],
    "empty": [say("system", ""), say("user", ""), say("assistant", ""), say("user", "")],
    "thinking text": [say("user", "1+1?"), say("assistant", "<think>\nHmm.\n</think>\n\n2"), say("user", "sure?"), say("assistant", "<think>\nYes.\n\n</think>\n\nYes.")],
    "reasoning": [say("user", "1+1?"), say("assistant", "2", reasoning_content="Hmm.\n"), say("user", "sure?"), say("assistant", "Yes.", reasoning_content=" It is. ")],
    "thinking": [say("user", "1+1?"), say("assistant", "2", thinking="Hmm."), say("user", "sure?")],
    "call": [say("user", "Weather?"), say("assistant", None, tool_calls=[CALL]), say("tool", "{\"t\": 20}", name="get_weather", tool_call_id="call00001")],
    "call answered": [say("system", "Be."), say("user", "Weather?"), say("assistant", "", tool_calls=[CALL]), say("tool", "20", name="get_weather", tool_call_id="call00001"), say("assistant", "20."), say("user", "Thanks")],
    "text call": [say("user", "Weather?"), say("assistant", "Wait.", tool_calls=[TEXT_CALL]), say("tool", "20", name="get_weather", tool_call_id="abcdef123"), say("assistant", "20.")],
    "two calls": [say("user", "Weather?"), say("assistant", "", reasoning_content="Two.", tool_calls=[CALL, {"id": "call00002", "type": "function", "function": {"name": "stop", "arguments": {}}}]),
                  say("tool", "20", name="get_weather", tool_call_id="call00001"), say("tool", {"ok": True}, name="stop", tool_call_id="call00002"), say("user", "Next.")],
    "parts": [say("user", PARTS), say("assistant", [{"type": "text", "text": "That."}]), say("user", PARTS)],
    "picture": [say("user", [{"type": "image"}, {"type": "text", "text": "What?"}])],
    "null": [say("user", None), say("assistant", None), say("user", "x")],
    "names": [say("user", "Hi", name="Ann"), say("assistant", "Ho", name="Bob"), say("user", "?", name="Cy")],
    "two users": [say("user", "a"), say("user", "b")],
    "late system": [say("user", "a"), say("system", "b"), say("assistant", "c")],
    "assistant first": [say("assistant", "a"), say("user", "b")],
    "stranger": [say("narrator", "Once")],
    "long": [say(("user", "assistant")[i % 2], f"turn {i}\nof many " * 3) for i in range(31)],
}
OPTIONS = [{}, {"enable_thinking": True}, {"enable_thinking": False}, {"thinking": True}, {"reasoning_effort": "high"},
           {"xml_tools": True, "builtin_tools": ["brave_search"], "date_string": "1 Jan 2025", "custom_tools": TOOLS},
           {"documents": [{"title": "T", "text": "D"}], "citation_mode": "fast", "think_render_option": "lastthink"}]


def real_templates():
    for path in sorted((FIELD / "templates").glob("*.jinja")):
        yield path.stem, path.read_text()
    for path in sorted((FIELD / "npm").glob("*/tokenizer_config.json")):
        template = json.loads(path.read_text()).get("chat_template")
        for one in template if isinstance(template, list) else [{"name": "default", "template": template}] if template else []:
            yield f"{path.parent.name}:{one['name']}", one["template"]
    for path in sorted((HERE.parent / "chat").glob("*.jinja")):
        yield path.stem, path.read_text()


def real_cases(template):
    for name, messages in CONVERSATIONS.items():
        for prompt, tools in itertools.product((True, False), (None, TOOLS)):
            for options in OPTIONS if prompt else OPTIONS[:1]:
                yield name, {"template": template, "messages": messages, "tools": tools, "bos": "<s>", "eos": "</s>",
                             "context": {"add_generation_prompt": prompt, **options}}


def check_real():
    count, n = Count("real templates"), 0
    for name, template in real_templates():
        cases = list(real_cases(template))
        n += 1
        for (conversation, case), answer in zip(cases, rendered_here([c for _, c in cases])):
            count.add(f"{name}, {conversation}, {case['context']}", case, answer)
    print(f"{n} real templates")
    return count.report() and n > 0


# ---- generated templates ----

def check_generated(seed, n):
    import chat_generator

    make = random.Random(seed)
    cases = [{"template": chat_generator.template(make), "context": chat_generator.context(make), "messages": CONVERSATIONS["turns"],
              "tools": TOOLS, "bos": "<s>", "eos": "</s>"} for _ in range(n)]
    count = Count(f"generated templates, seed {seed}")
    for i, (case, answer) in enumerate(zip(cases, rendered_here(cases))):
        count.add(str(i), case, answer)
    return count.report()


def main():
    good = check_real()
    for seed in (1, 2, 3):
        good = check_generated(seed, int(os.environ.get("TEMPO_FIELD_CASES", "4000"))) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
