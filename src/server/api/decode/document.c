/* document.c - events of a job as JSON: the data lines of streams, and the document of a generation. */
#include "server/api/decode/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run/decode_json.h"
#include "run/document.h"
#include "files/json_out.h"

struct tempo_document {
    tempo_api *a;
    char id[32];
    int64_t created;
    json_t *start; /* until it was told */
    int32_t *prompt;
    size_t n_prompt;
    char arms[TEMPO_JOB_MAX_ARMS][24];
    size_t n_arms;
    size_t steps;        /* of the arm with the most so far */
    tempo_api_text line; /* what the last call gave */
    size_t max_bytes;
    tempo_document_room room;
    size_t held;            /* of the api's count: what the sections take */
    tempo_api_shared *text; /* of all, once it was asked for */
    tempo_api_text start_text, sets, attention, compare, done; /* of the document */
};

/* ---- the beginning ---- */

static json_t *make_config(tempo_api *a, const tempo_api_request *r)
{
    const tempo_model_info *info = tempo_model_get_info(a->o.model);
    tempo_decode_options d = r->decoding;
    json_t *c = json_object();

    d.steps -= r->job.n_given;
    tempo_json_add_decoding(c, &d, info->n_layers);
    if (r->arms != NULL) { /* the arms' names say it */
        json_object_set_new(c, "mode", json_null());
        json_object_set_new(c, "replay", json_null());
    }
    json_object_set_new(c, "max_slots", json_integer((json_int_t)d.max_slots));
    json_object_set_new(c, "given", json_integer((json_int_t)r->job.n_given));
    json_object_set_new(c, "attention", json_boolean(r->attention));
    json_object_set_new(c, "top_keys", json_integer((json_int_t)r->top_keys));
    json_object_set_new(c, "threads", json_integer((json_int_t)a->o.threads));
    json_object_set_new(c, "cpu", json_string(info->kernels));
    json_object_set_new(c, "compute", json_string(info->compute));
    json_object_set_new(c, "no_bos", json_boolean(r->no_bos));
    json_object_set_new(c, "no_special", json_boolean(r->no_special));
    return c;
}

/* {ARM: [text]}; NULL: no arm has any. */
static json_t *edits_json(const tempo_api_request *r)
{
    json_t *o = NULL;

    for (size_t i = 0; i < r->job.n_arms; i++)
        if (tempo_edits_count(r->lists[i]) > 0) {
            o = o != NULL ? o : json_object();
            json_object_set_new(o, r->job.arms[i].name, tempo_json_edit_texts(r->lists[i]));
        }
    return o;
}

static json_t *make_start(tempo_document *d, const tempo_api_request *r)
{
    const tempo_model_info *info = tempo_model_get_info(d->a->o.model);
    const tempo_tokenizer *t = tempo_model_tokenizer(d->a->o.model);
    json_t *o = json_object(), *ids = json_array(), *tokens = json_array(), *arms = json_array(),
           *edits = edits_json(r);

    for (size_t i = 0; i < r->n_ids; i++) {
        json_t *token = json_pack("{s:i}", "id", (int)r->ids[i]);
        json_array_append_new(ids, json_integer(r->ids[i]));
        tempo_json_add_token(token, t, r->ids[i]);
        json_array_append_new(tokens, token);
    }
    for (size_t i = 0; i < r->job.n_arms; i++)
        json_array_append_new(arms, json_string(r->job.arms[i].name));
    json_object_set_new(o, "id", json_string(d->id));
    json_object_set_new(o, "created", json_integer(d->created));
    json_object_set_new(o, "model", tempo_json_bytes(info->name, strlen(info->name)));
    json_object_set_new(o, "version", json_string(tempo_version()));
    tempo_json_add_text(o, "prompt", "prompt_bytes", r->text != NULL ? r->text : "", r->n_text);
    json_object_set_new(o, "prompt_ids", ids);
    json_object_set_new(o, "prompt_tokens", tokens);
    json_object_set_new(o, "config", make_config(d->a, r));
    if (r->warnings != NULL)
        json_object_set(o, "warnings", r->warnings);
    json_object_set_new(o, "arms", arms);
    if (edits != NULL)
        json_object_set_new(o, "edits", edits);
    json_object_set_new(o, "layers", json_integer(info->n_layers));
    json_object_set_new(o, "heads", json_integer(info->n_heads));
    json_object_set_new(o, "vocabulary", json_integer(info->n_vocab));
    json_object_set_new(o, "recording", json_boolean(r->job.record));
    return o;
}

