/* cmd_convert.c - tempo convert: a model as one GGUF file of another element type. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/endings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/session.h"

typedef struct talk {
    const options *o;
    json_t *tensors; /* with --json, else NULL */
    json_t *lost;    /* what the file does not say */
    uint64_t total;  /* bytes */
    size_t n, other; /* tensors; of them, of another type than wanted */
} talk;

static bool show_written(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    show_progress("converting", done, total);
    return !interrupted();
}

static void note_json(const talk *t, const tempo_converted *c)
{
    json_t *dims = json_array(), *one = json_object();

    for (uint32_t i = 0; i < c->n_dims; i++)
        (void)json_array_append_new(dims, json_integer((json_int_t)c->dims[i]));
    (void)json_object_set_new(one, "name", json_string(c->name));
    (void)json_object_set_new(one, "from", json_string(c->from));
    (void)json_object_set_new(one, "to", json_string(c->to));
    (void)json_object_set_new(one, "wanted", c->wanted != NULL ? json_string(c->wanted) : json_null());
    (void)json_object_set_new(one, "dims", dims);
    (void)json_object_set_new(one, "bytes", json_integer((json_int_t)c->bytes));
    (void)json_array_append_new(t->tensors, one);
}

static void print_tensor(const tempo_converted *c)
{
    char shape[96] = "";

    for (uint32_t i = 0, at = 0; i < c->n_dims; i++)
        at +=
            (uint32_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRIu64, i > 0 ? " x " : "", c->dims[i]);
    (void)printf("%-36s %-18s %5s -> %-5s %12" PRIu64 "%s%s%s\n", c->name, shape, c->from, c->to, c->bytes,
                 c->wanted != NULL ? "  (rows are not whole blocks of " : "",
                 c->wanted != NULL ? c->wanted : "", c->wanted != NULL ? ")" : "");
}

static void note_tensor(void *user, const tempo_converted *c)
{
    talk *t = user;

    t->n++;
    t->other += c->wanted != NULL;
    t->total += c->bytes;
    if (t->tensors != NULL)
        note_json(t, c);
    else if (t->o->dry_run)
        print_tensor(c);
}

static void note_lost(void *user, const char *what)
{
    const talk *t = user;

    say("warning: the file does not say %s: who reads it computes something else", what);
    (void)json_array_append_new(t->lost, json_string(what));
}

static int finish(const talk *t, const char *path)
{
    const options *o = t->o;

    if (t->tensors != NULL) {
        json_t *all = json_object();
        (void)json_object_set_new(all, "path", json_string(path));
        (void)json_object_set_new(all, "type", json_string(o->type != NULL ? o->type : "Q8_0"));
        (void)json_object_set_new(all, "written", json_boolean(!o->dry_run));
        (void)json_object_set_new(all, "bytes", json_integer((json_int_t)t->total));
        (void)json_object_set_new(all, "lost", json_incref(t->lost));
        (void)json_object_set_new(all, "tensors", json_incref(t->tensors));
        return print_json(all, false);
    }
    if (t->other > 0)
        say("%zu of %zu tensors have another type than asked for: their rows are not whole blocks of it%s",
            t->other, t->n, o->dry_run ? "" : " (--dry-run lists them)");
    if (o->dry_run)
        (void)printf("%zu tensors, %" PRIu64 " bytes\n", t->n, t->total);
    return finish_output() ? EXIT_OK : EXIT_FAILED;
}

int cmd_convert(const options *o)
{
    talk t = {.o = o};
    tempo_convert_options opt;
    tempo_err err = {0};
    int code;

    if (o->n_arguments != 2) {
        say("convert needs a model and the file to write: tempo convert MODEL OUT.gguf");
        return EXIT_USAGE;
    }
    tempo_convert_options_init(&opt);
    if (o->type != NULL)
        opt.type = o->type;
    opt.force = o->force;
    opt.allow_requantize = o->allow_requantize;
    opt.dry_run = o->dry_run;
    opt.user = &t;
    opt.progress = show_written;
    opt.tensor = note_tensor;
    opt.allow_loss = o->allow_loss;
    opt.lost = note_lost;
    t.tensors = o->json ? json_array() : NULL;
    t.lost = json_array();
    catch_interrupts();
    show_progress("converting", 0, 1);
    const tempo_status st = tempo_convert(o->arguments[0], o->arguments[1], &opt, &err);
    show_progress("", 0, 0);
    code = st == TEMPO_OK ? finish(&t, o->arguments[1]) : say_error(&err);
    json_decref(t.tensors);
    json_decref(t.lost);
    return code;
}
