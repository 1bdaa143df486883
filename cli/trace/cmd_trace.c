/* cmd_trace.c - prompts decoded with sets, and each parallel set traced. */
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/trace/trace.h"
#include "run/decode_fields.h"

/* ---- options ---- */

static int problem(const char *what)
{
    say("%s", what);
    return EXIT_USAGE;
}

static int check_options(trace_view *v)
{
    const options *o = v->o;

    if (o->n_arguments != 1 || strcmp(o->argument, "siblings") != 0) {
        say("trace: %s%.64s%s; expected tempo trace siblings -p TEXT", o->n_arguments == 0 ? "nothing" : "'",
            o->n_arguments == 0 ? "" : o->arguments[o->n_arguments - 1],
            o->n_arguments == 0 ? " is named" : "'");
        return EXIT_USAGE;
    }
    v->decoding = o->decoding;
    if (!o->has_mode)
        v->decoding.mode = TEMPO_VISIBLE;
    if (v->decoding.mode == TEMPO_ISOLATED)
        return problem("--mode isolated has no edges between siblings to trace; expected visible or causal");
    if (v->decoding.replay != TEMPO_REPLAY_NONE)
        return problem("--replay has no siblings to trace");
    return EXIT_OK;
}

static int take_trace_options(trace_view *v)
{
    const options *o = v->o;
    tempo_decode_options layers = v->decoding;
    tempo_trace_cost cost;
    tempo_err err = {0};

    tempo_trace_options_init(&v->trace);
    v->trace.decoding = &v->decoding;
    if (o->layers != NULL && !tempo_decode_parse_layers(o->layers, &layers)) {
        say("--layers: '%.64s' is not two layers A-B with A <= B", o->layers);
        return EXIT_USAGE;
    }
    if (o->layers != NULL) {
        v->trace.first_layer = layers.first_visible_layer;
        v->trace.last_layer = layers.last_visible_layer;
    }
    v->trace.max_bytes = o->max_memory;
    if (o->answers != NULL) {
        const int code = lens_read_tokens(v->s, "answers", o->answers, &v->tokens, &v->n_tokens);
        if (code != EXIT_OK)
            return code;
    }
    v->trace.tokens = v->tokens;
    v->trace.n_tokens = v->n_tokens;
    return tempo_trace_estimate(&cost, v->s->model, &v->trace, 2, 2, &err) == TEMPO_OK ? EXIT_OK
                                                                                       : say_error(&err);
}

/* ---- prompts ---- */

static int read_prompts(trace_view *v)
{
    int code = EXIT_OK;

    if (given_prompts(v->o)) {
        if ((code = session_check_prompt(v->o)) != EXIT_OK)
            return code;
        if ((code = prompts_load(&v->lines, v->o->file)) != EXIT_OK)
            return code;
    }
    const size_t n = v->lines != NULL ? v->lines->n : 1;
    if ((v->prompts = calloc(n, sizeof(*v->prompts))) == NULL) {
        say("out of memory for the prompts");
        return EXIT_FAILED;
    }
    for (; v->n_prompts < n && code == EXIT_OK; v->n_prompts++) {
        traced_prompt *p = &v->prompts[v->n_prompts];
        *p = (traced_prompt){.index = v->n_prompts, .s = {.model = v->s->model, .engine = v->s->engine}};
        p->line = v->lines != NULL ? &v->lines->lines[v->n_prompts] : NULL;
        code = v->lines != NULL ? prompts_take(&p->s, v->o, v->lines, v->n_prompts)
                                : session_read_prompt(&p->s, v->o);
    }
    return code;
}

/* ---- the sets ---- */

/* Is it one that the run goes on from, with siblings? */
static bool is_parallel(const tempo_run *r, size_t i)
{
    const tempo_set *set = tempo_run_set(r, 0, i);
    const bool last = i + 1 == tempo_run_steps(r, 0);
    size_t slots = 0;

    for (size_t k = 0; set != NULL && k < set->n_members; k++)
        slots += set->members[k].slot >= 0;
    return slots > 1 && !(last && tempo_decoder_stopped(tempo_run_decoder(r, 0)) == TEMPO_STOPPED_EOS);
}

