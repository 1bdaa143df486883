/* edits_json.c - see edits_json.h.  Sizes are counted, and refused, before anything is allocated. */
#include "edit/edits_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

enum { MAX_DIMS = 4 };

#define MAX_FLOATS (TEMPO_MAX_EDIT_BYTES / sizeof(float))

typedef struct vector {
    float *x; /* owned */
    size_t n;
    uint32_t n_dims;
    size_t dims[MAX_DIMS];
} vector;

static tempo_status expected(tempo_err *err, const char *what)
{
    return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET, "vector: expected %s", what);
}

/* Room for the product of dims; more than may be is refused. */
static tempo_status make_room(vector *v, tempo_err *err)
{
    v->n = 1;
    for (uint32_t i = 0; i < v->n_dims; i++) {
        if (v->dims[i] == 0 || v->dims[i] > MAX_FLOATS / v->n)
            return tempo_fail(err, v->dims[i] == 0 ? TEMPO_E_FORMAT : TEMPO_E_LIMIT, TEMPO_NO_OFFSET,
                              "vector: expected at most %" PRIu64 " numbers, and no dimension of 0",
                              (uint64_t)MAX_FLOATS);
        v->n *= v->dims[i];
    }
    v->x = malloc(v->n * sizeof(*v->x));
    return v->x != NULL ? TEMPO_OK
                        : tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for a vector");
}

/* ---- lists of numbers ---- */

static tempo_status fill(vector *v, const json_t *list, uint32_t depth, size_t *at, tempo_err *err)
{
    const bool numbers = depth + 1 == v->n_dims;
    const json_t *one;
    size_t i;
    tempo_status st = TEMPO_OK;

    if (!json_is_array(list) || json_array_size(list) != v->dims[depth])
        return expected(err, "lists of equal lengths");
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (!numbers) {
            if ((st = fill(v, one, depth + 1, at, err)) != TEMPO_OK)
                return st;
            continue;
        }
        const double x = json_is_number(one) ? json_number_value(one) : (double)NAN;
        if (!isfinite((float)x))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "vector: element %zu is %s, expected a finite number", *at,
                              json_is_number(one) ? "too large for float32" : tempo_json_type_name(one));
        v->x[(*at)++] = (float)x;
    }
    return TEMPO_OK;
}

static tempo_status read_lists(vector *v, const json_t *list, tempo_err *err)
{
    size_t at = 0;
    tempo_status st;

    for (const json_t *p = list; json_is_array(p); p = json_array_get(p, 0)) {
        if (v->n_dims == MAX_DIMS)
            return expected(err, "at most 4 dimensions");
        v->dims[v->n_dims++] = json_array_size(p);
    }
    if ((st = make_room(v, err)) != TEMPO_OK)
        return st;
    return fill(v, list, 0, &at, err);
}

/* ---- base64 ---- */

static int sextet(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* text[4 * ceil(n / 3)] -> out[n]; what must be 0 is, and so is padding. */
static bool decode(const char *text, unsigned char *out, size_t n)
{
    for (size_t at = 0; at < n; at += 3, text += 4) {
        const size_t have = n - at < 3 ? n - at : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            const int s = sextet((unsigned char)text[i]);
            if (i <= have ? s < 0 : text[i] != '=')
                return false;
            bits = bits << 6 | (i <= have ? (uint32_t)s : 0);
        }
        if ((bits & ((UINT32_C(1) << 8 * (3 - have)) - 1)) != 0)
            return false;
        for (size_t i = 0; i < have; i++)
            out[at + i] = (unsigned char)(bits >> (16 - 8 * i));
    }
    return true;
}

static tempo_status read_base64(vector *v, const json_t *o, tempo_err *err)
{
    const json_t *text = json_object_get(o, "base64"), *shape = json_object_get(o, "shape"), *one;
    size_t i;
    tempo_status st;

    if (!json_is_string(text) || json_object_size(o) != 2 || json_array_size(shape) < 1 ||
        json_array_size(shape) > MAX_DIMS)
        return expected(err, "numbers, or {\"base64\": \"..\", \"shape\": [..]} with 1 to 4 dimensions");
    json_array_foreach((json_t *)(uintptr_t)shape, i, one)
    {
        if (!json_is_integer(one) || json_integer_value(one) < 1)
            return expected(err, "a shape of positive integers");
        v->dims[v->n_dims++] = (uint64_t)json_integer_value(one) <= MAX_FLOATS
                                   ? (size_t)json_integer_value(one)
                                   : (size_t)MAX_FLOATS + 1;
    }
    size_t n = 1;
    for (uint32_t d = 0; d < v->n_dims && n <= MAX_FLOATS; d++)
        n = v->dims[d] > MAX_FLOATS / n ? (size_t)MAX_FLOATS + 1 : n * v->dims[d];
    if (n <= MAX_FLOATS && json_string_length(text) != 4 * ((n * sizeof(float) + 2) / 3))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "vector: base64 has %zu characters; %zu numbers of float32 have %zu",
                          json_string_length(text), n, 4 * ((n * sizeof(float) + 2) / 3));
    if ((st = make_room(v, err)) != TEMPO_OK)
        return st;
    if (!decode(json_string_value(text), (unsigned char *)v->x, v->n * sizeof(float)))
        return expected(err, "base64 in the standard alphabet, with its padding");
    for (i = 0; i < v->n; i++)
        if (!isfinite(v->x[i]))
            return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                              "vector: element %zu is not a finite number", i);
    return TEMPO_OK;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "base64 holds the machine's floats");

