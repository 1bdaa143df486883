/* openai.h - what /v1/completions and /v1/chat/completions share: fields, jobs, their tokens and text, streams.
 *
 * The two differ in a few fields and in the shape of a choice; each has a file of its own that fills in a tempo_oai_shape.
 *
 *   openai.c         requests -> jobs         choice.c  one job's tokens and text
 *   answer.c  all choices of a request: submitting, documents, streams
 */
#ifndef TEMPO_SERVER_API_OPENAI_H
#define TEMPO_SERVER_API_OPENAI_H
#include "server/api/inside.h"
#include "server/api/request.h"
#include "server/api/openai/tail.h"

enum {
    TEMPO_OAI_MAX_PROMPTS = 2048, /* of one request */
    TEMPO_OAI_MAX_N = 128,        /* choices of one prompt */
    TEMPO_OAI_MAX_CHOICES = 2048, /* of one request */
};

/* A prompt's ids, for tempo_free. */
typedef struct tempo_oai_prompt {
    int32_t *ids; /* [n] */
    size_t n;
} tempo_oai_prompt;

/* A request as read; pointers into the body.  tempo_oai_request_free, whatever became of it. */
typedef struct tempo_oai_request {
    const json_t *model, *prompt, *messages, *stop, *stream_options, *tempo;
    const json_t *tools, *tool_choice, *documents, *chat_template_kwargs, *enable_thinking;
    size_t max_tokens, max_completion_tokens, logprobs_count, top_logprobs, n, best_of;
    bool stream, include_usage, echo, logprobs;
    double temperature, top_p, min_p;
    int64_t seed;
    /* made from that */
    bool has_temperature, has_seed, has_max, sets; /* sets: choices carry "tempo" */
    tempo_oai_prompt *prompts;                     /* [n_prompts] */
    size_t n_prompts;
} tempo_oai_request;

/* One token of the answer, or of an echoed prompt. */
typedef struct tempo_oai_token {
    int32_t id;
    size_t begin, end;    /* its bytes in the tail */
    size_t characters;    /* of the tail in front of begin */
    bool has_score;       /* the first token of a prompt has none */
    tempo_token_score *scores;  /* [n_scores] its own first, then the best; free */
    size_t n_scores;
} tempo_oai_token;

typedef struct tempo_oai tempo_oai;
typedef struct tempo_oai_choice tempo_oai_choice;

typedef struct tempo_oai_shape {
    bool chat;
    const char *prefix, *object, *chunk; /* "cmpl-", "text_completion", and of a chunk */
    const tempo_api_field *fields; /* [n_fields] those that only this one has; into a tempo_oai_request */
    size_t n_fields;
    /* A choice of text[n] with the tokens from..to; finish NULL: more comes.  In a stream `first` is the piece before any text. */
    json_t *(*choice)(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to, const char *finish);
    json_t *(*piece)(const tempo_oai_choice *c, const char *text, size_t n, size_t from, size_t to, const char *finish, bool first);
} tempo_oai_shape;

/* One text under way. */
struct tempo_oai_choice {
    tempo_oai *o;
    size_t index;
    tempo_job *job; /* NULL: not yet submitted, or over */
    size_t n_prompt, n_steps; /* tokens of the prompt; steps taken */
    size_t bytes;             /* what it takes, of o->bytes */
    size_t set_bytes;         /* of them those of new_sets */
    tempo_tail tail;
    size_t counted, characters; /* of the tail: bytes up to the last whole character that was counted, and those */
    tempo_oai_token *tokens;  /* [n_tokens] */
    size_t n_tokens, token_cap, told_tokens;
    size_t told;              /* bytes of the tail */
    json_t *new_sets;         /* those that no piece has told */
    json_t *edits;            /* what became of them; NULL: not yet, or there are none */
    bool begun;               /* its first piece was told */
    bool strip;               /* the first space is the tokenizer's own */
    const char *finish;       /* "stop", "length", or NULL */
    const char *late;         /* the same, until it is known what became of the edits */
};

