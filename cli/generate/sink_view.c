/* sink_view.c - --view: draws the steps of a run as columns while it goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/generate/generate.h"
#include "cli/generate/view_layout.h"
#include "cli/terminal.h"
#include "run/differ.h"
#include "run/document.h"

enum {
    FRAME_MS = 16,     /* what comes faster is drawn together */
    PROMPT_BYTES = 400 /* of the prompt's end that the sentence begins with */
};

/* A growing text. */
typedef struct text {
    char *p; /* [n] */
    size_t n, cap;
} text;

/* The prompt's end, then the first members. */
typedef struct sentence {
    text text;
    size_t n_prompt; /* bytes of it */
} sentence;

typedef struct run_view {
    generation *g;
    const tempo_run *r;            /* NULL: not yet */
    sentence sentences[VIEW_ARMS]; /* of each arm */
    int *widths;                   /* [n_columns] */
    size_t n_columns, cap;
    size_t first_difference;
    screen shown, next;
    text_buffer out;
    bool colors, strip, ended, dirty;
    double drawn_ms;
    bool follow;
    size_t first, skip;
    view_place place; /* of what is on the screen */
    char title[256], status[160];
} run_view;

/* ---- keeping ---- */

/* p[n] with room for `more`; NULL: out of memory, and p is as it was. */
static void *grow(void *p, size_t n, size_t *cap, size_t more, size_t size)
{
    if (p != NULL && *cap - n >= more)
        return p;
    const size_t larger = 2 * *cap + more + 64;
    void *q = realloc(p, larger * size);
    if (q != NULL)
        *cap = larger;
    return q;
}

static bool append_text(text *t, const char *s, size_t n)
{
    char *p = grow(t->p, t->n, &t->cap, n, 1);

    if (p == NULL)
        return false;
    t->p = p;
    if (n > 0)
        memcpy(p + t->n, s, n);
    t->n += n;
    return true;
}

static const char *token_bytes(const void *user, int32_t id, size_t *n)
{
    return tempo_token_bytes(user, id, n);
}

static bool token_is_eos(const void *user, int32_t id)
{
    return tempo_token_is_eos(user, id);
}

static view_vocab vocab_of(const run_view *v)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(v->g->s.model);

    if (t == NULL)
        return (view_vocab){0};
    return (view_vocab){.user = t, .bytes = token_bytes, .is_eos = token_is_eos};
}

/* The prompt's end, from the beginning of a word. */
static bool begin_sentence(const run_view *v, sentence *k)
{
    const session *p = &v->g->prompts[0].s;
    const char *s = p->text != NULL ? p->text : "";
    size_t n = p->n_text, from = n > PROMPT_BYTES ? n - PROMPT_BYTES : 0;

    if (from > 0)
        for (size_t i = from; i < n; i++)
            if (s[i] == ' ') {
                from = i + 1;
                break;
            }
    if ((from > 0 && !append_text(&k->text, "... ", 4)) || !append_text(&k->text, s + from, n - from))
        return false;
    k->n_prompt = k->text.n;
    return true;
}

static bool continue_sentence(const run_view *v, sentence *k, const tempo_set *set)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(v->g->s.model);
    const int32_t id = set->members[0].id;
    char number[24];
    size_t n;

    if (t == NULL) {
        n = (size_t)snprintf(number, sizeof(number), " %" PRId32, id);
        return append_text(&k->text, number, n);
    }
    if (tempo_token_is_control(t, id))
        return true;
    const char *s = tempo_token_bytes(t, id, &n);
    const bool strip = v->strip && set->step == 0 && n > 0 && s[0] == ' ';
    return append_text(&k->text, s + strip, n - strip);
}

static bool keep_width(run_view *v, size_t column, int width)
{
    int *widths = grow(v->widths, v->n_columns, &v->cap, 1, sizeof(*widths));

    if (widths == NULL)
        return false;
    v->widths = widths;
    if (column == v->n_columns)
        widths[v->n_columns++] = width;
    else if (width > widths[column])
        widths[column] = width;
    return true;
}

/* ---- drawing ---- */

static void write_title(run_view *v)
{
    const generation *g = v->g;
    char several[32];

    (void)snprintf(several, sizeof(several), "%zu arms", g->arms->n);
    (void)snprintf(v->title, sizeof(v->title), "%.100s \u00b7 %s \u00b7 threshold %.4g",
                   tempo_model_get_info(g->s.model)->name,
                   g->o->paired     ? "paired"
                   : g->arms->n > 1 ? several
                                    : g->arms->names[0],
                   g->arms->decoding[0].threshold);
}

