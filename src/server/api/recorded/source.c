/* source.c - see source.h. */
#include "server/api/recorded/source.h"

#include <stdio.h>
#include <string.h>

#include "server/api/recorded/runs.h"

enum { MAX_NUMBER = 1 << 30 };

void tempo_attention_close(tempo_attention_source *s)
{
    if (s->g != NULL)
        tempo_generation_release(s->g);
    tempo_captured_free(s->captured);
    tempo_api_let_go(s->a, s->held);
    tempo_captured_place_free(&s->place);
    json_decref(s->run);
}

size_t tempo_attention_steps(const tempo_attention_source *s)
{
    return s->captured != NULL ? tempo_captured_steps(s->captured)
                               : tempo_recording_steps(s->g->recording, s->g_arm);
}

tempo_status tempo_attention_step(tempo_attention_source *s, size_t i, bool data, tempo_recorded_step *out,
                                  tempo_err *err)
{
    *out = (tempo_recorded_step){0};
    if (s->captured != NULL && i < tempo_attention_steps(s))
        return tempo_captured_step(s->captured, i, data, out, err);
    if (s->captured == NULL && tempo_recording_step(s->g->recording, s->g_arm, i, out))
        return TEMPO_OK;
    if (s->captured == NULL && tempo_recording_incomplete(s->g->recording))
        return tempo_fail(err, TEMPO_E_NOTFOUND, TEMPO_NO_OFFSET,
                          "the attention of this step had to make room for that of others");
    return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET, "step %zu: there are %zu, from 0", i,
                      tempo_attention_steps(s));
}

bool tempo_attention_number(tempo_exchange *x, const char *name, size_t *out, bool *given)
{
    const char *s = tempo_exchange_query(x, name);
    size_t n = 0;

    if (given != NULL)
        *given = s != NULL;
    if (s == NULL)
        return true;
    const size_t len = strlen(s);
    for (size_t i = 0; i < len && len <= 10; i++) {
        if (s[i] < '0' || s[i] > '9')
            break;
        n = n * 10 + (size_t)(s[i] - '0');
        if (i + 1 == len && n <= MAX_NUMBER) {
            *out = n;
            return true;
        }
    }
    tempo_exchange_error(x, 400, name, "%s: expected a whole number from 0", name);
    return false;
}

bool tempo_attention_fail(const tempo_attention_source *s, tempo_exchange *x, const char *param,
                          const tempo_err *err)
{
    tempo_api_reply_err(s->a, x, json_string_value(json_object_get(s->run, "dir")), param, err);
    return false;
}

static bool hold(tempo_attention_source *s, tempo_exchange *x, size_t step)
{
    const size_t n = s->captured != NULL && step < tempo_attention_steps(s)
                         ? tempo_captured_copy_bytes(s->captured, step)
                         : 0;

    if (!tempo_api_hold(s->a, n)) {
        tempo_api_reply_full(x);
        return false;
    }
    s->held += n;
    return true;
}

bool tempo_attention_read(tempo_attention_source *s, tempo_exchange *x, size_t i, tempo_recorded_step *out)
{
    tempo_err err = {0};

    *out = (tempo_recorded_step){0};
    if (!hold(s, x, i))
        return false;
    if (tempo_attention_step(s, i, true, out, &err) == TEMPO_OK)
        return true;
    tempo_recorded_step_free(out);
    return tempo_attention_fail(s, x, "step", &err);
}

static bool open_generation(tempo_attention_source *s, tempo_exchange *x)
{
    const char *arm = tempo_exchange_query(x, "arm");

    if (tempo_exchange_query(x, "unit") != NULL) {
        tempo_exchange_error(x, 400, "unit", "unit: a generation has none");
        return false;
    }
    s->g = tempo_generations_find(s->a->generations, tempo_exchange_segment(x, "id"));
    if (s->g == NULL || s->g->recording == NULL) {
        tempo_exchange_error(x, 404, NULL,
                             "no attention is kept of such a generation (it was not asked for, or dropped)");
        return false;
    }
    while (arm != NULL && s->g_arm < s->g->n_arms && strcmp(arm, s->g->arms[s->g_arm]) != 0)
        s->g_arm++;
    if (s->g_arm >= s->g->n_arms) {
        tempo_exchange_error(x, 400, "arm", "arm: the generation has none of this name");
        return false;
    }
    (void)snprintf(s->arm, sizeof(s->arm), "%s", s->g->arms[s->g_arm]);
    return true;
}

static bool open_run(tempo_attention_source *s, tempo_exchange *x)
{
    const char *arm = tempo_exchange_query(x, "arm");
    size_t unit = 0;
    bool has_unit;
    tempo_err err = {0};
    tempo_status st;

    if (!tempo_attention_number(x, "unit", &unit, &has_unit) || !tempo_api_show_run(s->a, x, &s->run))
        return false;
    st = tempo_captured_find(&s->place, s->run, has_unit ? &unit : NULL, arm, &err);
    if (st != TEMPO_OK)
        return tempo_attention_fail(s, x, NULL, &err);
    if (tempo_captured_open(&s->captured, s->place.dir, &err) != TEMPO_OK)
        return tempo_attention_fail(s, x, NULL, &err);
    (void)snprintf(s->arm, sizeof(s->arm), "%s", s->place.arm);
    return true;
}

bool tempo_attention_open(tempo_attention_source *s, tempo_api *a, tempo_exchange *x)
{
    *s = (tempo_attention_source){.a = a};
    return strncmp(tempo_exchange_path(x), "/v1/tempo/runs/", 15) == 0 ? open_run(s, x)
                                                                       : open_generation(s, x);
}

bool tempo_attention_step_number(tempo_exchange *x, size_t *step)
{
    bool given;

    if (!tempo_attention_number(x, "step", step, &given))
        return false;
    if (!given)
        tempo_exchange_error(x, 400, "step", "step: missing");
    return given;
}