static tempo_run_options run_options(const trace_view *v, tempo_run_arm *arm)
{
    tempo_run_options o;

    *arm = (tempo_run_arm){.decoding = &v->decoding};
    tempo_run_options_init(&o);
    o.arms = arm;
    o.n_arms = 1;
    o.keep = true;
    return o;
}

static tempo_status hear_end(void *user, tempo_run *r, tempo_err *err)
{
    trace_view *v = user;
    const traced_prompt *p = tempo_run_user(r);
    tempo_status st = TEMPO_OK;

    for (size_t i = 0; i < tempo_run_steps(r, 0) && st == TEMPO_OK; i++)
        if (is_parallel(r, i)) {
            v->parallel++;
            st = tempo_strangers_add(&v->pool, tempo_run_set(r, 0, i), p->index, err);
        }
    return st;
}

/* All prompts, for what sets there are. */
static tempo_status find_sets(trace_view *v, tempo_err *err)
{
    const tempo_observer obs = {.poll = poll_interrupts};
    const tempo_sink sink = {.user = v, .end = hear_end};
    tempo_run_prompt *prompts = calloc(v->n_prompts, sizeof(*prompts));
    tempo_run_arm arm;
    tempo_run_options o = run_options(v, &arm);

    if (prompts == NULL)
        return TEMPO_E_NOMEM;
    o.sinks = &sink;
    o.n_sinks = 1;
    for (size_t i = 0; i < v->n_prompts; i++)
        prompts[i] = (tempo_run_prompt){
            .ids = v->prompts[i].s.ids, .n = v->prompts[i].s.n_ids, .user = &v->prompts[i]};
    const tempo_status st = tempo_runs_prompts(v->s->engine, &o, prompts, v->n_prompts, 0, NULL, &obs, err);
    free(prompts);
    return st;
}

/* ---- tracing ---- */

static void tell_progress(void *user, size_t done, size_t total)
{
    const trace_view *v = user;

    show_progress("tracing", v->n_sets * total + done, v->parallel * total);
}

static bool grow(traced_prompt *p)
{
    const size_t cap = p->cap == 0 ? 8 : 2 * p->cap;

    if (p->n < p->cap)
        return true;
    traced_set *more = realloc(p->sets, cap * sizeof(*more));
    if (more == NULL)
        return false;
    p->sets = more;
    p->cap = cap;
    return true;
}

static void drop_set(traced_set *s)
{
    free((void *)(uintptr_t)s->set.members);
    free(s->strangers);
    tempo_trace_free(s->t);
}

static tempo_status trace_set(trace_view *v, traced_prompt *p, const tempo_run *run, const tempo_set *set,
                              tempo_err *err)
{
    tempo_member *members = malloc(set->n_members * sizeof(*members));
    traced_set one = {.set = *set, .strangers = malloc(set->n_members * sizeof(int32_t))};
    tempo_trace_options o = v->trace;
    size_t n;
    tempo_status st = TEMPO_E_NOMEM;

    one.set.members = members;
    if (members != NULL && one.strangers != NULL && grow(p)) {
        memcpy(members, set->members, set->n_members * sizeof(*members));
        if (v->o->no_exchange ||
            !tempo_strangers_draw(&v->pool, set, p->index, v->o->seed, one.strangers, &n)) {
            free(one.strangers);
            one.strangers = NULL;
        }
        o.strangers = one.strangers;
        o.user = v;
        o.poll = poll_interrupts;
        o.progress = tell_progress;
        st = tempo_trace_siblings(&one.t, v->s->engine, tempo_decoder_seq(tempo_run_decoder(run, 0)), set, &o,
                                  err);
    }
    if (st == TEMPO_OK && (st = tempo_trace_means_add(&p->means, one.t, err)) == TEMPO_OK)
        st = tempo_trace_means_add(&v->means, one.t, err);
    if (st != TEMPO_OK) {
        drop_set(&one);
        return st;
    }
    p->sets[p->n++] = one;
    v->n_sets++;
    return TEMPO_OK;
}

