/* view.c - `tempo generate --view`: keeps the steps of a run, and draws them as columns while it goes on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/generate/run.h"
#include "cli/terminal.h"
#include "cli/generate/view_layout.h"

enum {
    FRAME_MS = 16,     /* what comes faster is drawn together */
    PROMPT_BYTES = 400 /* of the prompt's end that the sentence begins with */
};

/* A growing text. */
typedef struct text {
    char *p; /* [n] */
    size_t n, cap;
} text;

typedef struct kept_arm {
    tempo_set *sets; /* [n] with members of their own */
    size_t n, cap;
    text sentence;
    size_t n_prompt; /* bytes of the sentence */
} kept_arm;

struct run_view {
    run *r;
    kept_arm arms[2];
    int *widths; /* [n_columns] */
    size_t n_columns, cap;
    size_t first_difference;
    screen shown, next;
    text_buffer out;
    bool ended, dirty;
    double drawn_ms;
    bool follow;
    size_t first, skip;
    view_place place; /* of what is on the screen */
    char title[256], status[96];
};

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
    const tempo_tokenizer *t = tempo_model_tokenizer(v->r->s.model);

    if (t == NULL)
        return (view_vocab){0};
    return (view_vocab){.user = t, .bytes = token_bytes, .is_eos = token_is_eos};
}

/* The prompt's end, from the beginning of a word. */
static bool begin_sentence(const run_view *v, kept_arm *k)
{
    const char *s = v->r->s.text != NULL ? v->r->s.text : "";
    size_t n = v->r->s.n_text, from = n > PROMPT_BYTES ? n - PROMPT_BYTES : 0;

    if (from > 0)
        for (size_t i = from; i < n; i++)
            if (s[i] == ' ') {
                from = i + 1;
                break;
            }
    if ((from > 0 && !append_text(&k->sentence, "... ", 4)) || !append_text(&k->sentence, s + from, n - from))
        return false;
    k->n_prompt = k->sentence.n;
    return true;
}

static bool continue_sentence(const run_view *v, kept_arm *k, const tempo_set *set)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(v->r->s.model);
    const int32_t id = set->members[0].id;
    char number[24];
    size_t n;

    if (t == NULL) {
        n = (size_t)snprintf(number, sizeof(number), " %" PRId32, id);
        return append_text(&k->sentence, number, n);
    }
    if (tempo_token_is_control(t, id))
        return true;
    const char *s = tempo_token_bytes(t, id, &n);
    const bool strip = v->r->strip && set->step == 0 && n > 0 && s[0] == ' ';
    return append_text(&k->sentence, s + strip, n - strip);
}

static bool keep_set(run_view *v, kept_arm *k, const tempo_set *set)
{
    tempo_set *sets = grow(k->sets, k->n, &k->cap, 1, sizeof(*sets));
    tempo_member *members = malloc(set->n_members * sizeof(*members));

    if (sets != NULL)
        k->sets = sets;
    if (sets == NULL || members == NULL || !continue_sentence(v, k, set)) {
        free(members);
        return false;
    }
    memcpy(members, set->members, set->n_members * sizeof(*members));
    k->sets[k->n] = *set;
    k->sets[k->n++].members = members;
    return true;
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
    const run *r = v->r;
    const tempo_model_info *info = tempo_model_get_info(r->s.model);

    (void)snprintf(v->title, sizeof(v->title), "%.100s \u00b7 %s \u00b7 threshold %.4g", info->name,
                   r->n_arms > 1 ? "paired" : r->arms[0].name, r->o->decoding.threshold);
}

static void write_status(run_view *v)
{
    const run *r = v->r;
    const char *held = v->follow || v->n_columns == 0 ? "" : "paused \u00b7 ";
    char stopped[40] = "";

    if (v->n_columns == 0) {
        const unsigned percent = r->prompt_polls > 0 && r->polls < r->prompt_polls
                                     ? (unsigned)(100 * r->polls / r->prompt_polls)
                                     : 100;
        (void)snprintf(v->status, sizeof(v->status), "reading the prompt %u%%", percent);
        return;
    }
    if (v->ended) {
        const char *a = stopped_by(r, &r->arms[0]), *b = stopped_by(r, &r->arms[r->n_arms - 1]);
        if (strcmp(a, b) == 0 && strcmp(a, "steps") == 0)
            (void)snprintf(stopped, sizeof(stopped), " \u00b7 done");
        else
            (void)snprintf(stopped, sizeof(stopped), " \u00b7 stopped by %s%s%s", a,
                           strcmp(a, b) == 0 ? "" : ", ", strcmp(a, b) == 0 ? "" : b);
    }
    (void)snprintf(v->status, sizeof(v->status), "%sstep %zu of %zu%s", held, v->n_columns,
                   r->o->decoding.steps, stopped);
}

