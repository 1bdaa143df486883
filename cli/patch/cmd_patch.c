/* cmd_patch.c - grids of patched runs, between two prompts or two arms of one. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/capture.h"
#include "cli/endings.h"
#include "cli/lens/lens.h"
#include "cli/message.h"
#include "cli/patch/patch.h"
#include "cli/prompt/prefill.h"

/* ---- the two runs ---- */

/* --clean or --corrupt, as the prompt that s holds. */
static int read_text(session *s, const options *o, const char *text)
{
    options own = *o;

    own.prompt = text;
    return session_read_prompt(s, &own);
}

static void say_tokens(const patching *v, const char *name, const session *s)
{
    tempo_text t = {0};

    for (size_t i = 0; i < s->n_ids; i++) {
        tempo_text_add(&t, i > 0 ? "|" : "");
        lens_token(&t, v->s, s->ids[i], 0);
    }
    char *text = tempo_text_take(&t);
    say("  %s, %zu tokens: %s", name, s->n_ids, text != NULL ? text : "");
    free(text);
}

static int read_prompts(patching *v)
{
    const options *o = v->o;
    int code = session_open_engine(v->s, o);

    if (code != EXIT_OK || (code = read_text(v->s, o, o->clean)) != EXIT_OK)
        return code;
    v->corrupt = (session){.model = v->s->model, .engine = v->s->engine};
    if ((code = read_text(&v->corrupt, o, o->corrupt)) != EXIT_OK || v->s->n_ids == v->corrupt.n_ids)
        return code;
    say("--clean and --corrupt have other numbers of tokens: what is patched is matched token by token");
    say_tokens(v, "clean", v->s);
    say_tokens(v, "corrupt", &v->corrupt);
    return EXIT_USAGE;
}

static int read_arms(patching *v)
{
    int code = read_patch_arms(v);

    if (code == EXIT_OK)
        code = session_open_engine(v->s, v->o);
    if (code == EXIT_OK)
        code = session_read_prompt(v->s, v->o);
    return code == EXIT_OK ? run_patch_arms(v) : code;
}

static size_t count_sets(const patching *v)
{
    return v->s->n_ids + (v->run != NULL ? tempo_run_steps(v->run, 0) : 0);
}

/* Token by token; of arms then "a/b/c". */
static int name_positions(patching *v)
{
    const size_t n = count_sets(v);
    bool failed = (v->positions = calloc(n + 1, sizeof(*v->positions))) == NULL;

    for (size_t i = 0; i < n && !failed; i++) {
        tempo_text t = {0};
        if (i < v->s->n_ids) {
            lens_token(&t, v->s, v->s->ids[i], 0);
            if (v->run == NULL && v->corrupt.ids[i] != v->s->ids[i]) {
                tempo_text_add(&t, "/");
                lens_token(&t, v->s, v->corrupt.ids[i], 0);
            }
        } else {
            const tempo_set *set = tempo_run_set(v->run, 0, i - v->s->n_ids);
            for (size_t k = 0; k < set->n_members; k++) {
                tempo_text_add(&t, k > 0 ? "/" : "");
                lens_token(&t, v->s, set->members[k].id, 0);
            }
        }
        failed = (v->positions[i] = tempo_text_take(&t)) == NULL;
    }
    if (failed)
        say("out of memory for the names of %zu positions", n);
    return failed ? EXIT_FAILED : EXIT_OK;
}

/* ---- the grid ---- */

