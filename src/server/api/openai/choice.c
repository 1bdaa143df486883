/* choice.c - one text for OpenAI's clients: from events to tokens and characters. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/openai/openai.h"
#include "run/decode_json.h"

/* What a token takes as JSON, in jansson's tree, and a score: more or less. */
enum { TOKEN_BYTES = 512, SCORE_BYTES = 512, HOLD_STEP = 1 << 20 };

json_t *tempo_oai_logprob(double x)
{
    return tempo_json_number(isfinite(x) ? x : -9999.0);
}

const char *tempo_oai_token_text(const tempo_oai *o, int32_t id, size_t *n)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(o->a->o.model);

    *n = 0;
    return t != NULL ? tempo_token_bytes(t, id, n) : "";
}

void tempo_oai_add_sets(const tempo_oai_choice *c, json_t *choice)
{
    if (!c->o->sets)
        return;
    json_t *told = json_pack("{s:O}", "sets", c->new_sets);
    if (c->edits != NULL)
        json_object_set(told, "edits", c->edits);
    json_object_set_new(choice, "tempo", told);
}

/* Count n bytes more that the answer takes: false, and o->full, beyond the bound of all answers. */
static bool count_bytes(tempo_oai_choice *c, size_t n)
{
    tempo_oai *o = c->o;

    c->bytes += n;
    o->bytes += n;
    while (o->held < o->bytes && !o->full) {
        o->full = !tempo_api_hold(o->a, HOLD_STEP);
        o->held += o->full ? 0 : HOLD_STEP;
    }
    return !o->full;
}

/* Characters of the tail so far; each byte of what is none, or not whole yet, counts as one.  What cannot
 * change any more is counted once, so that a text costs its length. */
static size_t count_characters(tempo_oai_choice *c)
{
    const size_t end = c->tail.n;
    size_t n = c->characters, i = c->counted;
    bool fixed = true;

    while (i < end) {
        size_t len = 1;
        while (len < 4 && i + len < end && tempo_utf8_valid(c->tail.p + i, len) != len)
            len++;
        const bool whole = tempo_utf8_valid(c->tail.p + i, len) == len;
        fixed &= whole || end - i >= 4; /* more bytes could still make it a character */
        i += whole ? len : 1;
        n++;
        if (fixed) {
            c->counted = i;
            c->characters = n;
        }
    }
    return n;
}

/* Is the space that the first token after ids[n] begins with one that tokenizing put there? */
static bool space_is_added(const tempo_tokenizer *t, const int32_t *ids, size_t n)
{
    char *text;
    size_t n_text = 1;

    if (t == NULL || strcmp(tempo_tokenizer_get_info(t).kind, "spm") != 0 ||
        !tempo_tokenizer_get_info(t).add_space_prefix)
        return false;
    if (n > 0 && tempo_detokenize(t, ids, n, false, &text, &n_text, NULL) == TEMPO_OK)
        tempo_free(text);
    return n == 0 || n_text == 0;
}

static void keep_scores(tempo_oai_choice *c, tempo_oai_token *k, const tempo_token_score *scores, size_t n)
{
    if (!count_bytes(c, n * SCORE_BYTES))
        return;
    if ((k->scores = malloc(n * sizeof(*scores))) == NULL) {
        c->o->failed = true;
        return;
    }
    memcpy(k->scores, scores, n * sizeof(*scores));
    k->n_scores = n;
    k->has_score = true;
}

/* One more token; its text goes to the tail unless it is a control token, or silent. */
static void add_token(tempo_oai_choice *c, int32_t id, const tempo_token_score *scores, size_t n_scores,
                      bool silent)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(c->o->a->o.model);
    size_t n;
    const char *s = tempo_oai_token_text(c->o, id, &n);

    if (!count_bytes(c, sizeof(*c->tokens) + n + (c->o->logprobs ? TOKEN_BYTES : 0)))
        return;
    if (c->n_tokens == c->token_cap) {
        const size_t cap = c->token_cap == 0 ? 64 : 2 * c->token_cap;
        tempo_oai_token *p = realloc(c->tokens, cap * sizeof(*p));
        if (p == NULL) {
            c->o->failed = true;
            return;
        }
        c->tokens = p;
        c->token_cap = cap;
    }
    tempo_oai_token *k = &c->tokens[c->n_tokens++];
    *k = (tempo_oai_token){.id = id, .begin = c->tail.n, .characters = count_characters(c)};
    if (c->o->logprobs && n_scores > 0)
        keep_scores(c, k, scores, n_scores);
    if (silent || (t != NULL && tempo_token_is_control(t, id)))
        n = 0;
    if (c->strip && n > 0) {
        if (*s == ' ') {
            s++;
            n--;
        }
        c->strip = false;
    }
    c->o->failed |= !tempo_tail_add(&c->tail, s, n);
    k->end = c->tail.n;
}