/* " . stopped by eos, steps": of each arm, once where all say the same. */
static void write_stops(const run_view *v, char *out, size_t size)
{
    const size_t n = v->g->arms->n;
    const char *first = tempo_run_stopped_by(v->r, 0);
    bool same = true;
    int used;

    for (size_t i = 1; i < n; i++)
        same = same && strcmp(first, tempo_run_stopped_by(v->r, i)) == 0;
    if (same && strcmp(first, "steps") == 0) {
        (void)snprintf(out, size, " \u00b7 done");
        return;
    }
    used = snprintf(out, size, " \u00b7 stopped by %s", first);
    for (size_t i = 1; !same && i < n && (size_t)used < size; i++)
        used += snprintf(out + used, size - (size_t)used, ", %s", tempo_run_stopped_by(v->r, i));
}

static void write_status(run_view *v)
{
    const generation *g = v->g;
    const char *held = v->follow || v->n_columns == 0 ? "" : "paused \u00b7 ";
    char stopped[112] = "";
    size_t steps = 0;

    if (v->n_columns == 0) {
        const unsigned percent = g->prompt_polls > 0 && g->polls < g->prompt_polls
                                     ? (unsigned)(100 * g->polls / g->prompt_polls)
                                     : 100;
        (void)snprintf(v->status, sizeof(v->status), "reading the prompt %u%%", percent);
        return;
    }
    for (size_t i = 0; i < g->arms->n; i++)
        steps = g->arms->decoding[i].steps > steps ? g->arms->decoding[i].steps : steps;
    if (v->ended)
        write_stops(v, stopped, sizeof(stopped));
    (void)snprintf(v->status, sizeof(v->status), "%sstep %zu of %zu%s", held, v->n_columns, steps, stopped);
}

static view_place lay_out(run_view *v)
{
    view_arm arms[VIEW_ARMS];

    for (size_t i = 0; i < v->g->arms->n; i++) {
        const sentence *k = &v->sentences[i];
        const size_t n = v->r != NULL ? tempo_run_steps(v->r, i) : 0;
        arms[i] = (view_arm){
            v->g->arms->names[i], n > 0 ? tempo_run_set(v->r, i, 0) : NULL, n, k->text.p, k->text.n,
            k->n_prompt};
    }
    write_status(v);
    const view_input in = {
        .vocab = vocab_of(v),
        .arms = arms,
        .n_arms = v->g->arms->n,
        .widths = v->widths,
        .n_columns = v->n_columns,
        .title = v->title,
        .status = v->status,
        .keys = terminal_has_keys() ? "q quit  \u2190 \u2192 steps  \u2191 \u2193 members  space hold"
                                    : "Ctrl-C quit",
        .first_difference = v->first_difference,
        .colors = v->colors,
        .follow = v->follow,
        .first = v->first,
        .skip = v->skip,
    };
    return view_layout(&v->next, &in);
}

static void draw(run_view *v)
{
    int width, height;

    if (!terminal_is_entered())
        return;
    if (terminal_size(&width, &height))
        screen_free(&v->shown); /* everything is drawn anew */
    if (!screen_resize(&v->next, width, height))
        return;
    v->place = lay_out(v);
    v->out.n = 0;
    v->out.failed = false;
    screen_diff(&v->shown, &v->next, v->colors, &v->out);
    v->dirty = false;
    v->drawn_ms = now_ms();
    if (v->out.failed)
        return;
    terminal_write(v->out.p, v->out.n);
    const screen shown = v->shown;
    v->shown = v->next;
    v->next = shown;
}

/* ---- keys ---- */

static void move_to(run_view *v, size_t first)
{
    v->first = first;
    v->follow = false;
}

static void move_skip(run_view *v, bool up, size_t by)
{
    if (v->skip > v->place.most_skip)
        v->skip = v->place.most_skip;
    if (up)
        v->skip = v->skip > by ? v->skip - by : 0;
    else
        v->skip = v->place.most_skip - v->skip > by ? v->skip + by : v->place.most_skip;
}

