/* cmd_score.c - how probable a model finds the tokens of a text, or of several. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/edits.h"
#include "cli/score/score.h"
#include "run/document.h"

/* Of texts that are scored in one call: what is told of them waits in memory. */
enum { GROUP_TEXTS = 256, GROUP_TOKENS = 16384 };

const char *score_token(const score_view *v, int32_t id, size_t *n)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(v->s->model);

    *n = 0;
    return t != NULL ? tempo_token_bytes(t, id, n) : "";
}

double score_perplexity(double sum, size_t n)
{
    return n > 0 ? exp(-sum / (double)n) : (double)NAN;
}

/* ---- texts ---- */

static int read_texts(score_view *v)
{
    int code = session_check_prompt(v->o);

    if (code == EXIT_OK && (v->o->prompts_file != NULL || given_prompts(v->o)))
        code = prompts_load(&v->lines, v->o->file);
    if (code != EXIT_OK)
        return code;
    const size_t n = v->lines != NULL ? v->lines->n : 1;
    if ((v->texts = calloc(n, sizeof(*v->texts))) == NULL) {
        say("out of memory for the texts");
        return EXIT_FAILED;
    }
    for (; v->n < n && code == EXIT_OK; v->n++) {
        session *text = &v->texts[v->n];
        *text = (session){.model = v->s->model, .engine = v->s->engine};
        code = v->lines != NULL ? prompts_take(text, v->o, v->lines, v->n) : session_read_prompt(text, v->o);
    }
    return code;
}

/* Before the first one runs. */
static int check_texts(const score_view *v)
{
    tempo_err err = {0};

    for (size_t i = 0; i < v->n; i++) {
        const tempo_score_text one = {.ids = v->texts[i].ids, .n = v->texts[i].n_ids};
        if (tempo_score_check(v->s->model, &one, 1, &v->score, &err) == TEMPO_OK)
            continue;
        if (v->lines != NULL && strcmp(err.field, "window") != 0)
            tempo_err_prefix(&err, "%s:%u, id %.60s", v->lines->path, (unsigned)v->lines->lines[i].line,
                             v->lines->lines[i].key);
        return say_error(&err);
    }
    return EXIT_OK;
}

/* ---- scores ---- */

static void tell_progress(void *user, size_t done, size_t total)
{
    (void)user;
    show_progress("scoring", done, total);
}

static tempo_status tell(score_view *v, size_t i, const tempo_score *s, json_t *root, tempo_err *err)
{
    v->n_scored += s->n_scored;
    v->logprob_sum += s->logprob_sum;
    tempo_edits_add_uses(&v->uses, tempo_json_edit_list_uses(v->edits, s->edit_uses));
    if (v->o->json && v->lines == NULL) {
        score_json(v, i, s, root);
    } else if (v->o->json) {
        json_t *one = json_pack("{s:O}", "id", v->lines->lines[i].id);
        score_json(v, i, s, one);
        json_array_append_new(v->list, one);
    } else {
        score_print(v, i, s);
    }
    return v->csv != NULL ? score_csv(v, i, s, err) : TEMPO_OK;
}

static tempo_status score_group(score_view *v, size_t first, size_t n, json_t *root, tempo_err *err)
{
    tempo_score_text texts[GROUP_TEXTS];
    tempo_score *scores[GROUP_TEXTS];
    tempo_status st;

    for (size_t i = 0; i < n; i++)
        texts[i] = (tempo_score_text){.ids = v->texts[first + i].ids, .n = v->texts[first + i].n_ids};
    st = tempo_score_create(scores, v->s->engine, texts, n, &v->score, err);
    show_progress("", 0, 0);
    for (size_t i = 0; i < n && st == TEMPO_OK; i++)
        st = tell(v, first + i, scores[i], root, err);
    for (size_t i = 0; i < n; i++)
        tempo_score_free(scores[i]);
    return st;
}

static tempo_status score_all(score_view *v, json_t *root, tempo_err *err)
{
    tempo_status st = v->o->csv != NULL ? score_csv_begin(v, err) : TEMPO_OK;

    for (size_t i = 0, n; i < v->n && st == TEMPO_OK; i += n) {
        size_t tokens = v->texts[i].n_ids;
        for (n = 1; i + n < v->n && n < GROUP_TEXTS && tokens + v->texts[i + n].n_ids <= GROUP_TOKENS; n++)
            tokens += v->texts[i + n].n_ids;
        st = score_group(v, i, n, root, err);
    }
    if (st == TEMPO_OK && v->csv != NULL)
        st = score_csv_end(v, err);
    return st;
}

static int score(score_view *v)
{
    tempo_err err = {0};
    json_t *root = NULL;
    int code = EXIT_OK;

    if (edits_make(&v->edits, v->o, v->s->model, &err) != TEMPO_OK)
        return say_error(&err);
    v->score.edits = v->edits;
    if ((code = check_texts(v)) != EXIT_OK)
        return code;
    if (v->o->json && ((root = score_json_head(v)) == NULL || (v->list = json_array()) == NULL)) {
        say("out of memory for the output");
        return EXIT_FAILED;
    }
    if (score_all(v, root, &err) != TEMPO_OK) {
        json_decref(root);
        return say_error(&err);
    }
    edits_say(v->uses, NULL);
    if (root == NULL) {
        score_print_total(v);
        return EXIT_OK;
    }
    score_json_total(v, root);
    return print_json(root, false);
}

static void close_view(score_view *v)
{
    for (size_t i = 0; i < v->n; i++)
        prompts_drop(&v->texts[i]);
    free(v->texts);
    tempo_outfile_abort(v->csv);
    free(v->records.p);
    json_decref(v->list);
    json_decref(v->uses);
    tempo_edits_free(v->edits);
    tempo_prompt_lines_free(v->lines);
}

int cmd_score(const options *o)
{
    session s = {0};
    options own = *o;
    score_view v = {.s = &s, .o = &own};
    int code;

    if (o->prompts_file != NULL && o->file != NULL) {
        say("more than one text: give only one of -f and --prompts");
        return EXIT_USAGE;
    }
    own.file = o->prompts_file != NULL ? o->prompts_file : o->file;
    tempo_score_options_init(&v.score);
    v.score.top = o->alternatives;
    v.score.window = o->window;
    v.score.stride = o->stride == 0 && o->window > 0 ? (o->window + 1) / 2 : o->stride;
    v.score.poll = poll_interrupts;
    v.score.progress = tell_progress;
    catch_interrupts();
    if ((code = session_open_engine(&s, &own)) == EXIT_OK && (code = read_texts(&v)) == EXIT_OK)
        code = score(&v);
    close_view(&v);
    session_close(&s);
    return code;
}