tempo_document *tempo_document_create(tempo_api *a, const tempo_api_request *r, size_t max_bytes)
{
    tempo_document *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return NULL;
    *d = (tempo_document){.a = a,
                          .created = (int64_t)time(NULL),
                          .max_bytes = max_bytes,
                          .n_prompt = r->n_ids,
                          .n_arms = r->job.n_arms};
    tempo_api_new_id(d->id, sizeof(d->id), "gen-");
    for (size_t i = 0; i < d->n_arms; i++)
        memcpy(d->arms[i], r->job.arms[i].name, sizeof(d->arms[i]));
    if ((d->prompt = malloc(r->n_ids * sizeof(*d->prompt))) == NULL ||
        (d->start = make_start(d, r)) == NULL) {
        tempo_document_free(d);
        return NULL;
    }
    memcpy(d->prompt, r->ids, r->n_ids * sizeof(*d->prompt));
    return d;
}

static void drop_section(tempo_api_text *t)
{
    free(t->p);
    *t = (tempo_api_text){0};
}

static void drop_sections(tempo_document *d)
{
    drop_section(&d->start_text);
    drop_section(&d->sets);
    drop_section(&d->attention);
    drop_section(&d->compare);
    drop_section(&d->done);
    tempo_api_let_go(d->a, d->held);
    d->held = 0;
}

void tempo_document_free(tempo_document *d)
{
    if (d == NULL)
        return;
    json_decref(d->start);
    free(d->prompt);
    free(d->line.p);
    drop_sections(d);
    tempo_api_shared_free(d->text);
    free(d);
}

const char *tempo_document_id(const tempo_document *d)
{
    return d->id;
}

int64_t tempo_document_created(const tempo_document *d)
{
    return d->created;
}

/* ---- events ---- */

static json_t *tell_set(tempo_document *d, const tempo_event *e)
{
    json_t *o = tempo_json_set(tempo_model_tokenizer(d->a->o.model), &e->set);

    d->steps = e->step >= d->steps ? e->step + 1 : d->steps;
    json_object_set_new(o, "arm", json_string(d->arms[e->arm]));
    json_object_set_new(o, "given", json_boolean(e->given));
    json_object_set_new(o, "stopped_by",
                        e->stopped == TEMPO_RUNNING ? json_null()
                                                    : json_string(tempo_stopped_name(e->stopped)));
    return o;
}

static json_t *tell_compare(const tempo_document *d, const tempo_event *e)
{
    const tempo_job_comparison *c = &e->compare;
    json_t *arms = json_array();

    for (size_t i = 0; i < c->of.n; i++)
        json_array_append_new(arms, json_string(d->arms[c->arm[i]]));
    return json_pack("{s:I, s:o, s:b, s:b, s:b, s:o, s:o, s:O}", "step", (json_int_t)e->step, "arms", arms,
                     "same", c->of.sets != TEMPO_SETS_DIFFERENT, "same_order", c->of.sets == TEMPO_SETS_EQUAL,
                     "same_distribution", c->of.same_q, "kl", tempo_json_numbers(c->kl, c->of.n), "tv",
                     tempo_json_numbers(c->tv, c->of.n), "only", c->only);
}

static json_t *tell_arm(const tempo_document *d, size_t arm, const tempo_job_arm_end *end)
{
    json_t *o = json_pack("{s:s, s:I}", "arm", d->arms[arm], "steps", (json_int_t)end->steps);

    tempo_json_add_texts(o, tempo_model_tokenizer(d->a->o.model), d->prompt, d->n_prompt, &end->all,
                         &end->top);
    json_object_set_new(o, "stopped_by", json_string(tempo_stopped_name(end->stopped)));
    if (end->edits != NULL)
        json_object_set(o, "edits", end->edits);
    return o;
}

static json_t *tell_done(const tempo_document *d, const tempo_event *e)
{
    json_t *arms = json_array(), *o;

    for (size_t i = 0; i < d->n_arms; i++)
        json_array_append_new(arms, tell_arm(d, i, &e->ends[i]));
    o = json_pack("{s:s, s:o, s:{s:o, s:o, s:o}}", "id", d->id, "arms", arms, "timing", "queued_ms",
                  tempo_json_number(e->queued_ms), "first_set_ms", tempo_json_number(e->first_set_ms),
                  "total_ms", tempo_json_number(e->total_ms));
    tempo_parting_tell(&e->parting, o);
    return o;
}

/* ---- telling ---- */

static void give_up(tempo_document *d, tempo_document_room why)
{
    d->room = why;
    drop_sections(d);
}

/* Count what the section will take when n bytes more are in it. */
static bool hold_section(tempo_document *d, const tempo_api_text *section, size_t n)
{
    const size_t more = tempo_api_text_room(section, n) - section->cap;

    if (!tempo_api_hold(d->a, more))
        return false;
    d->held += more;
    return true;
}

/* The line is one of a document's section; several are separated by commas. */
static void keep_line(tempo_document *d, tempo_api_text *section)
{
    const size_t bytes = d->start_text.n + d->sets.n + d->attention.n + d->compare.n + d->done.n;

    if (d->max_bytes == 0 || d->room != TEMPO_DOCUMENT_FITS)
        return;
    if (bytes + d->line.n > d->max_bytes) {
        give_up(d, TEMPO_DOCUMENT_LARGE);
        return;
    }
    if (!hold_section(d, section, d->line.n + 1)) {
        give_up(d, TEMPO_DOCUMENT_FULL);
        return;
    }
    if (section->n > 0)
        tempo_api_text_add(section, ",", 1);
    tempo_api_text_add(section, d->line.p, d->line.n);
    if (section->failed)
        give_up(d, TEMPO_DOCUMENT_FULL);
}