/* ---- items ---- */

/* The text with its vector, by that name. */
static tempo_status add_with(tempo_edits *l, const char *text, const vector *v, const tempo_edit_inputs *in,
                             tempo_err *err)
{
    static const char with[] = " vector=" TEMPO_INLINE_VECTOR;
    tempo_edit_inputs inputs = *in;
    tempo_edit_array array = {TEMPO_INLINE_VECTOR, v->x, v->n_dims, {0}};
    const size_t n = strlen(text);
    char *whole = malloc(n + sizeof(with));

    if (whole == NULL)
        return tempo_fail(err, TEMPO_E_NOMEM, TEMPO_NO_OFFSET, "no memory for an edit");
    memcpy(whole, text, n);
    memcpy(whole + n, with, sizeof(with));
    memcpy(array.dims, v->dims, v->n_dims * sizeof(*v->dims));
    inputs.arrays = &array;
    inputs.n_arrays = 1;
    const tempo_status st = tempo_edits_add(l, whole, &inputs, err);
    free(whole);
    return st;
}

/* The text of an item, and its vector or NULL. */
static tempo_status check_item(const json_t *item, const char **text, const json_t **v, tempo_err *err)
{
    const bool object = json_is_object(item);
    const json_t *edit = object ? json_object_get(item, "edit") : item;
    const json_t *one;
    const char *key;

    *v = json_object_get(item, "vector");
    if (!json_is_string(edit) || json_string_length(edit) != strlen(json_string_value(edit)))
        return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                          "it is %s, expected a text such as 'zero z heads=0', or an object with the text as "
                          "\"edit\", and \"vector\"",
                          object ? "an object without a text" : tempo_json_type_name(item));
    json_object_foreach(
        (json_t *)(uintptr_t)item, key,
        one) if (strcmp(key, "edit") != 0 &&
                 strcmp(key, "vector") !=
                     0) return tempo_fail(err, TEMPO_E_FORMAT, TEMPO_NO_OFFSET,
                                          "\"%.40s\" means nothing here; expected \"edit\" and \"vector\"",
                                          key);
    if (*v != NULL && !json_is_array(*v) && !json_is_object(*v))
        return expected(err, "numbers, or {\"base64\": \"..\", \"shape\": [..]} with 1 to 4 dimensions");
    *text = json_string_value(edit);
    return TEMPO_OK;
}

static tempo_status add_item(tempo_edits *l, const json_t *item, const tempo_edit_inputs *in, tempo_err *err)
{
    const char *text;
    const json_t *given;
    vector v = {0};
    tempo_status st = check_item(item, &text, &given, err);

    if (st != TEMPO_OK || given == NULL)
        return st == TEMPO_OK ? tempo_edits_add(l, text, in, err) : st;
    st = json_is_array(given) ? read_lists(&v, given, err) : read_base64(&v, given, err);
    if (st == TEMPO_OK)
        st = add_with(l, text, &v, in, err);
    free(v.x);
    return st;
}

static tempo_status at_fault(tempo_status st, size_t i, tempo_err *err)
{
    char field[48];

    (void)snprintf(field, sizeof(field), "edits[%zu]", i);
    tempo_err_prefix(err, "%s", field);
    if (err != NULL && strcmp(err->field, "edits") == 0)
        err->field[0] = '\0'; /* which of them is known here */
    tempo_err_set_field(err, field);
    return st;
}

static tempo_status check_list(const json_t *list, tempo_err *err)
{
    if (!json_is_array(list))
        return tempo_fail_field(err, TEMPO_E_FORMAT, "edits", "edits: %s, expected a list",
                                tempo_json_type_name(list));
    if (json_array_size(list) > TEMPO_MAX_EDITS)
        return tempo_fail_field(err, TEMPO_E_LIMIT, "edits", "edits: %zu of them, expected at most %d",
                                json_array_size(list), TEMPO_MAX_EDITS);
    return TEMPO_OK;
}

tempo_status tempo_edits_check_json(const json_t *list, tempo_err *err)
{
    tempo_status st = list != NULL ? check_list(list, err) : TEMPO_OK;
    const json_t *item, *v;
    const char *text;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (st == TEMPO_OK && (st = check_item(item, &text, &v, err)) != TEMPO_OK)
            st = at_fault(st, i, err);
    }
    return st;
}

tempo_status tempo_edits_read(tempo_edits *l, const json_t *list, const tempo_edit_inputs *in, tempo_err *err)
{
    tempo_edit_inputs none;
    tempo_status st = list != NULL ? check_list(list, err) : TEMPO_OK;
    const json_t *item;
    size_t i;

    tempo_edit_inputs_init(&none);
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (st == TEMPO_OK && (st = add_item(l, item, in != NULL ? in : &none, err)) != TEMPO_OK)
            st = at_fault(st, i, err);
    }
    return st;
}
