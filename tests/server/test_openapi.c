/* test_openapi.c - what the server says of itself: the OpenAPI document against routes and readers, presets
 * against generate. */
#include "api_server.h"

#include "server/api/fields.h"
#include "server/api/route.h"
#include "server/api/schema.h"
#include "support/tmpdir.h"

static api_server s;

static int setup(void **state)
{
    (void)state;
    api_open(&s, NULL, NULL, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_close(&s);
    return 0;
}

static json_t *ask(const char *method, const char *target, const char *body, unsigned *status)
{
    json_error_t error;
    http_answer a =
        http_request(s.port, method, target, body != NULL ? "Content-Type: application/json\r\n" : "", body);
    json_t *doc = json_loadb(a.body, a.n_body, 0, &error);

    *status = a.status;
    http_answer_free(&a);
    return doc;
}

static json_t *document(void)
{
    unsigned status;
    json_t *doc = ask("GET", "/openapi.json", NULL, &status);

    assert_int_equal(status, 200);
    assert_non_null(doc);
    return doc;
}

static const char *said(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));

    return v != NULL ? v : "";
}

static void lower(char out[16], const char *method)
{
    size_t i;

    for (i = 0; method[i] != '\0' && i < 15; i++)
        out[i] = (char)(method[i] | 0x20);
    out[i] = '\0';
}

/* ---- routes ------------------------------------------------------------------------------- */

/* What the reference means, or what it is not: the schema itself. */
static const json_t *resolve(const json_t *doc, const json_t *schema)
{
    static const char before[] = "#/components/schemas/";
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (ref == NULL)
        return schema;
    assert_memory_equal(ref, before, sizeof(before) - 1);
    const json_t *v = json_object_get(json_object_get(json_object_get(doc, "components"), "schemas"),
                                      ref + sizeof(before) - 1);
    if (!json_is_object(v))
        fail_msg("%s is not there", ref);
    return v;
}

static void test_every_route(void **state)
{
    (void)state;
    size_t n, in_document = 0;
    tempo_route *routes = tempo_api_routes(&n);
    json_t *doc = document(), *path, *operation;
    const char *name, *method;
    char key[16];

    assert_string_equal(said(doc, "openapi"), "3.1.0");
    for (size_t i = 0; i < n; i++) {
        lower(key, routes[i].method);
        operation = json_object_get(json_object_get(json_object_get(doc, "paths"), routes[i].path), key);
        if (*said(operation, "summary") == '\0')
            fail_msg("%s %s is not described", routes[i].method, routes[i].path);
        const json_t *ok = json_object_get(json_object_get(operation, "responses"), "200");
        assert_string_not_equal(said(ok, "description"), "");
        const json_t *content = json_object_get(ok, "content"), *json;
        assert_true(json_object_size(content) > 0);
        if ((json = json_object_get(content, "application/json")) != NULL &&
            !json_is_object(json_object_get(resolve(doc, json_object_get(json, "schema")), "properties")))
            fail_msg("%s %s: no type", routes[i].method, routes[i].path);
        assert_int_equal(json_is_array(json_object_get(operation, "security")), routes[i].open);
        assert_int_equal(json_object_get(operation, "requestBody") != NULL, strcmp(key, "post") == 0);
    }
    json_object_foreach(json_object_get(doc, "paths"), name, path)
    {
        json_object_foreach(path, method, operation) in_document++;
    }
    assert_int_equal(in_document, n);
    json_decref(doc);
    free(routes);
}

/* Types that the rows name are there once, and are types. */
static void test_every_type(void **state)
{
    json_t *names = json_object();
    const tempo_api_resource *r;

    (void)state;
    for (size_t i = 0; (r = tempo_api_resource_at(i)) != NULL; i++)
        for (size_t k = 0; k < r->n_types; k++) {
            json_t *schema = tempo_api_schema(r->types[k].type);
            if (schema == NULL)
                fail_msg("%s is no type", r->types[k].name);
            json_decref(schema);
            if (json_object_get(names, r->types[k].name) != NULL)
                fail_msg("%s is there twice", r->types[k].name);
            json_object_set_new(names, r->types[k].name, json_true());
        }
    json_decref(names);
}