/* false: quit */
static bool take_key(run_view *v, terminal_key key)
{
    const view_place p = v->place;

    switch (key) {
    case KEY_QUIT:
        return false;
    case KEY_LEFT:
        move_to(v, p.earlier);
        break;
    case KEY_RIGHT:
        if (p.newest)
            v->follow = true;
        else
            move_to(v, p.later);
        break;
    case KEY_PAGE_UP:
        move_to(v, p.first > p.end - p.first ? p.first - (p.end - p.first) : 0);
        break;
    case KEY_PAGE_DOWN:
        if (p.newest)
            v->follow = true;
        else
            move_to(v, p.end);
        break;
    case KEY_HOME:
        move_to(v, 0);
        break;
    case KEY_END:
        v->follow = true;
        break;
    case KEY_SPACE:
        v->first = p.first;
        v->follow = !v->follow;
        break;
    case KEY_UP:
        move_skip(v, true, 1);
        break;
    case KEY_DOWN:
        move_skip(v, false, 1);
        break;
    default:
        return true;
    }
    draw(v); /* the next key's meaning depends on what is seen */
    return true;
}

/* Everything that waits: keys, a new size, Ctrl-Z.  false: quit. */
static bool attend(run_view *v)
{
    terminal_suspend_if_asked();
    for (terminal_key key; (key = terminal_read_key()) != KEY_NONE;)
        if (!take_key(v, key))
            return false;
    if (terminal_changed() || (v->dirty && (v->ended || now_ms() - v->drawn_ms >= FRAME_MS)))
        draw(v);
    return true;
}

/* ---- the run's side ---- */

static void free_view(run_view *v)
{
    terminal_leave();
    for (size_t i = 0; i < VIEW_ARMS; i++)
        free(v->sentences[i].text.p);
    free(v->widths);
    free(v->out.p);
    screen_free(&v->shown);
    screen_free(&v->next);
    free(v);
}

static void *open_view(generation *g)
{
    run_view *v = g->arms->n <= VIEW_ARMS ? calloc(1, sizeof(*v)) : NULL;
    bool ok = v != NULL;

    if (g->arms->n > VIEW_ARMS) {
        say("--view has room for %d arms, and there are %zu", VIEW_ARMS, g->arms->n);
        return NULL;
    }
    if (v != NULL)
        *v = (run_view){.g = g,
                        .follow = true,
                        .first_difference = SIZE_MAX,
                        .colors = use_colors(g->o->color),
                        .strip = first_space_is_added(&g->prompts[0].s, g->s.model)};
    for (size_t i = 0; ok && i < g->arms->n; i++)
        ok = begin_sentence(v, &v->sentences[i]);
    if (!ok) {
        if (v != NULL)
            free_view(v);
        say("out of memory for the view");
        return NULL;
    }
    write_title(v);
    return v;
}

static tempo_status begin(void *user, tempo_run *r, tempo_err *err)
{
    run_view *v = user;

    (void)err;
    v->r = r;
    terminal_enter();
    draw(v);
    return TEMPO_OK;
}

static bool poll(void *user)
{
    run_view *v = user;

    if (v->n_columns == 0)
        v->dirty = true; /* the share of the prompt that has been read */
    if (!terminal_is_entered() || attend(v))
        return true;
    interrupt();
    return false;
}

static tempo_status step(void *user, tempo_run *r, tempo_err *err)
{
    run_view *v = user;
    const view_vocab vocab = vocab_of(v);

    (void)err;
    for (size_t i = 0; i < tempo_run_arms(r); i++) {
        if (!tempo_run_arm_read(r, i))
            continue;
        const tempo_set *set = tempo_decoder_last_set(tempo_run_decoder(r, i));
        if (!continue_sentence(v, &v->sentences[i], set) ||
            !keep_width(v, tempo_run_steps(r, i) - 1, view_column_width(&vocab, set))) {
            say("out of memory for step %zu", set->step);
            return sink_failed(v->g);
        }
    }
    v->first_difference = tempo_run_difference(r).set;
    v->dirty = true;
    return TEMPO_OK;
}

static tempo_status end(void *user, tempo_run *r, tempo_err *err)
{
    run_view *v = user;

    (void)r;
    (void)err;
    v->ended = true;
    if (terminal_is_entered() && terminal_has_keys() && !interrupted()) {
        draw(v);
        terminal_hold_signals();
        while (!interrupted() && attend(v))
            terminal_wait();
        terminal_release_signals();
    }
    terminal_leave();
    return TEMPO_OK;
}

static int close_view(void *user, int code)
{
    free_view(user);
    return code;
}

const sink_kind view_sink = {open_view, {.begin = begin, .step = step, .end = end}, poll, close_view};
