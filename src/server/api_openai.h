/* api_openai.h - what /v1/completions and /v1/chat/completions share: fields, the job, its tokens and text, streams.
 *
 * The two differ in a few fields and in the shape of a choice; each has a file of its own that fills in a tempo_oai_shape.  */
#ifndef TEMPO_SERVER_API_OPENAI_H
#define TEMPO_SERVER_API_OPENAI_H
#include "server/api_inside.h"
#include "server/api_request.h"
#include "server/api_tail.h"

/* A request as read; pointers into the body. */
typedef struct tempo_oai_request {
    const json_t *model, *prompt, *messages, *stop, *stream_options, *tempo, *user;
    size_t max_tokens, max_completion_tokens, logprobs_count, top_logprobs;
    bool stream, include_usage, echo, logprobs;
    double temperature, top_p, min_p;
    int64_t seed;
    /* made from that */
    bool has_temperature, has_seed, has_max, sets; /* sets: choices carry "tempo" */
} tempo_oai_request;

/* One token of the answer, or of an echoed prompt. */
typedef struct tempo_oai_token {
    int32_t id;
    size_t begin, end;    /* its bytes in the tail */
    size_t characters;    /* of the tail in front of begin */
    bool has_score;       /* the first token of a prompt has none */
    tempo_score *scores;  /* [n_scores] its own first, then the best; free */
    size_t n_scores;
} tempo_oai_token;

typedef struct tempo_oai tempo_oai;

typedef struct tempo_oai_shape {
    bool chat;
    const char *prefix, *object, *chunk; /* "cmpl-", "text_completion", and of a chunk */
    const tempo_api_field *fields; /* [n_fields] those that only this one has; into a tempo_oai_request */
    size_t n_fields;
    /* A choice of text[n] with the tokens from..to; finish NULL: more comes.  In a stream `first` is the piece before any text. */
    json_t *(*choice)(const tempo_oai *o, const char *text, size_t n, size_t from, size_t to, const char *finish);
    json_t *(*piece)(const tempo_oai *o, const char *text, size_t n, size_t from, size_t to, const char *finish, bool first);
} tempo_oai_shape;

/* One completion under way. */
struct tempo_oai {
    tempo_api *a;
    const tempo_oai_shape *shape;
    tempo_job *job;
    char id[40];
    int64_t created;
    bool stream, include_usage, echo, logprobs, sets;
    size_t n_prompt, n_steps; /* tokens of the prompt; steps taken */
    tempo_tail tail;
    size_t counted, characters; /* of the tail: bytes up to the last whole character that was counted, and those */
    tempo_oai_token *tokens;  /* [n_tokens] */
    size_t n_tokens, token_cap, told_tokens;
    size_t told;              /* bytes of the tail */
    json_t *new_sets;         /* those that no piece has told */
    bool strip;               /* the first space is the tokenizer's own */
    const char *finish;       /* "stop", "length", or NULL */
    bool failed;              /* no memory */
    /* a stream's bytes */
    tempo_api_text out;
    size_t sent;
    bool begun, over;
};

extern const tempo_oai_shape tempo_oai_completions, tempo_oai_chat;

/* A body -> r, whose job can be submitted, and its stop strings.  What it got stays the caller's to free, whatever comes of it. */
bool tempo_oai_read(tempo_api *a, const tempo_oai_shape *shape, const json_t *body, tempo_oai_request *q,
                    tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p);
/* Whole handler of both routes. */
void tempo_oai_answer(tempo_api *a, tempo_exchange *x, const tempo_oai_shape *shape);

/* ---- for the shapes ---- */
/* The token's text, bytes[*n] not NUL-terminated. */
const char *tempo_oai_token_text(const tempo_oai *o, int32_t id, size_t *n);
/* choice["tempo"] = {"sets": [..]} where that is wanted. */
void tempo_oai_add_sets(const tempo_oai *o, json_t *choice);
/* Does a request mean the model: its name, its file's name, or "tempo"? */
bool tempo_oai_is_model(const tempo_api *a, const char *name);
/* The name under which the model goes. */
json_t *tempo_oai_model_name(const tempo_api *a);

#endif
