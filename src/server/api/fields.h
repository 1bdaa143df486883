/* fields.h - a JSON object read strictly against tables of fields.
 *
 * What is not in a table is refused by name, with the nearest name there is; values are checked against the table's type and
 * range before anything is done with them.  The options of decoding are those of run/decode_options.inc.  */
#ifndef TEMPO_SERVER_API_FIELDS_H
#define TEMPO_SERVER_API_FIELDS_H
#include <jansson.h>
#include <stdint.h>

#include "base/status.h"

typedef enum tempo_api_kind {
    TEMPO_API_FLAG,    /* bool */
    TEMPO_API_SIZE,    /* size_t, a whole number from low to high; 3.0 is one */
    TEMPO_API_INT,     /* int64_t, any whole number */
    TEMPO_API_REAL,    /* double from low to high, low itself excluded if low_excluded; finite */
    TEMPO_API_CHOICE,  /* int: the place in choices */
    TEMPO_API_CUSTOM,  /* visible_layers, positions: into a tempo_decode_options */
    TEMPO_API_TEXT,    /* const json_t *: a string */
    TEMPO_API_ARRAY,   /* const json_t *: an array */
    TEMPO_API_OBJECT,  /* const json_t *: an object */
    TEMPO_API_ANY,     /* const json_t * */
    TEMPO_API_NEUTRAL, /* nothing: a value that asks for nothing, i.e. 0, false, "", [], {}, or one of choices as text */
    TEMPO_API_IGNORED, /* nothing: any value, or such a one, or one of choices; `help` says why it does not matter */
} tempo_api_kind;

typedef struct tempo_api_field {
    const char *name; /* '-' in it stands for '_' */
    tempo_api_kind kind;
    size_t offset;       /* in out */
    const char *choices; /* "a|b|c" */
    double low, high;
    bool low_excluded;
    const char *fallback, *help; /* for /v1/tempo/info */
    const char *type;            /* for the OpenAPI document, in the words of schema.h; NULL: what kind says */
} tempo_api_field;

/* A table and where its values go.  given: bit i when field i was there (a table has at most 64). */
typedef struct tempo_api_table {
    const tempo_api_field *fields;
    size_t n;
    void *out;
    uint64_t given, ignored; /* ignored: what asked for something, and was not heard */
} tempo_api_table;

/* What is wrong with a request. */
typedef struct tempo_api_problem {
    unsigned status;  /* of the answer; 0: nothing is wrong */
    const char *code; /* a literal: what OpenAI calls it, or NULL */
    char param[96];  /* the field, "" if it is none's fault */
    char message[496];
} tempo_api_problem;

extern const tempo_api_field tempo_api_decode_fields[]; /* out: a tempo_decode_options */
extern const size_t tempo_api_decode_count;

/* false, always: so that checks can return it.  The first problem wins.  The message begins with param and ": " if there is
 * one. */
bool tempo_api_refuse(tempo_api_problem *p, unsigned status, const char *param, const char *format, ...)
    TEMPO_PRINTF(4, 5);
/* The same with a code. */
bool tempo_api_refuse_code(tempo_api_problem *p, unsigned status, const char *param, const char *code, const char *format, ...)
    TEMPO_PRINTF(5, 6);
/* err as a problem: TEMPO_E_ARG, _FORMAT, _LIMIT, _UNSUPPORTED are 400 (a full queue 503), _NOTFOUND 404, _STOPPED 503. */
bool tempo_api_refuse_err(tempo_api_problem *p, const char *param, const tempo_err *err);

/* Text of a request's body -> *out, an object; false: p says what is wrong.  */
bool tempo_api_parse(const char *body, size_t n, json_t **out, tempo_api_problem *p);

/* Read object into tables[n].  prefix ("tempo." or "") is put in front of names in messages.  skip_null: null is as if the
 * field were not there, as OpenAI's routes have it; else it is a wrong type.  Pointers into object are borrowed.  */
bool tempo_api_read(const json_t *object, const char *prefix, bool skip_null, tempo_api_table *tables, size_t n,
                    tempo_api_problem *p);
/* One value (values.c), `name` as messages have it; out: what the field's offset is in. */
bool tempo_api_read_value(const tempo_api_field *f, const json_t *v, const char *name, void *out, tempo_api_problem *p);
/* Does the value ask for nothing? */
bool tempo_api_is_neutral(const json_t *v);
/* "an object", "a number", .. */
/* Was the field of that name there? */
bool tempo_api_given(const tempo_api_table *t, const char *name);

/* *warnings (made if NULL) gets a text for each field that was ignored, or the one text ("NAME: ignored, WHY"; any text, which is
 * there once however often it is said). */
bool tempo_api_warn_ignored(json_t **warnings, const char *prefix, const tempo_api_table *t, tempo_api_problem *p);
bool tempo_api_warn(json_t **warnings, const char *name, const char *why, tempo_api_problem *p);
bool tempo_api_warn_once(json_t **warnings, const char *text, tempo_api_problem *p);

/* An array of whole numbers 0 .. below-1 -> *ids (free) and *n, at least one. */
bool tempo_api_read_ids(const json_t *array, const char *param, uint32_t below, int32_t **ids, size_t *n,
                        tempo_api_problem *p);

#endif