static int make_grid(patching *v)
{
    const tempo_patch_run clean = {.ids = v->s->ids, .n = v->s->n_ids},
                          corrupt = {.ids = v->corrupt.ids, .n = v->corrupt.n_ids};
    patch_lists lists = {.positions = NULL};
    tempo_patch_options po;
    char bytes[32];
    tempo_err err = {0};
    int code = read_patch_options(v, count_sets(v), &lists, &po);

    if (code == EXIT_OK && (v->setup = make_setup(v, &po)) == NULL) {
        say("out of memory for a grid");
        code = EXIT_FAILED;
    }
    if (code == EXIT_OK &&
        (v->run != NULL ? tempo_patch_create_arms(&v->p, v->run, 0, 1, &po, &err)
                        : tempo_patch_create(&v->p, v->s->engine, &clean, &corrupt, &po, &err)) != TEMPO_OK)
        code = say_error(&err);
    if (code == EXIT_OK)
        say("%zu cells, at most %s", tempo_patch_get_info(v->p).n_cells,
            bytes_text(tempo_patch_get_info(v->p).bytes, bytes));
    free_patch_lists(&lists);
    return code;
}

static int run_grid(patching *v)
{
    tempo_err err = {0};
    tempo_status st = TEMPO_OK;
    tempo_patch_info info;

    do {
        st = tempo_patch_step(v->p, &stop_at_interrupt, &err);
        info = tempo_patch_get_info(v->p);
        show_progress("patching", info.n_cells - info.n_left, info.n_cells);
    } while (st == TEMPO_OK && info.n_left > 0);
    show_progress("", 0, 0);
    v->interrupted = st == TEMPO_E_STOPPED;
    if (st == TEMPO_OK || v->interrupted)
        return EXIT_OK;
    return say_error(&err);
}

static int tell(const patching *v)
{
    const options *o = v->o;
    const char *npz = o->npz != NULL ? o->npz : o->resume_file;
    int code = EXIT_OK;

    if (npz != NULL)
        code = patch_npz(v, npz);
    if (code == EXIT_OK && o->csv != NULL)
        code = patch_csv(v, o->csv);
    if (code == EXIT_OK && o->svg != NULL)
        code = patch_svg(v, o->svg);
    return code == EXIT_OK ? o->json ? print_patch_json(v) : print_patch(v) : code;
}

static int check_options(const options *o)
{
    const bool prompt = o->prompt != NULL || o->file != NULL || o->prompt_ids != NULL || o->messages != NULL;

    if (o->patch_arms != NULL ? o->clean != NULL || o->corrupt != NULL || !prompt
                              : o->clean == NULL || o->corrupt == NULL || prompt) {
        say("patch takes --clean TEXT and --corrupt TEXT, or --arms A,B and a prompt");
        return EXIT_USAGE;
    }
    if (o->patch_arms != NULL && o->has_mode) {
        say("--arms says which modes there are: leave --mode out");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

static int run(patching *v)
{
    int code = v->o->patch_arms != NULL ? read_arms(v) : read_prompts(v);

    if (code == EXIT_OK && (code = name_positions(v)) == EXIT_OK && (code = make_grid(v)) == EXIT_OK &&
        v->o->resume_file != NULL)
        code = resume_patch(v);
    if (code == EXIT_OK && (code = run_grid(v)) == EXIT_OK && !isnan(tempo_patch_get_info(v->p).clean))
        code = tell(v); /* else it was interrupted before there was anything */
    if (code != EXIT_OK || !v->interrupted)
        return code;
    say("interrupted: %zu of %zu cells are missing%s", tempo_patch_get_info(v->p).n_left,
        tempo_patch_get_info(v->p).n_cells,
        v->o->npz != NULL || v->o->resume_file != NULL ? "; --resume FILE goes on" : "");
    return EXIT_INTERRUPTED;
}

int cmd_patch(const options *o)
{
    session s = {0};
    patching v = {.s = &s, .o = o};
    int code = check_options(o);

    if (code != EXIT_OK)
        return code;
    catch_interrupts();
    code = run(&v);
    for (size_t i = 0; v.positions != NULL && v.positions[i] != NULL; i++)
        free(v.positions[i]);
    free(v.positions);
    json_decref(v.setup);
    tempo_patch_free(v.p);
    tempo_run_free(v.run);
    free(v.arm[0]);
    free(v.arm[1]);
    tempo_free(v.corrupt.ids);
    free(v.corrupt.text);
    session_close(&s);
    return code;
}