static void test_types(void **state)
{
    static const char *const wrong[] = {"",           "number[", "{a number}", "{a: number",
                                        "{: number}", "(number", "number | ",  "'a",
                                        "<number",    "lower",   "number x",   "{a: number `b}"};
    json_t *got =
               tempo_api_schema("{a: integer `it`, b?: ('x' | 'y')[], c: Name?, d: string | number[], ...}"),
           *want =
               json_pack("{s:s, s:[s, s, s], s:{s:{s:s, s:s}, s:{s:s, s:{s:[s, s]}}, "
                         "s:{s:[{s:s}, {s:s}]}, s:{s:[{s:s}, {s:s, s:{s:s}}]}}, s:b}",
                         "type", "object", "required", "a", "c", "d", "properties", "a", "type", "integer",
                         "description", "it", "b", "type", "array", "items", "enum", "x", "y", "c", "oneOf",
                         "$ref", "#/components/schemas/Name", "type", "null", "d", "oneOf", "type", "string",
                         "type", "array", "items", "type", "number", "additionalProperties", 1);

    (void)state;
    assert_non_null(want);
    if (!json_equal(got, want))
        fail_msg("%s", json_dumps(got, 0));
    json_decref(got);
    json_decref(want);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if ((got = tempo_api_schema(wrong[i])) != NULL)
            fail_msg("'%s' is %s", wrong[i], json_dumps(got, 0));
}

/* The path with "x" for whatever stands in braces. */
static void fill(char out[256], const char *pattern)
{
    size_t n = 0;

    for (const char *p = pattern; *p != '\0' && n < 250; p++) {
        if (*p == '{') {
            out[n++] = 'x';
            p += strcspn(p, "}");
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
}

static const char *param_of(const json_t *answer)
{
    return said(json_object_get(answer, "error"), "param");
}

/* Every parameter that is described is read, and no other. */
static void test_every_parameter(void **state)
{
    (void)state;
    json_t *doc = document(), *path, *one, *answer;
    const char *pattern;
    char target[512], filled[256];
    unsigned status;
    size_t i;

    json_object_foreach(json_object_get(doc, "paths"), pattern, path)
    {
        const json_t *get = json_object_get(path, "get");
        fill(filled, pattern);
        json_array_foreach(json_object_get(get, "parameters"), i, one)
        {
            const char *name = said(one, "name");
            assert_true(json_is_object(json_object_get(one, "schema")));
            if (strcmp(said(one, "in"), "query") != 0)
                continue;
            const char *step =
                strstr(pattern, "/steps") == NULL && strcmp(name, "step") != 0 ? "&step=0" : "";
            (void)snprintf(target, sizeof(target), "%s?%s=0%s", filled, name, step);
            answer = ask("GET", target, NULL, &status);
            if (status == 400 && strcmp(param_of(answer), name) == 0)
                fail_msg("%s is refused", target);
            json_decref(answer);
        }
        if (get == NULL || strncmp(pattern, "/v1/tempo/", 10) != 0)
            continue;
        (void)snprintf(target, sizeof(target), "%s?no_such=1", filled);
        answer = ask("GET", target, NULL, &status);
        if (status != 400 || strcmp(param_of(answer), "no_such") != 0)
            fail_msg("%s: %u", target, status);
        json_decref(answer);
    }
    json_decref(doc);
}

/* ---- fields --------------------------------------------------------------------------------- */

static const json_t *properties_of(const json_t *doc, const char *path)
{
    const json_t *body = json_object_get(
        json_object_get(json_object_get(json_object_get(doc, "paths"), path), "post"), "requestBody");
    const json_t *schema =
        resolve(doc, json_object_get(json_object_get(json_object_get(body, "content"), "application/json"),
                                     "schema"));

    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    return json_object_get(schema, "properties");
}

/* A value that no field takes: then the complaint is about it, or about the field. */
static bool is_known(const char *path, const char *object, const char *field)
{
    char body[256];
    unsigned status;

    if (object == NULL)
        (void)snprintf(body, sizeof(body), "{\"%s\": [[[1]]]}", field);
    else
        (void)snprintf(body, sizeof(body), "{%s, \"stream\": true, \"%s\": {\"%s\": [[[1]]]}}",
                       strstr(path, "chat") != NULL
                           ? "\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]"
                           : "\"prompt\": \"a\"",
                       object, field);
    json_t *answer = ask("POST", path, body, &status);
    const char *message = said(json_object_get(answer, "error"), "message");
    const bool known = strstr(message, "there is no such field") == NULL;
    if (status != 400)
        fail_msg("%s %s: %u", path, body, status);
    json_decref(answer);
    return known;
}

static void check_fields(const char *path, const char *object, const json_t *properties)
{
    const char *name;
    json_t *schema;

    assert_true(json_object_size(properties) > 0);
    json_object_foreach((json_t *)(uintptr_t)properties, name, schema)
    {
        const char *words = json_string_value(json_object_get(schema, "description"));
        assert_true(json_is_object(schema));
        if (words != NULL && strncmp(words, "ignored", 7) == 0) /* which takes any value */
            continue;
        if (!is_known(path, object, name))
            fail_msg("%s does not know %s", path, name);
    }
    if (is_known(path, object, "surely_not"))
        fail_msg("%s takes any field%s%s", path, object != NULL ? " in " : "", object != NULL ? object : "");
}

static void test_every_field(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/tempo/generate", "/v1/tempo/next",  "/tokenize",
                                        "/detokenize",        "/v1/completions", "/v1/chat/completions"};
    json_t *doc = document();
    char name[96];

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        const json_t *properties = properties_of(doc, paths[i]);
        check_fields(paths[i], NULL, properties);
        if (i < 4)
            continue;
        const json_t *tempo =
            json_object_get(resolve(doc, json_object_get(properties, "tempo")), "properties");
        check_fields(paths[i], "tempo", tempo);
        check_fields(paths[i], "stream_options",
                     json_object_get(json_object_get(properties, "stream_options"), "properties"));
    }
    for (size_t i = 0; i < tempo_api_decode_count; i++) { /* all options of decoding, and with their values */
        (void)snprintf(name, sizeof(name), "%s", tempo_api_decode_fields[i].name);
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '-' ? '_' : *p;
        assert_non_null(json_object_get(properties_of(doc, paths[0]), name));
    }
    const json_t *threshold = json_object_get(properties_of(doc, paths[0]), "threshold");
    assert_string_equal(said(threshold, "type"), "number");
    assert_true(json_number_value(json_object_get(threshold, "exclusiveMinimum")) == 0);
    assert_true(json_is_number(json_object_get(threshold, "exclusiveMinimum")));
    assert_true(json_number_value(json_object_get(threshold, "maximum")) == 1);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(properties_of(doc, paths[0]), "mode"), "enum")), 3);
    json_decref(doc);
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool has_type(const char *type, const json_t *v)
{
    return strcmp(type, "integer") == 0   ? json_is_integer(v)
           : strcmp(type, "number") == 0  ? json_is_number(v)
           : strcmp(type, "string") == 0  ? json_is_string(v)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
           : strcmp(type, "object") == 0  ? json_is_object(v)
           : strcmp(type, "array") == 0   ? json_is_array(v)
                                          : json_is_null(v);
}

