"""Conversations through a model's chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import Core
from ._library import NULL, constants, ffi, lib
from .errors import check, new_err
from .tokens import take_ids

__all__ = ["chat_ids"]


def chat_ids(
    core: Core,
    messages: Sequence[Any],
    tools: Any = None,
    thinking: bool | None = None,
    date: str | None = None,
    template: str | None = None,
) -> tuple[NDArray[np.int32], list[int]]:
    """(ids of the conversation with the head of the assistant's answer, ids that end its turn).

    Raises:
        TypeError: messages are no list of dicts.
        TempoError: the template refuses them, or is broken; messages are not of the shape that it needs.
    """
    if isinstance(messages, (str, bytes)) or not all(isinstance(m, dict) for m in messages):
        raise TypeError(f"messages: a list of dicts with role and content is expected, not {messages!r}")
    err, chat = new_err(), ffi.new("tempo_chat **")
    source = template.encode() if template is not None else NULL
    size = len(source) if template is not None else 0
    with core.use() as model:
        check(lib.tempo_chat_open(chat, model, source, size, b"template", err), err)
        try:
            text = json.dumps(list(messages), ensure_ascii=False).encode("utf-8", "surrogatepass")
            conversation = ffi.new("tempo_conversation *")
            kept = [ffi.from_buffer(text)]
            conversation.messages, conversation.n_messages, conversation.parse_arguments = kept[0], len(text), True
            if tools is not None:
                kept.append(ffi.from_buffer(json.dumps(tools).encode()))
                conversation.tools, conversation.n_tools = kept[1], len(kept[1])
            options = ffi.new("tempo_chat_options *")
            lib.tempo_chat_options_init_size(options, ffi.sizeof("tempo_chat_options"))
            options.thinking = 0 if thinking is None else 1 if thinking else -1
            day = ffi.new("char[]", date.encode()) if date is not None else NULL
            options.date = day
            ids, n = ffi.new("int32_t **"), ffi.new("size_t *")
            check(lib.tempo_chat_tokenize_json(chat[0], conversation, options, ids, n, NULL, NULL, err), err)
            found = take_ids(ids[0], n[0])
            ends = ffi.new("int32_t[]", constants["TEMPO_MAX_END_IDS"])
            return found, list(ends[0 : lib.tempo_chat_end_ids(chat[0], ends)])
        finally:
            lib.tempo_chat_free(chat[0])
