/* cmd_inspect.c - what a model's files hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/message.h"
#include "cli/session.h"
#include "io/json_file.h"

/* ---- for people ---- */

static void print_count(const char *name, uint32_t value)
{
    if (value != 0) /* 0: the file does not say */
        printf("%-18s %" PRIu32 "\n", name, value);
}

static void print_name(const char *label, const char *text)
{
    printf("%-18s ", label);
    show_token(text, strlen(text));
    putchar('\n');
}

static void print_model(const tempo_model *model)
{
    const tempo_model_info *m = tempo_model_get_info(model);
    const char *note;

    print_name("path", m->path);
    print_name("name", m->name);
    print_name("architecture", m->architecture);
    print_name("format", m->format);
    printf("%-18s %" PRIu64 "\n", "parameters", m->parameters);
    printf("%-18s %" PRIu64 "\n", "bytes of weights", m->file_bytes);
    print_count("layers", m->n_layers);
    print_count("heads", m->n_heads);
    print_count("key/value heads", m->n_kv_heads);
    print_count("head size", m->head_dim);
    print_count("model width", m->d_model);
    print_count("feed-forward", m->d_ff);
    print_count("vocabulary", m->n_vocab);
    print_count("context length", m->context_length);
    print_count("sliding window", m->sliding_window);
    if (m->n_layers != 0) {
        printf("%-18s %g\n", "norm epsilon", m->norm_eps);
        printf("%-18s %g\n", "rope theta", m->rope_theta);
        printf("%-18s %s\n", "rope scaling", m->rope_scaling != NULL ? m->rope_scaling : "none");
        printf("%-18s %s\n", "tied output", m->tied_output ? "yes" : "no");
        printf("%-18s %s\n", "QKV bias", m->qkv_bias ? "yes" : "no");
        printf("%-18s %s\n", "attention bias", m->o_bias ? "yes" : "no");
        printf("%-18s %s\n", "MLP bias", m->mlp_bias ? "yes" : "no");
        printf("%-18s %s\n", "Q/K norm", m->qk_norm ? "yes" : "no");
    }
    print_name("unsupported", m->unsupported != NULL ? m->unsupported : "nothing");
    for (size_t i = 0; (note = tempo_model_note(model, i)) != NULL; i++)
        print_name("note", note);
}

static void print_token_id(const char *label, const tempo_tokenizer *t, int32_t id)
{
    size_t n;
    const char *piece = tempo_token_piece(t, id, &n);

    printf("%-18s %" PRId32 "  ", label, id);
    show_token(piece, n);
    putchar('\n');
}

static void print_tokenizer(const tempo_tokenizer *t)
{
    if (t == NULL) {
        printf("\ntokenizer          none\n");
        return;
    }
    const tempo_tokenizer_info i = tempo_tokenizer_get_info(t);
    printf("\n%-18s %s (%s)\n", "tokenizer", i.kind,
           strcmp(i.kind, "spm") == 0 ? "SentencePiece BPE" : "byte-level BPE");
    printf("%-18s %s\n", "pre-tokenisation", i.pre);
    printf("%-18s %" PRIu32 "\n", "tokens", i.n_tokens);
    if (i.bos >= 0)
        print_token_id("begins a text", t, i.bos);
    for (uint32_t k = 0; k < i.n_eos; k++)
        print_token_id("ends a text", t, i.eos[k]);
    printf("%-18s begin %s, end %s, space in front %s\n", "added to a text", i.add_bos ? "yes" : "no",
           i.add_eos ? "yes" : "no", i.add_space_prefix ? "yes" : "no");
}

/* "1234 bytes", and what is wrong with it. */
static void print_chat(const tempo_model *m)
{
    tempo_chat *chat = NULL;
    tempo_err err = {0};
    size_t n;

    if (tempo_model_tokenizer(m) == NULL)
        return;
    const bool there = tempo_model_chat_template(m, &n) != NULL;
    const bool good = tempo_chat_open(&chat, m, NULL, 0, NULL, &err) == TEMPO_OK;
    printf("%-18s ", "chat template");
    if (there)
        printf("%zu bytes", n);
    else
        printf("%s", good ? "none" : "refused");
    printf("%s", good ? "\n" : "; ");
    if (!good) {
        show_token(err.msg, strlen(err.msg));
        putchar('\n');
    }
    tempo_chat_free(chat);
}

static void print_tensors(const tempo_model *m)
{
    const size_t n = tempo_model_tensor_count(m);

    printf("\n%zu tensors\n", n);
    for (size_t i = 0; i < n; i++) {
        const tempo_tensor_info t = tempo_model_tensor_at(m, i);
        char shape[96] = "";
        size_t at = 0;
        for (uint32_t d = 0; d < t.n_dims; d++)
            at +=
                (size_t)snprintf(shape + at, sizeof(shape) - at, "%s%" PRIu64, d > 0 ? " x " : "", t.dims[d]);
        printf("  %-5s %-18s %12" PRIu64 "  ", t.type, shape, t.bytes);
        show_token(t.name, strlen(t.name));
        putchar('\n');
    }
}

/* ---- for programs ---- */

