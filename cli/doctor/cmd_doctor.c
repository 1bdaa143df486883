/* cmd_doctor.c - running the checks and printing the table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/endings.h"
#include "cli/message.h"
#include "cli/prompt/prefill.h"
#include "io/json_file.h"

static const struct {
    int number; /* those between have no check of this kind */
    const char *says;
    doctor_check check;
} identities[DOCTOR_IDENTITIES] = {
    {1, "threshold 1: every mode is greedy decoding", check_i1},
    {2, "one slot for each set: the modes are the same", check_i2},
    {3, "isolated row i = a plain run on prompt + token i", check_i3},
    {4, "attention sums to 1, hidden slots have exactly 0", check_i4},
    {5, "reordering a set permutes its rows", check_i5},
    {6, "copies of a token have equal rows", check_i6},
    {7, "isolated = visible without the mass on siblings", check_i7},
    {8, "decoding with the cache = recomputing at once", check_i8},
    {9, "no dependence on batch, chunks, threads, observer", check_i9},
    {10, "unique positions with sets of one = shared", check_i10},
    {11, "looking, and edits of nothing, change no bit", check_i11},
    {12, "visible with siblings cut = isolated", check_i12},
    {13, "a layer's input patched whole = the other run", check_i13},
    {14, "the residual stream is the sum of what is added", check_i14},
    {15, "an edit changes its own sequence alone", check_i15},
};

finding cannot_run(void)
{
    return (finding){.failed_to_run = true};
}

finding judge(double measured, double tolerance)
{
    return (finding){.passed = measured <= tolerance, .measured = measured, .tolerance = tolerance};
}

double differ(const float *a, const float *b, size_t n)
{
    double worst = 0;

    if (memcmp(a, b, n * sizeof(*a)) == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst))
            worst = isnan(d) ? HUGE_VAL : d;
    }
    return worst > 0 ? worst
                     : HUGE_VAL; /* only the sign of a zero, or NaNs alike: not the same bits either */
}

/* ---- preparation ---- */

/* A short prompt that any model has: some text, or the first ids of a vocabulary where no text can become
 * ids. */
static int prepare_prompt(doctor *d)
{
    static const char text[] = "The cat sat on the";
    const tempo_tokenizer *t = tempo_model_tokenizer(d->s.model);
    int32_t *ids = NULL;
    size_t n = 0;

    if (tempo_model_check_text(d->s.model, NULL) == TEMPO_OK &&
        tempo_tokenize(t, text, strlen(text), 0, &ids, &n, &d->err) != TEMPO_OK)
        return say_error(&d->err);
    d->n_prompt = n > 0 ? (n < DOCTOR_PROMPT ? n : DOCTOR_PROMPT) : 4;
    for (size_t i = 0; i < d->n_prompt; i++)
        d->prompt[i] = n > 0 ? ids[i] : (int32_t)(i % d->n_vocab);
    tempo_free(ids);
    return EXIT_OK;
}

/* Reordered sums differ by a few units in the last place of what is summed; through the layers that grows
 * about as the square root of the width for each of them, relative to the largest logit, taken as 64 at
 * least. Where a number lies at the border of two that something rounds to, it moves by a step: an activation
 * of products that keep `bits` of them by 2^-bits, on its own at each of the four places of a layer that
 * products read, and at the end; a key or a value in a cache of half floats by 2^-11.  */
static double rounding_tolerance(const tempo_model_info *m, tempo_kv_type kv, double largest)
{
    const double step =
        m->activation_bits < 24 ? ldexp(1, -(int)m->activation_bits) * sqrt(4.0 * m->n_layers + 1) : 0;

    return fmax(64, largest) *
           (0x1p-24 * m->n_layers * sqrt((double)m->d_model) + step + (kv == TEMPO_KV_F16 ? 0x1p-11 : 0));
}

static int prepare(doctor *d)
{
    const tempo_model_info *m = tempo_model_get_info(d->s.model);
    int code;

    d->n_vocab = m->n_vocab;
    if (d->n_vocab < DOCTOR_MEMBERS || m->context_length < DOCTOR_PROMPT + DOCTOR_STEPS + 2) {
        say("%s is too small for the checks: they need %d tokens and %d positions", m->path, DOCTOR_MEMBERS,
            DOCTOR_PROMPT + DOCTOR_STEPS + 2);
        return EXIT_FAILED;
    }
    for (int i = 0; i < 2; i++)
        if ((d->buffer[i] = calloc(DOCTOR_MEMBERS * d->n_vocab, sizeof(float))) == NULL) {
            say("out of memory for %zu logits", DOCTOR_MEMBERS * d->n_vocab);
            return EXIT_FAILED;
        }
    if ((code = prepare_prompt(d)) != EXIT_OK)
        return code;
    if (find_members(d) != TEMPO_OK)
        return say_error(&d->err);
    d->rounding = rounding_tolerance(m, d->o->decoding.kv, d->largest);
    return EXIT_OK;
}