/* One request under way. */
struct tempo_oai {
    tempo_api *a;
    const tempo_oai_shape *shape;
    char id[40];
    int64_t created;
    bool stream, include_usage, echo, logprobs, sets;
    bool tools;                /* the model was told of some: calls in its answer are told as such */
    tempo_job_options job;     /* of every choice, but for its prompt and seed */
    tempo_edits *edits;        /* job's, or NULL */
    tempo_oai_prompt *prompts; /* [n_prompts] */
    size_t n_prompts, n;       /* choices of each */
    tempo_tail stops;          /* its strings: for each choice's tail */
    json_t *warnings;          /* until they were told, or NULL */
    tempo_oai_choice *choices; /* [n_choices] */
    size_t n_choices, n_begun, n_over; /* those that were submitted, and those that ended */
    size_t *running;           /* [n_running] indices of those that decode */
    tempo_job **jobs;          /* [n_running] theirs */
    size_t n_running, turn;
    size_t bytes, held;        /* what it takes, and what of that the api counts */
    bool failed, full;         /* no memory; the bound of all answers is reached */
    tempo_api_outgoing out;    /* a stream's bytes */
};

extern const tempo_oai_shape tempo_oai_completions, tempo_oai_chat;

/* A body -> q and r, whose job is that of each of q's prompts, and the stop strings.  What they got stays the caller's to free,
 * whatever comes of it. */
bool tempo_oai_read(tempo_api *a, const tempo_oai_shape *shape, const json_t *body, tempo_oai_request *q,
                    tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p);
void tempo_oai_request_free(tempo_oai_request *q);
/* Whole handler of both routes. */
void tempo_oai_answer(tempo_api *a, tempo_exchange *x, const tempo_oai_shape *shape);

/* ---- one choice (choice.c) ---- */
/* Everything before its job begins: an echoed prompt is there at once. */
void tempo_oai_choice_begin(tempo_oai_choice *c, const tempo_oai_prompt *prompt);
/* Take what happened.  false: it was the last that matters. */
bool tempo_oai_choice_take(tempo_oai_choice *c, const tempo_event *e);
/* Tokens that the text up to the bytes that are ready holds whole; at the end also one that is cut. */
size_t tempo_oai_tokens_within(const tempo_oai_choice *c);
/* Bytes of the text that may be told: of a text in which the model may call tools, not those that may be calls, until its end. */
size_t tempo_oai_tellable(const tempo_oai_choice *c);
/* Everything that it holds is let go; what it has used up stays known. */
/* new_sets were told: they take nothing any more. */
void tempo_oai_choice_told_sets(tempo_oai_choice *c);
void tempo_oai_choice_clear(tempo_oai_choice *c);

/* ---- all of them (answer.c) ---- */
/* *out takes over q's prompts, r's warnings and the stop strings, and has its first jobs under way; NULL on failure. */
bool tempo_oai_begin(tempo_oai **out, tempo_api *a, const tempo_oai_shape *shape, tempo_oai_request *q,
                     tempo_api_request *r, tempo_tail *stops, tempo_api_problem *p);
/* Answer, and be over. */
void tempo_oai_run(tempo_oai *o, tempo_exchange *x);

/* ---- for the shapes ---- */
/* The token's text, bytes[*n] not NUL-terminated. */
/* A log probability.  What is impossible has -9999, as with the interface's maker: its clients expect a number. */
json_t *tempo_oai_logprob(double x);
const char *tempo_oai_token_text(const tempo_oai *o, int32_t id, size_t *n);
/* choice["tempo"] = {"sets": [..]} where that is wanted. */
void tempo_oai_add_sets(const tempo_oai_choice *c, json_t *choice);
/* Does a request mean the model: its name, its file's name, or "tempo"? */
bool tempo_oai_is_model(const tempo_api *a, const char *name);
/* The name under which the model goes. */
json_t *tempo_oai_model_name(const tempo_api *a);

#endif
