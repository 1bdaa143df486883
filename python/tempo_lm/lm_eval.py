"""A model for lm-evaluation-harness (``pip install 'tempo-lm[lm-eval]'``): its ``LM`` interface, by the name ``tempo``.

    python -m tempo_lm.lm_eval run --model tempo --model_args pretrained=model.gguf --tasks hellaswag

or from Python ``lm_eval.simple_evaluate(TempoLM(model), tasks=[...])``.  Only this module needs the package; neither needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._chat import chat_ids
from ._extras import need
from ._options import as_int
from .model import Model
from .tokens import Ids

__all__ = ["TempoLM"]

_api = need("lm_eval.api.model")
_utils = need("lm_eval.utils")
_UNTIL = {"until", "max_gen_toks", "max_tokens", "do_sample", "temperature", "top_p", "min_p", "seed"}


class TempoLM(_api.LM):  # type: ignore[misc, name-defined, unused-ignore]
    """An open model as the harness wants it.

    Texts are scored in batches, in which each has the numbers that it has alone; so results do not depend on ``batch_size``.  A request that is
    longer than the context loses the beginning of its context, never a token of what is scored.

    Args:
        pretrained: an open Model, or what Model.from_pretrained opens; None: the built-in model.
        batch_size: requests that go through the model together.
        max_gen_toks: how long answers are where a task does not say.
        device, max_batch_size: what the harness gives to all; models run on the CPU, and batch_size is the most there is.
        options: of Model.from_pretrained.
    """

    def __init__(
        self,
        pretrained: Any = None,
        batch_size: int | str = 32,
        max_gen_toks: int = 256,
        device: str | None = None,
        max_batch_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.model: Model = (
            pretrained if isinstance(pretrained, Model) else Model.from_pretrained(pretrained, **options)
        )
        self._batch = 32 if batch_size == "auto" else as_int("batch_size", int(batch_size), 1)
        self._max_gen_toks = as_int("max_gen_toks", max_gen_toks, 1)
        info = self.model.tokenizer_info
        self._bos: int | None = info["bos"]
        self._eos: list[int] = info["eos"]
        self._adds_eos: bool = info["add_eos"]

    # ---- tokens ----

    @property
    def tokenizer_name(self) -> str:
        """What requests are cached under."""
        return self.model.cfg.model_name.replace("/", "__")

    @property
    def max_length(self) -> int:
        return self.model.cfg.n_ctx

    @property
    def prefix_token_id(self) -> int:
        """What stands in front of a text that has nothing in front: the token that begins texts, else one that ends them."""
        for token in (self._bos, *self._eos):
            if token is not None:
                return token
        raise ValueError(
            "this model has no token that begins or ends a text, so a text without context cannot be scored"
        )

    def tok_encode(self, text: str, bos: bool | None = None) -> Ids:
        """Ids of a text, without one that ends it.  A text that has the beginning token itself gets no second one."""
        ids: Ids = self.model.to_tokens(text, prepend_bos=bos)
        if self._adds_eos and len(ids) > 0 and int(ids[-1]) in self._eos:
            ids = ids[:-1]
        if self._bos is not None and len(ids) > 1 and ids[0] == ids[1] == self._bos:
            ids = ids[1:]
        return ids

    def _pair(self, context: str, continuation: str) -> tuple[Ids, Ids]:
        """Spaces between the two belong to the continuation, as the harness's own adapters have it."""
        if not context:
            ids = self.tok_encode(continuation, bos=False)
            return np.array([self.prefix_token_id], np.int32), ids
        stripped = context.rstrip()
        whole = self.tok_encode(stripped + context[len(stripped) :] + continuation)
        front = self.tok_encode(stripped)
        if len(front) == 0:
            front = np.array([self.prefix_token_id], np.int32)
            whole = np.concatenate([front, whole])
        return front, whole[len(front) :]

    # ---- scores ----

    def _scored(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, bool]]:
        """(log probability of the second behind the first, whether greedy decoding takes it) of each."""
        texts, firsts = [], []
        for front, back in pairs:
            room = self.max_length - len(back)
            if room < 1:
                raise ValueError(f"a continuation of {len(back)} tokens does not fit a context of {self.max_length}")
            front = front[-room:]
            texts.append(np.concatenate([front, back]).astype(np.int32))
            firsts.append(len(front))
        # long ones together: a batch then takes its memory at once, at the beginning
        order = sorted(range(len(pairs)), key=lambda i: -len(texts[i]))
        found: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
        order = [i for i in order if len(pairs[i][1]) > 0]
        for begin in range(0, len(order), self._batch):
            part = order[begin : begin + self._batch]
            scores = self.model.score([texts[i] for i in part], top=0, first=[firsts[i] for i in part])
            for i, of in zip(part, scores, strict=True):
                found[i] = (float(of.logprob_sum), bool((of["rank"][firsts[i] :] == 1).all()))
        return found

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """ln p(continuation | context) and whether greedy decoding writes it."""
        found = self._scored([self._pair(*request.args) for request in requests])
        for request, answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood", request.args, answer)
        return found

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """ln p of whole texts, which of long ones is that of windows as the harness cuts them."""
        found = []
        for request in requests:
            ids = self.tok_encode(request.args[0], bos=False).tolist()
            windows = _utils.get_rolling_token_windows(ids, self.prefix_token_id, self.max_length - 1, 1)
            pairs = [_utils.make_disjoint_window(window) for window in windows]
            total = sum(
                of for of, _ in self._scored([(np.array(a, np.int32), np.array(b, np.int32)) for a, b in pairs])
            )
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
            found.append(float(total))
        return found

    # ---- answers ----

    def _how(self, options: dict[str, Any]) -> tuple[int, dict[str, float] | None, list[str]]:
        """(tokens at most, how to draw or None, texts that end an answer) of a task's generation_kwargs."""
        strange = set(options) - _UNTIL
        if strange:
            raise ValueError(
                f"generation_kwargs: {', '.join(sorted(strange))} is not known here, only {', '.join(sorted(_UNTIL))}"
            )
        until = options.get("until") or []
        steps = int(options.get("max_gen_toks", options.get("max_tokens", self._max_gen_toks)))
        if not 1 <= steps < self.max_length:
            raise ValueError(f"max_gen_toks: {steps} tokens and a prompt do not fit a context of {self.max_length}")
        temperature = float(options.get("temperature", 1.0 if options.get("do_sample") else 0.0))
        sample: dict[str, float] | None = None
        if options.get("do_sample", True) and temperature > 0:
            sample = {name: float(options[name]) for name in ("top_p", "min_p") if name in options}
            sample |= {"temperature": temperature, "seed": int(options.get("seed", 0))}
        return steps, sample, [stop for stop in ([until] if isinstance(until, str) else list(until)) if stop]

    def _answers(self, contexts: Sequence[str], options: dict[str, Any]) -> list[str]:
        """Of contexts that go through the model together, each until its own end."""
        steps, sample, stops = self._how(options)
        prompts = [self.tok_encode(context) for context in contexts]
        prompts = [ids if len(ids) > 0 else np.array([self.prefix_token_id], np.int32) for ids in prompts]
        prompts = [ids[-(self.max_length - steps) :] for ids in prompts]
        runs, _ = self.model._runs(prompts, None, {"threshold": 1.0, "steps": steps, "stop": "top", "sample": sample})
        texts = [""] * len(prompts)
        try:
            while runs.running:
                runs.step()
                for i, result in enumerate(runs.results):
                    texts[i] = self._text(prompts[i], [s.ids[0] for s in result.sets if not s.eos])
                    if any(stop in texts[i] for stop in stops):
                        runs.leave(i)
        finally:
            runs.close()
        ends = [[text.index(stop) for stop in stops if stop in text] for text in texts]
        return [text[: min(end)] if end else text for text, end in zip(texts, ends, strict=True)]

    def _text(self, prompt: Ids, taken: list[int]) -> str:
        """Of what was taken, as it is behind the prompt."""
        before = len(self.model._tokens.decode(prompt, False))
        whole = np.concatenate([prompt, np.array(taken, np.int32)]).astype(np.int32)
        return self.model._tokens.decode(whole, False)[before:].decode("utf-8", "replace")

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes until one of the task's stops, greedily unless the task samples."""
        groups: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(repr(sorted(request.args[1].items())), []).append(i)
        found = [""] * len(requests)
        for group in groups.values():
            for begin in range(0, len(group), self._batch):
                part = group[begin : begin + self._batch]
                answers = self._answers([requests[i].args[0] for i in part], requests[part[0]].args[1])
                for i, answer in zip(part, answers, strict=True):
                    found[i] = answer
                    self.cache_hook.add_partial("generate_until", requests[i].args, answer)
        return found

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as the model's template writes it."""
        if not add_generation_prompt:
            raise NotImplementedError(
                "an answer that goes on from given words does not go with the model's template here"
            )
        ids, _ = chat_ids(self.model._core, chat_history)
        return self.model.to_string(ids)


need("lm_eval.api.registry").register_model("tempo")(TempoLM)


if __name__ == "__main__":
    need("lm_eval.__main__").cli_evaluate()