/* ---- the table ---- */

static void print_header(const doctor *d)
{
    const tempo_model_info *m = tempo_model_get_info(d->s.model);

    printf("%s: %s, %u layers, kernels %s (%s), %u threads, %s cache\n\n", m->name, m->architecture,
           m->n_layers, m->kernels, m->compute, tempo_engine_threads(d->s.engine),
           tempo_kv_type_name(d->o->decoding.kv));
    printf("%-4s %-50s %-6s %10s  %s\n", "", "identity", "result", "deviation", "allowed");
}

static void print_finding(const doctor *d, int i, const finding *f)
{
    const bool colors = use_colors(d->o->color);
    char allowed[32] = "none";

    if (f->tolerance > 0)
        (void)snprintf(allowed, sizeof(allowed), "%.1e", f->tolerance);
    printf("I%-3d %-50s %s%-6s%s %10.2g  %s\n", identities[i].number, identities[i].says,
           !colors     ? ""
           : f->passed ? "\033[32m"
                       : "\033[1;31m",
           f->passed ? "holds" : "FAILS", colors ? "\033[0m" : "", f->measured, allowed);
    (void)fflush(stdout);
}

static json_t *finding_json(int i, const finding *f)
{
    char name[8];

    (void)snprintf(name, sizeof(name), "I%d", identities[i].number);
    return json_pack("{s:s, s:s, s:b, s:o, s:o}", "identity", name, "says", identities[i].says, "holds",
                     f->passed, "deviation", tempo_json_number(f->measured), "allowed",
                     tempo_json_number(f->tolerance));
}

static int run_checks(doctor *d, json_t *list, bool *all)
{
    *all = true;
    for (int i = 0; i < DOCTOR_IDENTITIES; i++) {
        show_progress("checking", (uint64_t)i, DOCTOR_IDENTITIES);
        const finding f = identities[i].check(d);
        show_progress("", 0, 0);
        if (f.failed_to_run) {
            tempo_err *e = &d->err;
            if (e->code == TEMPO_OK) /* an allocation of ours */
                *e = (tempo_err){.code = TEMPO_E_NOMEM, .offset = TEMPO_NO_OFFSET};
            say("I%d could not run:", identities[i].number);
            return say_error(e);
        }
        *all &= f.passed;
        if (d->o->json)
            json_array_append_new(list, finding_json(i, &f));
        else
            print_finding(d, i, &f);
    }
    return EXIT_OK;
}

/* What the identities mean in a model that attends in another way than Llama; docs/semantics.md. */
static void print_notes(const doctor *d)
{
    const tempo_model *m = d->s.model;
    const bool learned = tempo_tap_get_info(m, TEMPO_TAP_POS_EMBED).missing == NULL,
               rotates = tempo_tap_get_info(m, TEMPO_TAP_ROT_Q).missing == NULL;
    const uint32_t window = tempo_model_get_info(m)->sliding_window;

    if (window > 0)
        printf("Windows: layers that have one see positions above their own less %u; what is hidden so is "
               "hidden in every mode.\n",
               window);
    if (learned)
        printf("Learned positions: the members of a set share a row of the table; offset:D takes whole D "
               "only.\n");
    else if (!rotates)
        printf("ALiBi: distances are those of positions; the members of a set are at distance 0.\n");
    if (doctor_has_sinks(m))
        printf("Attention sinks: the weights of a row sum to less than 1 (I4); the rest is the sink's.\n");
}

static int run(doctor *d)
{
    json_t *list = json_array();
    bool all;
    int code;

    if (!d->o->json)
        print_header(d);
    code = run_checks(d, list, &all);
    if (code == EXIT_OK && d->o->json)
        code = print_json(
            json_pack("{s:s, s:o, s:s, s:s, s:I, s:b, s:O}", "version", tempo_version(), "model",
                      json_model(&d->s, d->o), "kernels", tempo_model_get_info(d->s.model)->kernels,
                      "compute", tempo_model_get_info(d->s.model)->compute, "threads",
                      (json_int_t)tempo_engine_threads(d->s.engine), "holds", all, "identities", list),
            false);
    else if (code == EXIT_OK) {
        printf("\n");
        print_notes(d);
        printf("%s\n", all ? "All identities hold."
                           : "An identity does not hold: results of this model cannot be trusted here.");
    }
    json_decref(list);
    return code == EXIT_OK && !all ? EXIT_FAILED : code;
}

int cmd_doctor(const options *o)
{
    doctor d = {.o = o};
    int code = session_open_engine(&d.s, o);

    catch_interrupts();
    if (code == EXIT_OK && (code = prepare(&d)) == EXIT_OK)
        code = run(&d);
    free(d.buffer[0]);
    free(d.buffer[1]);
    session_close(&d.s);
    return code;
}