static bool has_one_of(const json_t *types, const json_t *v)
{
    bool one = types == NULL || (json_is_string(types) && has_type(json_string_value(types), v));

    for (size_t i = 0; i < json_array_size(types); i++)
        one = one || has_type(json_string_value(json_array_get(types, i)), v);
    return one;
}

/* Is v what the schema says, with nothing that it does not say?  where: what is not. */
static bool fits(const json_t *doc, const json_t *schema, const json_t *v, char where[64])
{
    const json_t *t = resolve(doc, schema), *list, *properties = json_object_get(t, "properties"),
                 *rest = json_object_get(t, "additionalProperties");
    const char *key;
    json_t *one;
    size_t i;
    bool ok = has_one_of(json_object_get(t, "type"), v);

    if ((list = json_object_get(t, "oneOf")) != NULL || (list = json_object_get(t, "enum")) != NULL) {
        bool any = false;
        json_array_foreach(list, i, one) any =
            any || (json_object_get(t, "oneOf") != NULL ? fits(doc, one, v, where) : json_equal(one, v));
        ok = ok && any;
    }
    if (!json_is_null(v))
        json_array_foreach(json_object_get(t, "required"), i, one) ok =
            ok && json_object_get(v, json_string_value(one)) != NULL;
    json_array_foreach(v, i, one) ok =
        ok && (json_object_get(t, "items") == NULL || fits(doc, json_object_get(t, "items"), one, where));
    if (!ok)
        return false;
    json_object_foreach((json_t *)(uintptr_t)v, key, one)
    {
        const json_t *own = json_object_get(properties, key);
        if (own == NULL ? (properties != NULL && !json_is_true(rest)) ||
                              (json_is_object(rest) && !fits(doc, rest, one, where))
                        : !fits(doc, own, one, where)) {
            (void)snprintf(where, 64, "%s", key);
            return false;
        }
    }
    return true;
}

/* The answer, which has the type that the document says. */
static json_t *check_answer(const json_t *doc, const char *method, const char *path, const char *target,
                            const char *body)
{
    unsigned status;
    json_t *answer = ask(method, target, body, &status);
    char key[16], where[64] = "all of it";

    lower(key, method);
    const json_t *operation = json_object_get(json_object_get(json_object_get(doc, "paths"), path), key);
    const json_t *content =
        json_object_get(json_object_get(json_object_get(operation, "responses"), "200"), "content");
    if (status != 200)
        fail_msg("%s: %u", target, status);
    if (!fits(doc, json_object_get(json_object_get(content, "application/json"), "schema"), answer, where))
        fail_msg("%s: %s is not what the document says: %s", target, where, json_dumps(answer, 0));
    return answer;
}