void tempo_oai_choice_begin(tempo_oai_choice *c, const tempo_oai_prompt *prompt)
{
    const tempo_oai *o = c->o;
    const tempo_tokenizer *t = tempo_model_tokenizer(o->a->o.model);

    c->n_prompt = prompt->n;
    c->strip = space_is_added(t, prompt->ids, o->echo ? 0 : prompt->n);
    if ((c->new_sets = json_array()) == NULL)
        c->o->failed = true;
    for (size_t i = 0; o->echo && i < prompt->n; i++) /* stop strings are for what is decoded */
        add_token(c, prompt->ids[i], NULL, 0, false);
    if (o->echo)
        tempo_tail_end(&c->tail);
    c->tail.begin = c->tail.n;
    for (size_t i = 0; i < o->stops.n_stops; i++)
        c->o->failed |= !tempo_tail_stop_at(&c->tail, o->stops.stops[i].p, o->stops.stops[i].n);
}

/* ---- events ---- */

static void take_set(tempo_oai_choice *c, const tempo_event *e)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(c->o->a->o.model);
    const int32_t id = e->set.members[0].id;

    c->n_steps++;
    if (c->o->sets && count_bytes(c, e->set.n_members * SCORE_BYTES)) {
        c->set_bytes += e->set.n_members * SCORE_BYTES;
        c->o->failed |= json_array_append_new(c->new_sets, tempo_json_set(t, &e->set)) != 0;
    }
    /* who scores texts counts on one log probability a step; a chat's are those of its content */
    const bool end = e->stopped == TEMPO_STOPPED_EOS &&
                     tempo_decode_options_ends(&c->o->job.arms[0].decoding, c->o->a->o.model, id);
    if (!end || !c->o->shape->chat)
        add_token(c, id, e->scores, e->n_scores, end);
    if (c->tail.stopped)
        c->finish = "stop";
    else if (e->stopped != TEMPO_RUNNING)
        *(c->o->edits != NULL ? &c->late : &c->finish) = e->stopped == TEMPO_STOPPED_EOS ? "stop" : "length";
}

/* An echoed prompt is there before anything is decoded, its scores come one by one. */
static void take_prompt_score(tempo_oai_choice *c, const tempo_event *e)
{
    tempo_oai_token *k = e->step < c->n_prompt && e->step < c->n_tokens ? &c->tokens[e->step] : NULL;

    if (k != NULL && !k->has_score && e->n_scores > 0)
        keep_scores(c, k, e->scores, e->n_scores);
}

bool tempo_oai_choice_take(tempo_oai_choice *c, const tempo_event *e)
{
    if (e->kind == TEMPO_EVENT_SET)
        take_set(c, e);
    else if (e->kind == TEMPO_EVENT_PROMPT)
        take_prompt_score(c, e);
    if (e->kind == TEMPO_EVENT_DONE && c->finish == NULL)
        c->finish = c->late != NULL ? c->late : "length";
    if (e->kind == TEMPO_EVENT_DONE && e->ends[0].edits != NULL)
        c->edits = json_incref(e->ends[0].edits);
    if (c->finish == NULL)
        return true;
    tempo_tail_end(&c->tail);
    return false;
}

size_t tempo_oai_tokens_within(const tempo_oai_choice *c)
{
    size_t n = c->told_tokens;

    const size_t ready = tempo_oai_tellable(c);

    while (n < c->n_tokens &&
           (c->tokens[n].end <= ready || (c->finish != NULL && c->tokens[n].begin < ready)))
        n++;
    return n;
}

/* How many bytes of text[n] are sure not to belong to calls: those in front of a tag, or of what may become
 * one; none of a text that begins like JSON. */
static size_t before_calls(const char *text, size_t n, size_t told)
{
    static const char tag[] = "<tool_call>";
    size_t at = 0;

    while (at < n && strchr(" \t\r\n", text[at]) != NULL)
        at++;
    if (at == n || text[at] == '{' || text[at] == '[')
        return 0;
    for (at = at > told ? at : told; at < n; at++) { /* what was told began no tag */
        const size_t left = n - at < sizeof(tag) - 1 ? n - at : sizeof(tag) - 1;
        if (memcmp(text + at, tag, left) == 0)
            return at;
    }
    return n;
}

size_t tempo_oai_tellable(const tempo_oai_choice *c)
{
    if (!c->o->tools || c->finish != NULL || c->tail.ready <= c->tail.begin)
        return c->tail.ready;
    const size_t end = before_calls(c->tail.p, c->tail.ready, c->told);
    return end > c->told ? end : c->told;
}

void tempo_oai_choice_told_sets(tempo_oai_choice *c)
{
    json_array_clear(c->new_sets);
    c->bytes -= c->set_bytes;
    c->o->bytes -= c->set_bytes;
    c->set_bytes = 0;
}

void tempo_oai_choice_clear(tempo_oai_choice *c)
{
    if (c->job != NULL)
        tempo_job_close(c->job);
    for (size_t i = 0; i < c->n_tokens; i++)
        free(c->tokens[i].scores);
    free(c->tokens);
    tempo_tail_clear(&c->tail);
    json_decref(c->new_sets);
    json_decref(c->edits);
    c->o->bytes -= c->bytes;
    *c = (tempo_oai_choice){.o = c->o, .index = c->index, .n_prompt = c->n_prompt, .n_steps = c->n_steps};
}
