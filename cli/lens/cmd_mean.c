/* cmd_mean.c - what taps are on average, over the rows of prompts: a file for edits. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/prompts.h"
#include "io/json_file.h"
#include "lens/mean.h"

enum { CHUNK = 128 };

typedef struct mean_run {
    session s;
    const options *o;
    tempo_means *means;
    tempo_tap_selection taps[TEMPO_TAP_COUNT];
    size_t n_taps, prompts;
    unsigned want;
} mean_run;

static int read_taps(mean_run *m)
{
    const tempo_capture_options *c = &m->o->capturing;

    if (!m->o->has_record) {
        say("mean needs --tap LIST, such as --tap z,resid_post:layers=4-8");
        return EXIT_USAGE;
    }
    if ((c->record & ~(unsigned)TEMPO_RECORD_LOGITS) != 0) {
        say("--tap: attention, positions and kv have no mean; expected taps such as z or resid_post");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < c->n_taps; i++)
        m->taps[m->n_taps++] = c->taps[i];
    if ((c->record & TEMPO_RECORD_LOGITS) != 0)
        m->taps[m->n_taps++] = (tempo_tap_selection){.tap = TEMPO_TAP_LOGITS};
    m->want = TEMPO_WANT_TAPS | ((c->record & TEMPO_RECORD_LOGITS) != 0 ? TEMPO_WANT_LOGITS : 0);
    return EXIT_OK;
}

static bool see(void *user, const tempo_tap_view *view)
{
    const mean_run *m = user;

    return tempo_means_view(m->means, view);
}

/* The prompt that s holds. */
static int add_prompt(mean_run *m)
{
    const session *s = &m->s;
    const tempo_observer obs = {
        .user = m, .poll = poll_interrupts, .view = see, .taps = m->taps, .n_taps = m->n_taps};
    const bool last = m->o->mean_rows != 0;
    tempo_row rows[CHUNK];
    tempo_seq *seq;
    tempo_err err = {0};
    tempo_status st = tempo_seq_create(&seq, s->engine, NULL, &err);

    if (st != TEMPO_OK)
        return say_error(&err);
    for (size_t begin = 0, count; begin < s->n_ids && st == TEMPO_OK; begin += count) {
        count = s->n_ids - begin < CHUNK ? s->n_ids - begin : CHUNK;
        for (size_t i = 0; i < count; i++)
            rows[i] = (tempo_row){.seq = seq,
                                  .token = s->ids[begin + i],
                                  .set = (uint32_t)(begin + i),
                                  .position = (double)(begin + i),
                                  .want = !last || begin + i + 1 == s->n_ids ? m->want : 0};
        st = tempo_engine_forward(s->engine, rows, count, &obs, &err);
    }
    tempo_seq_free(seq);
    m->prompts++;
    return st == TEMPO_OK ? EXIT_OK : say_error(&err);
}

static int add_lines(mean_run *m, const tempo_prompt_lines *lines)
{
    int code = session_check_prompt(m->o);

    for (size_t i = 0; i < lines->n && code == EXIT_OK; i++) {
        show_progress("reading the prompts", i, lines->n);
        if ((code = prompts_take(&m->s, m->o, lines, i)) == EXIT_OK)
            code = prompts_blame(lines, i, add_prompt(m));
        prompts_drop(&m->s);
    }
    show_progress("", 0, 0);
    return code;
}

static int save(mean_run *m, const tempo_prompt_lines *lines)
{
    json_t *model = json_model(&m->s, m->o), *about;
    tempo_err err = {0};

    json_object_set_new(model, "sha256", json_string(m->s.sha256));
    about =
        json_pack("{s:s, s:I, s:o, s:o}", "row", m->o->mean_rows != 0 ? "last" : "all", "prompts",
                  (json_int_t)m->prompts, "file",
                  lines != NULL ? json_pack("{s:o, s:s}", "path", json_text(lines->path, strlen(lines->path)),
                                            "sha256", lines->sha256)
                                : json_null(),
                  "model", model);
    const tempo_status st = tempo_means_save(m->means, m->o->output, about, &err);
    json_decref(about);
    if (st != TEMPO_OK)
        return say_error(&err);
    say("means of %llu rows of %zu prompt%s in %s", (unsigned long long)tempo_means_rows(m->means),
        m->prompts, m->prompts == 1 ? "" : "s", m->o->output);
    return EXIT_OK;
}

static int run(mean_run *m, const tempo_prompt_lines *lines)
{
    tempo_err err = {0};
    int code = session_open_engine(&m->s, m->o);

    catch_interrupts();
    if (code == EXIT_OK && tempo_means_create(&m->means, m->s.model, m->taps, m->n_taps, &err) != TEMPO_OK)
        code = say_error(&err);
    if (code == EXIT_OK && lines != NULL)
        code = add_lines(m, lines);
    else if (code == EXIT_OK && (code = session_read_prompt(&m->s, m->o)) == EXIT_OK)
        code = add_prompt(m);
    if (code == EXIT_OK && !session_hash(&m->s))
        code = interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
    return code == EXIT_OK ? save(m, lines) : code;
}

int cmd_mean(const options *o)
{
    options own = *o;
    mean_run m = {.o = &own};
    tempo_prompt_lines *lines = NULL;
    tempo_capture_format format;
    int code = read_taps(&m);

    if (code != EXIT_OK)
        return code;
    if (o->output == NULL || !tempo_means_format(o->output, &format)) {
        say("mean needs -o FILE, a name that ends in .npz or .safetensors");
        return EXIT_USAGE;
    }
    if (o->prompts_file != NULL && o->file != NULL) {
        say("more than one prompt: give only one of --prompts and -f");
        return EXIT_USAGE;
    }
    own.file = o->prompts_file != NULL ? o->prompts_file : o->file;
    if ((o->prompts_file != NULL || given_prompts(o)) && (code = session_check_prompt(&own)) == EXIT_OK)
        code = prompts_load(&lines, own.file);
    if (code == EXIT_OK)
        code = run(&m, lines);
    tempo_means_free(m.means);
    session_close(&m.s);
    tempo_prompt_lines_free(lines);
    return code;
}