/* Answers are of the types that are told, and have nothing else in them. */
static void test_answers(void **state)
{
    static const char *const rows[][3] = {
        {"GET", "/v1/tempo/info", NULL},
        {"GET", "/v1/tempo/presets", NULL},
        {"GET", "/v1/tempo/runs", NULL},
        {"GET", "/openapi.json", NULL},
        {"GET", "/health", NULL},
        {"GET", "/v1/models", NULL},
        {"POST", "/tokenize", "{\"text\": \"a b\"}"},
        {"POST", "/detokenize", "{\"tokens\": [300, 301]}"},
        {"POST", "/v1/tempo/next", "{\"prompt\": \"a\", \"top\": 3}"},
        {"POST", "/v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 2}"},
        {"POST", "/v1/chat/completions",
         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_tokens\": 2}"},
    };
    json_t *doc = document();
    char target[128], path[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        json_decref(check_answer(doc, rows[i][0], rows[i][1], rows[i][1], rows[i][2]));
    json_t *made =
        check_answer(doc, "POST", "/v1/tempo/generate", "/v1/tempo/generate",
                     "{\"prompt\": \"a b\", \"steps\": 3, \"threshold\": 0.02, \"arms\": [\"isolated\", "
                     "\"visible\"], \"record\": [\"attention\"], \"attention\": true, \"stream\": false}");
    assert_true(json_array_size(json_object_get(made, "attention")) == 8 &&
                json_array_size(json_object_get(made, "compare")) == 3);
    json_decref(check_answer(doc, "GET", "/v1/tempo/generations", "/v1/tempo/generations", NULL));
    static const char *const below[] = {"", "/attention/steps", "/attention/summary"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "/v1/tempo/generations/{id}%s", below[i]);
        (void)snprintf(target, sizeof(target), "/v1/tempo/generations/%s%s%s",
                       said(json_object_get(made, "start"), "id"), below[i], i == 2 ? "?step=1" : "");
        json_decref(check_answer(doc, "GET", path, target, NULL));
    }
    json_decref(made);
    json_decref(doc);
}

/* docs/server.md names every field of generate. */
static void test_document_for_people(void **state)
{
    (void)state;
    size_t n;
    char *text = (char *)test_read_file("docs/server.md", &n), quoted[128];
    json_t *doc = document(), *schema;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)properties_of(doc, "/v1/tempo/generate"), name, schema)
    {
        (void)snprintf(quoted, sizeof(quoted), "`%s`", name);
        if (strstr(text, quoted) == NULL)
            fail_msg("docs/server.md does not name %s", name);
    }
    free(text);
    json_decref(doc);
}

/* ---- presets ---------------------------------------------------------------------------------- */

static void test_presets(void **state)
{
    (void)state;
    unsigned status;
    json_t *doc = ask("GET", "/v1/tempo/presets", NULL, &status), *one, *answer, *ids = json_object();
    size_t i;

    assert_int_equal(status, 200);
    json_array_foreach(json_object_get(doc, "presets"), i, one)
    {
        json_t *request = json_object_get(one, "request");
        assert_string_not_equal(said(one, "title"), "");
        assert_string_not_equal(said(one, "question"), "");
        assert_null(json_object_get(ids, said(one, "id")));
        json_object_set_new(ids, said(one, "id"), json_deep_copy(request));
        json_object_set_new(request, "steps", json_integer(2));
        json_object_set_new(request, "stream", json_false());
        char *body = json_dumps(request, JSON_REAL_PRECISION(17));
        answer = ask("POST", "/v1/tempo/generate", body, &status);
        if (status != 200)
            fail_msg("%s: %u: %s", said(one, "id"), status,
                     said(json_object_get(answer, "error"), "message"));
        const size_t arms = json_array_size(json_object_get(request, "arms"));
        assert_int_equal(json_array_size(json_object_get(json_object_get(answer, "start"), "arms")),
                         arms > 0 ? arms : 1);
        json_decref(answer);
        free(body);
    }
    for (i = 1; i <= 5; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "exp%zu", i);
        if (json_object_get(ids, name) == NULL)
            fail_msg("no preset %s", name);
    }
    const json_t *exp3 = json_object_get(ids, "exp3"); /* as experiments/exp3.yaml says */
    json_t *expected =
        json_pack("{s:s, s:i, s:f, s:[s, s, s], s:[s]}", "prompt", "The cat sat on the", "steps", 15,
                  "threshold", 0.08, "arms", "isolated", "visible", "published", "record", "attention");
    if (!json_equal(exp3, expected))
        fail_msg("exp3 is %s", json_dumps(exp3, 0));
    json_decref(expected);
    json_decref(ids);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_every_parameter),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_document_for_people),
        cmocka_unit_test(test_presets),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
