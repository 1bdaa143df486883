/* generations.c - generations whose attention was recorded: the store, its list, and their documents. */
#include <stdlib.h>
#include <string.h>

#include "server/api/inside.h"
#include "server/api/route.h"
#include "run/decode_json.h"

enum { MAX_GENERATIONS = 64, MAX_DOCUMENTS = 256 << 20 };

struct tempo_generations {
    pthread_mutex_t lock;
    tempo_generation *list[MAX_GENERATIONS]; /* [n], oldest first, a reference each */
    size_t n;
    size_t bytes; /* of documents, of those in the list */
    size_t most;  /* that this may be */
};

tempo_generations *tempo_generations_create(void)
{
    tempo_generations *s = calloc(1, sizeof(*s));

    if (s != NULL && pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    if (s != NULL) {
        const uint64_t share = tempo_memory_available() / 16;
        s->most = share < MAX_DOCUMENTS ? (size_t)share : MAX_DOCUMENTS;
    }
    return s;
}

static void free_generation(tempo_generation *g)
{
    for (size_t i = 0; i < g->n_arms; i++)
        free(g->slots[i]);
    tempo_recording_free(g->recording);
    pthread_mutex_destroy(&g->lock);
    tempo_api_shared_free(g->document);
    free(g->request);
    free(g->prompt);
    free(g);
}

void tempo_generation_release(tempo_generation *g)
{
    if (g == NULL)
        return;
    pthread_mutex_lock(&g->lock);
    const bool last = --g->references == 0;
    pthread_mutex_unlock(&g->lock);
    if (last)
        free_generation(g);
}

void tempo_generations_free(tempo_generations *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        tempo_generation_release(s->list[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- with the store's lock ---- */

static void drop(tempo_generations *s, size_t i)
{
    tempo_generation *g = s->list[i];

    s->bytes -= tempo_api_shared_bytes(g->document); /* written with the store's lock, too */
    memmove(&s->list[i], &s->list[i + 1], (s->n - i - 1) * sizeof(*s->list));
    s->n--;
    tempo_generation_release(g);
}

/* Those that have ended and whose attention is gone. */
static void drop_empty(tempo_generations *s)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->list[i]->job == NULL && tempo_recording_bytes(s->list[i]->recording) == 0)
            drop(s, i);
}

static void make_room(tempo_generations *s, size_t more)
{
    drop_empty(s);
    while (s->n > 0 && (s->n == MAX_GENERATIONS || s->bytes + more > s->most))
        drop(s, 0);
}

/* ---- life ---- */

tempo_generation *tempo_generations_add(tempo_generations *s, const tempo_generation *begin, tempo_job *job)
{
    tempo_generation *g = malloc(sizeof(*g));
    char *prompt = malloc(begin->n_prompt + 1);

    if (g == NULL || prompt == NULL || pthread_mutex_init(&g->lock, NULL) != 0) {
        tempo_recording_free(begin->recording);
        free(prompt);
        free(g);
        return NULL;
    }
    if (begin->n_prompt > 0)
        memcpy(prompt, begin->prompt, begin->n_prompt);
    prompt[begin->n_prompt] = '\0';
    const pthread_mutex_t lock = g->lock;
    *g = *begin;
    g->lock = lock;
    g->prompt = prompt;
    g->request =
        begin->request != NULL ? strdup(begin->request) : NULL; /* without it, it cannot be asked for again */
    g->job = job;
    g->references = 2;
    pthread_mutex_lock(&s->lock);
    make_room(s, 0);
    s->list[s->n++] = g;
    pthread_mutex_unlock(&s->lock);
    return g;
}

void tempo_generation_end(tempo_generations *s, tempo_generation *g, size_t steps, tempo_api_shared *document)
{
    size_t i;

    pthread_mutex_lock(&s->lock);
    pthread_mutex_lock(&g->lock);
    for (i = 0; i < g->n_arms; i++)
        g->slots[i] = tempo_job_slots(g->job, i, &g->n_slots[i]);
    g->job = NULL;
    g->steps = steps;
    g->document = document;
    pthread_mutex_unlock(&g->lock);
    for (i = 0; i < s->n && s->list[i] != g;)
        i++;
    if (i < s->n) { /* else others have taken its place by now */
        s->bytes += tempo_api_shared_bytes(document);
        while (s->bytes > s->most && s->n > 1 && s->list[0] != g)
            drop(s, 0);
    }
    pthread_mutex_unlock(&s->lock);
}

tempo_generation *tempo_generations_find(tempo_generations *s, const char *id)
{
    tempo_generation *found = NULL;

    pthread_mutex_lock(&s->lock);
    drop_empty(s);
    for (size_t i = 0; i < s->n && found == NULL; i++)
        if (strcmp(s->list[i]->id, id) == 0)
            found = s->list[i];
    if (found != NULL) {
        pthread_mutex_lock(&found->lock);
        found->references++;
        pthread_mutex_unlock(&found->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

tempo_slot *tempo_generation_slots(tempo_generation *g, size_t arm, size_t *n)
{
    tempo_slot *copy = NULL;

    *n = 0;
    pthread_mutex_lock(&g->lock);
    if (g->job != NULL) {
        copy = tempo_job_slots(g->job, arm, n);
    } else if (g->slots[arm] != NULL && (copy = malloc(g->n_slots[arm] * sizeof(*copy))) != NULL) {
        *n = g->n_slots[arm];
        memcpy(copy, g->slots[arm], *n * sizeof(*copy));
    }
    pthread_mutex_unlock(&g->lock);
    return copy;
}

/* ---- routes ---- */

static json_t *describe(tempo_generation *g)
{
    json_t *o = json_object(), *arms = json_array();

    for (size_t i = 0; i < g->n_arms; i++)
        json_array_append_new(arms, json_string(g->arms[i]));
    json_object_set_new(o, "id", json_string(g->id));
    json_object_set_new(o, "created", json_integer(g->created));
    tempo_json_add_text(o, "prompt", "prompt_bytes", g->prompt, g->n_prompt);
    json_object_set_new(o, "arms", arms);
    json_t *request = g->request != NULL ? json_loads(g->request, JSON_ALLOW_NUL, NULL) : NULL;
    json_object_set_new(o, "request", request != NULL ? request : json_null());
    pthread_mutex_lock(&g->lock);
    const bool running = g->job != NULL;
    const size_t steps = running ? tempo_recording_steps(g->recording, 0) : g->steps;
    pthread_mutex_unlock(&g->lock);
    json_object_set_new(o, "steps", json_integer((json_int_t)steps));
    json_object_set_new(o, "bytes", json_integer((json_int_t)tempo_recording_bytes(g->recording)));
    return o;
}

static void list_generations(void *user, tempo_exchange *x)
{
    tempo_generations *s = ((tempo_api *)user)->generations;
    json_t *list = json_array();

    pthread_mutex_lock(&s->lock);
    drop_empty(s);
    for (size_t i = s->n; i-- > 0;)
        json_array_append_new(list, describe(s->list[i]));
    pthread_mutex_unlock(&s->lock);
    tempo_api_reply_json(x, 200, json_pack("{s:o}", "generations", list));
}

static void get_generation(void *user, tempo_exchange *x)
{
    tempo_api *a = user;
    const char *id = tempo_exchange_segment(x, "id");
    tempo_api_shared *document;
    bool running;

    tempo_generation *g = tempo_generations_find(a->generations, id);
    if (g == NULL) {
        tempo_exchange_error(x, 404, "id", "there is no generation '%.64s', or others have taken its place",
                             id);
        return;
    }
    pthread_mutex_lock(&g->lock);
    running = g->job != NULL;
    document = tempo_api_shared_take(g->document);
    pthread_mutex_unlock(&g->lock);
    tempo_generation_release(g);
    if (document != NULL)
        tempo_api_reply_shared(x, "application/json", document);
    else if (running)
        tempo_exchange_error(x, 404, "id", "generation '%.64s' still runs: its document comes at the end",
                             id);
    else
        tempo_exchange_error(
            x, 404, "id", "the document of generation '%.64s' was too large to be kept, or there was no room",
            id);
}

static const tempo_api_route routes[] = {
    {.method = "GET",
     .path = "/v1/tempo/generations",
     .handle = list_generations,
     .query = "",
     .summary = "What was recorded",
     .answer = "generations, the newest first",
     .type = "GenerationList"},
    {.method = "GET",
     .path = "/v1/tempo/generations/{id}",
     .handle = get_generation,
     .query = "",
     .summary = "A recorded generation",
     .answer = "the document of the generation",
     .type = "GenerationDocument"},
};

static const tempo_api_type types[] = {
    {"GenerationEntry",
     "{id: string, created: integer `Unix time`, prompt: string, prompt_bytes?: integer[], arms: string[], "
     "request: GenerateRequest? `what asked for it; null where that is long`, steps: integer, bytes: "
     "integer}"},
    {"GenerationList", "{generations: GenerationEntry[]}"},
};

TEMPO_API_RESOURCE(generations, routes, types)