static view_place lay_out(run_view *v)
{
    view_arm arms[2];

    for (size_t i = 0; i < v->r->n_arms; i++) {
        const kept_arm *k = &v->arms[i];
        arms[i] = (view_arm){v->r->arms[i].name, k->sets, k->n, k->sentence.p, k->sentence.n, k->n_prompt};
    }
    write_status(v);
    const view_input in = {
        .vocab = vocab_of(v),
        .arms = arms,
        .n_arms = v->r->n_arms,
        .widths = v->widths,
        .n_columns = v->n_columns,
        .title = v->title,
        .status = v->status,
        .keys = terminal_has_keys() ? "q quit  \u2190 \u2192 steps  \u2191 \u2193 members  space hold"
                                    : "Ctrl-C quit",
        .first_difference = v->first_difference,
        .colors = v->r->colors,
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
    screen_diff(&v->shown, &v->next, v->r->colors, &v->out);
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

run_view *view_open(run *r)
{
    run_view *v = calloc(1, sizeof(*v));
    bool ok = v != NULL;

    if (v != NULL) {
        v->r = r;
        v->follow = true;
        v->first_difference = SIZE_MAX;
    }
    for (size_t i = 0; ok && i < r->n_arms; i++)
        ok = begin_sentence(v, &v->arms[i]);
    if (!ok) {
        view_free(v);
        say("out of memory for the view");
        return NULL;
    }
    write_title(v);
    terminal_enter();
    draw(v);
    return v;
}

void view_free(run_view *v)
{
    if (v == NULL)
        return;
    terminal_leave();
    for (size_t i = 0; i < 2; i++) {
        kept_arm *k = &v->arms[i];
        for (size_t j = 0; j < k->n; j++)
            free((void *)(uintptr_t)k->sets[j].members);
        free(k->sets);
        free(k->sentence.p);
    }
    free(v->widths);
    free(v->out.p);
    screen_free(&v->shown);
    screen_free(&v->next);
    free(v);
}

bool view_poll(run_view *v)
{
    if (v->n_columns == 0)
        v->dirty = true; /* the share of the prompt that has been read */
    if (!terminal_is_entered() || attend(v))
        return true;
    interrupt();
    return false;
}

bool view_step(run_view *v)
{
    const run *r = v->r;
    const view_vocab vocab = vocab_of(v);
    bool same = r->n_arms == 1 || (r->arms[0].advanced && r->arms[1].advanced);

    for (size_t i = 0; i < r->n_arms; i++) {
        if (!r->arms[i].advanced)
            continue;
        const tempo_set *set = tempo_decoder_last_set(r->arms[i].decoder);
        if (!keep_set(v, &v->arms[i], set) ||
            !keep_width(v, v->arms[i].n - 1, view_column_width(&vocab, set))) {
            say("out of memory for step %zu", set->step);
            return false;
        }
    }
    if (same && r->n_arms == 2)
        same = tempo_relate_sets(&v->arms[0].sets[v->arms[0].n - 1], &v->arms[1].sets[v->arms[1].n - 1]) !=
               TEMPO_SETS_DIFFERENT;
    if (!same && v->first_difference == SIZE_MAX)
        v->first_difference = v->n_columns - 1;
    v->dirty = true;
    return true;
}

void view_stay(run_view *v)
{
    v->ended = true;
    if (terminal_is_entered() && terminal_has_keys() && !interrupted()) {
        draw(v);
        terminal_hold_signals();
        while (!interrupted() && attend(v))
            terminal_wait();
        terminal_release_signals();
    }
    terminal_leave();
}

void view_print(run_view *v)
{
    run *r = v->r;

    if (v->n_columns > 0)
        show_prompt(r);
    for (size_t i = 0; i < v->n_columns; i++) {
        const tempo_set *sets[2] = {NULL, NULL};
        for (size_t a = 0; a < r->n_arms; a++)
            if (i < v->arms[a].n)
                sets[a] = &v->arms[a].sets[i];
        show_sets(r, sets);
    }
}