/* The prompt decoded once more, to the same bits, and its sets one after the other. */
static tempo_status trace_prompt(trace_view *v, traced_prompt *p, tempo_err *err)
{
    const tempo_observer obs = {.poll = poll_interrupts};
    const tempo_run_prompt one = {.ids = p->s.ids, .n = p->s.n_ids};
    tempo_run_arm arm;
    const tempo_run_options o = run_options(v, &arm);
    tempo_run *run;
    tempo_status st = tempo_run_create(&run, v->s->engine, &o, &one, err);

    if (st == TEMPO_OK)
        st = tempo_runs_all(&run, 1, &obs, err);
    for (size_t i = 0; st == TEMPO_OK && i < tempo_run_steps(run, 0); i++)
        if (is_parallel(run, i))
            st = trace_set(v, p, run, tempo_run_set(run, 0, i), err);
    tempo_run_free(run);
    return st;
}

static int trace_all(trace_view *v)
{
    tempo_err err = {0};
    tempo_status st;

    show_progress("decoding", 0, 1);
    st = find_sets(v, &err);
    for (size_t i = 0; i < v->n_prompts && st == TEMPO_OK; i++)
        st = trace_prompt(v, &v->prompts[i], &err);
    show_progress("", 0, 0);
    if (st == TEMPO_E_STOPPED && interrupted())
        return EXIT_INTERRUPTED;
    if (st == TEMPO_E_NOMEM && err.code == TEMPO_OK) {
        say("out of memory for what was traced");
        return EXIT_FAILED;
    }
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

/* ---- what is told ---- */

static int tell(const trace_view *v)
{
    const options *o = v->o;
    int code = EXIT_OK;

    if (o->csv != NULL)
        code = trace_csv(v);
    if (code == EXIT_OK && o->npz != NULL)
        code = trace_npz(v);
    if (code == EXIT_OK && o->svg != NULL)
        code = trace_svg(v);
    if (code == EXIT_OK && o->curves != NULL)
        code = trace_curves(v);
    if (code == EXIT_OK)
        code = o->json ? trace_json(v) : trace_print(v);
    return code;
}

static int no_sets(const trace_view *v)
{
    say("no set of two members or more: nothing has siblings at --threshold %g; a lower one makes larger "
        "sets",
        v->decoding.threshold);
    return EXIT_FAILED;
}

static void close_view(trace_view *v)
{
    for (size_t i = 0; i < v->n_prompts; i++) {
        traced_prompt *p = &v->prompts[i];
        for (size_t k = 0; k < p->n; k++)
            drop_set(&p->sets[k]);
        free(p->sets);
        tempo_trace_means_free(&p->means);
        prompts_drop(&p->s);
    }
    free(v->prompts);
    tempo_prompt_lines_free(v->lines);
    tempo_trace_means_free(&v->means);
    free(v->pool.list);
    free(v->tokens);
}

int cmd_trace(const options *o)
{
    session s = {0};
    trace_view v = {.s = &s, .o = o};
    int code = check_options(&v);

    if (code != EXIT_OK)
        return code;
    catch_interrupts();
    if ((code = session_open_engine(&s, o)) == EXIT_OK && (code = read_prompts(&v)) == EXIT_OK &&
        (code = take_trace_options(&v)) == EXIT_OK)
        code = trace_all(&v);
    if (code == EXIT_OK && v.n_sets == 0)
        code = no_sets(&v);
    if (v.n_sets > 0 && (code == EXIT_OK || code == EXIT_INTERRUPTED)) {
        const int told = tell(&v);
        code = told != EXIT_OK ? told : code;
    }
    close_view(&v);
    session_close(&s);
    return code;
}