static const char *give_line(tempo_document *d, size_t *n)
{
    *n = d->line.n;
    return d->line.failed ? NULL : d->line.p;
}

static void set_line(tempo_document *d, json_t *o, bool single)
{
    d->line.n = 0;
    tempo_api_text_add_json(&d->line, o, single ? TEMPO_API_FLOATS : TEMPO_API_DOUBLES);
}

const char *tempo_document_start(tempo_document *d, size_t *n)
{
    set_line(d, d->start, false);
    d->start = NULL;
    if (!d->line.failed)
        keep_line(d, &d->start_text);
    return give_line(d, n);
}

/* The error of a job as a client sees it. */
static void set_error_line(tempo_document *d, const tempo_err *err)
{
    unsigned status;
    char *text = tempo_api_job_error_json(d->a, err, &status);

    d->line.n = 0;
    d->line.failed |= text == NULL;
    if (text != NULL)
        tempo_api_text_add_string(&d->line, text);
    free(text);
}

const char *tempo_document_add(tempo_document *d, const tempo_event *e, const char **name, size_t *n)
{
    switch (e->kind) {
    case TEMPO_EVENT_SET:
        *name = "set";
        set_line(d, tell_set(d, e), false);
        keep_line(d, &d->sets);
        break;
    case TEMPO_EVENT_ATTENTION:
        *name = "attention";
        set_line(d, tempo_api_attention_json(&e->attention, d->arms[e->arm], e->step), true);
        keep_line(d, &d->attention);
        break;
    case TEMPO_EVENT_COMPARE:
        *name = "compare";
        set_line(d, tell_compare(d, e), false);
        keep_line(d, &d->compare);
        break;
    case TEMPO_EVENT_DONE:
        *name = "done";
        set_line(d, tell_done(d, e), false);
        keep_line(d, &d->done);
        break;
    default:
        *name = "error";
        set_error_line(d, &e->err);
    }
    return give_line(d, n);
}

size_t tempo_document_steps(const tempo_document *d)
{
    return d->steps;
}

tempo_document_room tempo_document_get_room(const tempo_document *d)
{
    return d->room;
}

typedef struct part {
    const char *before;
    tempo_api_text *section;
    const char *if_empty;
} part;

/* The sections' text between what separates them, and the sections are gone: there is hardly more than one
 * copy of it at any time, and memory that is counted for the sections is enough for both. */
static char *join(const part *parts, size_t n_parts, size_t n)
{
    char *text = malloc(n);
    size_t at = 0;

    for (size_t i = 0; i < n_parts && text != NULL; i++) {
        const part *p = &parts[i];
        const bool empty = p->section->n == 0;
        const size_t n_before = strlen(p->before), n_own = empty ? strlen(p->if_empty) : p->section->n;
        memcpy(text + at, p->before, n_before);
        memcpy(text + at + n_before, empty ? p->if_empty : p->section->p, n_own);
        at += n_before + n_own;
        drop_section(p->section);
    }
    if (text != NULL)
        text[at] = '}';
    return text;
}

static void make_text(tempo_document *d)
{
    const part parts[] = {{"{\"start\":", &d->start_text, ""},
                          {",\"sets\":[", &d->sets, ""},
                          {"],\"attention\":[", &d->attention, ""},
                          {"],\"compare\":[", &d->compare, ""},
                          {"],\"done\":", &d->done, "null"}};
    enum { PARTS = sizeof(parts) / sizeof(*parts) };
    size_t n = 1;

    for (size_t i = 0; i < PARTS; i++)
        n += strlen(parts[i].before) +
             (parts[i].section->n > 0 ? parts[i].section->n : strlen(parts[i].if_empty));
    if (n > d->held) {
        if (!tempo_api_hold(d->a, n - d->held)) {
            give_up(d, TEMPO_DOCUMENT_FULL);
            return;
        }
        d->held = n;
    }
    char *text = join(parts, PARTS, n);
    if (text == NULL) {
        give_up(d, TEMPO_DOCUMENT_FULL);
        return;
    }
    d->held -= n; /* the text's from here on */
    if ((d->text = tempo_api_share(d->a, text, n)) == NULL)
        d->room = TEMPO_DOCUMENT_FULL;
    drop_sections(d);
}

tempo_api_shared *tempo_document_text(tempo_document *d)
{
    if (d->text == NULL && d->max_bytes > 0 && d->room == TEMPO_DOCUMENT_FITS && d->start_text.n > 0)
        make_text(d);
    return tempo_api_shared_take(d->text);
}
