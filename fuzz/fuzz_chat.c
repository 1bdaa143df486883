/* fuzz_chat.c - any bytes as a chat template; what stands after a zero byte is what a user says. */
#include <stdlib.h>
#include <string.h>

#include "chat/parts.h"

static void check(tempo_status st, const tempo_err *err)
{
    if (err->code != st || (st != TEMPO_OK && err->msg[0] == '\0'))
        abort();
}

static void render(const tempo_chat_program *p, const char *content, size_t n, bool prompt)
{
    const tempo_message messages[] = {
        {"system", "Be.", 3}, {"user", content, n}, {"assistant", "Yes.", 4}, {"user", content, n}};
    const tempo_chat_input in = {.messages = messages,
                                 .n_messages = prompt ? 4 : 1,
                                 .bos = {"<s>", NULL, 3},
                                 .eos = {"</s>", NULL, 4},
                                 .add_generation_prompt = prompt,
                                 .thinking = prompt ? 0 : -1,
                                 .year = 2024,
                                 .month = 2,
                                 .day = 29,
                                 .weekday = 4};
    tempo_err err = {0};
    tempo_chat_heap h = {.limit = 32 << 20, .err = &err};
    tempo_chat_str text;
    const tempo_status st = tempo_chat_run(p, &in, &h, &text, &err);

    check(st, &err);
    if (st == TEMPO_OK && tempo_utf8_valid(text.p, text.n) != text.n)
        abort();
    for (size_t i = 0; st == TEMPO_OK && text.outside != NULL && i < text.n; i++) /* all of it can be read */
        if (text.outside[i] > 1)
            abort();
    tempo_chat_heap_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(data, 0, n) : NULL;
    const size_t n_template = zero != NULL ? (size_t)(zero - data) : n;
    const char *content = zero != NULL ? (const char *)zero + 1 : "Hello";
    const size_t n_content = zero != NULL ? n - n_template - 1 : 5;
    tempo_err err = {0};
    tempo_chat_program p = {.heap = {.limit = TEMPO_CHAT_MAX_PARSED}};
    const tempo_status st = tempo_chat_parse(&p, "fuzz", (const char *)data, n_template, &err);

    check(st, &err);
    if (st == TEMPO_OK && tempo_utf8_valid(content, n_content) == n_content) {
        render(&p, content, n_content, true);
        render(&p, content, n_content, false);
    }
    tempo_chat_heap_free(&p.heap);
    return 0;
}
