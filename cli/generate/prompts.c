/* prompts.c - the prompts of a run as tokens: one, or those of a file, a JSON object a line. */
#include "cli/prompt/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "cli/generate/generate.h"
#include "cli/message.h"

int prompts_open_file(generation *g)
{

    if (!given_prompts(g->o))
        return EXIT_OK;
    const int code = session_check_prompt(g->o);
    if (code != EXIT_OK)
        return code;
    if (g->o->view) {
        say("--view shows one prompt, and %s holds several", g->o->file);
        return EXIT_USAGE;
    }
    g->several = true;
    return prompts_load(&g->lines, g->o->file);
}

int prompts_read(generation *g)
{
    int code = EXIT_OK;

    g->n_prompts = g->several ? g->lines->n : 1;
    if ((g->prompts = calloc(g->n_prompts, sizeof(*g->prompts))) == NULL) {
        say("out of memory for the prompts");
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < g->n_prompts && code == EXIT_OK; i++) {
        prompt *p = &g->prompts[i];
        *p = (prompt){.g = g, .index = i, .s = {.model = g->s.model, .engine = g->s.engine}};
        p->line = g->several ? &g->lines->lines[i] : NULL;
        code = g->several ? prompts_take(&p->s, g->o, g->lines, i) : session_read_prompt(&p->s, g->o);
    }
    if (code == EXIT_OK)
        g->prompt_polls = (g->prompts[0].s.n_ids + 127) / 128 * tempo_model_get_info(g->s.model)->n_layers;
    return code;
}

int prompts_check(generation *g)
{
    tempo_err err = {0};

    for (size_t i = 0; i < g->n_prompts; i++) {
        const prompt *p = &g->prompts[i];
        const tempo_run_prompt one = {.ids = p->s.ids, .n = p->s.n_ids};
        if (tempo_run_check(g->s.model, &g->run, &one, &err) == TEMPO_OK)
            continue;
        if (p->line != NULL)
            tempo_err_prefix(&err, "%s:%u, id %.60s", g->lines->path, (unsigned)p->line->line, p->line->key);
        return say_error(&err);
    }
    return EXIT_OK;
}

void prompts_close(generation *g)
{
    for (size_t i = 0; g->prompts != NULL && i < g->n_prompts; i++)
        prompts_drop(&g->prompts[i].s);
    free(g->prompts);
    tempo_prompt_lines_free(g->lines);
}

bool first_space_is_added(const session *s, const tempo_model *m)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    char *text;
    size_t n = 1;

    if (t == NULL || strcmp(tempo_tokenizer_get_info(t).kind, "spm") != 0 ||
        !tempo_tokenizer_get_info(t).add_space_prefix)
        return false;
    if (tempo_detokenize(t, s->ids, s->n_ids, false, &text, &n, NULL) == TEMPO_OK)
        tempo_free(text);
    return n == 0;
}