static json_t *tokenizer_json(const tempo_model *m)
{
    const tempo_tokenizer *t = tempo_model_tokenizer(m);
    tempo_err err = {0};

    if (t == NULL)
        return json_null();
    json_t *why =
        tempo_model_check_text(m, &err) == TEMPO_OK ? json_null() : json_text(err.msg, strlen(err.msg));
    const tempo_tokenizer_info i = tempo_tokenizer_get_info(t);
    json_t *eos = json_array();
    for (uint32_t k = 0; k < i.n_eos; k++)
        json_array_append_new(eos, json_integer(i.eos[k]));
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:b, s:b, s:b, s:b, s:o}", "kind", i.kind, "pre", i.pre,
                     "tokens", (json_int_t)i.n_tokens, "bos", i.bos >= 0 ? json_integer(i.bos) : json_null(),
                     "eos", eos, "add_bos", i.add_bos, "add_eos", i.add_eos, "add_space_prefix",
                     i.add_space_prefix, "ignore_merges", i.ignore_merges, "unsupported", why);
}

/* The template and what is wrong with it. */
static json_t *chat_json(const tempo_model *m)
{
    tempo_chat *chat = NULL;
    tempo_err err = {0};
    size_t n;
    const char *text = tempo_model_chat_template(m, &n);
    const bool good = tempo_chat_open(&chat, m, NULL, 0, NULL, &err) == TEMPO_OK;

    tempo_chat_free(chat);
    if (text == NULL && (good || tempo_model_tokenizer(m) == NULL))
        return json_null();
    return json_pack("{s:o, s:o}", "text", text != NULL ? json_text(text, n) : json_null(), "unsupported",
                     good ? json_null() : json_text(err.msg, strlen(err.msg)));
}

static json_t *tensors_json(const tempo_model *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tempo_model_tensor_count(m); i++) {
        const tempo_tensor_info t = tempo_model_tensor_at(m, i);
        json_t *shape = json_array();
        for (uint32_t d = 0; d < t.n_dims; d++)
            json_array_append_new(shape, json_integer((json_int_t)t.dims[d]));
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:I, s:I}", "name",
                                              json_text(t.name, strlen(t.name)), "type", t.type, "shape",
                                              shape, "file", json_text(t.file, strlen(t.file)), "offset",
                                              (json_int_t)t.offset, "bytes", (json_int_t)t.bytes));
    }
    return list;
}

static json_t *notes_json(const tempo_model *m)
{
    json_t *list = json_array();
    const char *note;

    for (size_t i = 0; (note = tempo_model_note(m, i)) != NULL; i++)
        json_array_append_new(list, json_text(note, strlen(note)));
    return list;
}

static json_t *document(const session *s, const options *o)
{
    const tempo_model_info *i = tempo_model_get_info(s->model);
    json_t *model = json_model(s, o);
    json_t *facts = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:b, s:b, s:b, s:b, s:b}",
        "file_bytes", (json_int_t)i->file_bytes, "layers", (json_int_t)i->n_layers, "heads",
        (json_int_t)i->n_heads, "kv_heads", (json_int_t)i->n_kv_heads, "head_dim", (json_int_t)i->head_dim,
        "d_model", (json_int_t)i->d_model, "d_ff", (json_int_t)i->d_ff, "vocabulary", (json_int_t)i->n_vocab,
        "context_length", (json_int_t)i->context_length, "sliding_window",
        i->sliding_window != 0 ? json_integer(i->sliding_window) : json_null(), "norm_eps",
        tempo_json_number(i->norm_eps), "rope_theta", tempo_json_number(i->rope_theta), "rope_scaling",
        i->rope_scaling != NULL ? i->rope_scaling : "none", "tied_output", i->tied_output, "qkv_bias",
        i->qkv_bias, "o_bias", i->o_bias, "mlp_bias", i->mlp_bias, "qk_norm", i->qk_norm);

    if (model == NULL || facts == NULL || json_object_update(model, facts) != 0) {
        json_decref(model);
        json_decref(facts);
        return NULL;
    }
    json_decref(facts);
    json_object_set_new(model, "unsupported",
                        i->unsupported != NULL ? json_text(i->unsupported, strlen(i->unsupported))
                                               : json_null());
    json_object_set_new(model, "notes", notes_json(s->model));
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "version", tempo_version(), "model", model, "tokenizer",
                     tokenizer_json(s->model), "chat_template", chat_json(s->model), "tensors",
                     tensors_json(s->model));
}

int cmd_inspect(const options *o)
{
    options with_model = *o;
    session s;
    char hash[65];
    int code;

    if (o->argument != NULL && o->model != NULL) {
        say("inspect takes one model: '%.64s' or -m '%.64s'", o->argument, o->model);
        return EXIT_USAGE;
    }
    if (o->argument != NULL)
        with_model.model = o->argument;
    if ((code = session_open_model(&s, &with_model, TEMPO_LOAD_FACTS)) != EXIT_OK)
        return code;
    if (o->json) {
        code = print_json(document(&s, o), false);
    } else {
        const tempo_model_info *info = tempo_model_get_info(s.model);
        print_model(s.model);
        if (o->hash && (code = hash_path(info->path, hash) ? EXIT_OK : EXIT_FAILED) == EXIT_OK)
            printf("%-18s %s\n", "SHA-256", hash);
        print_tokenizer(tempo_model_tokenizer(s.model));
        print_chat(s.model);
        print_tensors(s.model);
    }
    session_close(&s);
    return code;
}
