/* settings.c - HF_ENDPOINT, HF_TOKEN and what else the hub's client reads from the environment; variables
 * that are empty count as not set.  Source: huggingface_hub's constants.py and utils/_auth.py.  */
#include "pull/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/hub.h"

static const char *value_of(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_on(const char *name)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    const char *value = value_of(name);

    for (size_t i = 0; value != NULL && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static tempo_status check_offline(tempo_err *err)
{
    static const char *const names[] = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_on(names[i]))
            return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                              "%s=%.20s is set: nothing is fetched; unset it to pull", names[i],
                              getenv(names[i]));
    return TEMPO_OK;
}

/* A number from 1 to `most`, or what holds without it. */
static tempo_status read_number(const char *name, uint64_t otherwise, uint64_t most, uint64_t *out,
                                tempo_err *err)
{
    const char *value = value_of(name);
    char *end = NULL;

    *out = otherwise;
    if (value == NULL)
        return TEMPO_OK;
    errno = 0;
    const unsigned long long v = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || v < 1 || v > most)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%s is '%.40s', expected a whole number from 1 to %llu", name, value,
                          (unsigned long long)most);
    *out = v;
    return TEMPO_OK;
}

/* ---- the hub ---- */

static tempo_status read_endpoint(char out[TEMPO_MAX_ENDPOINT], tempo_err *err)
{
    const char *given = value_of("HF_ENDPOINT"), *url = given != NULL ? given : "https://huggingface.co";
    size_t n = strlen(url);
    const size_t scheme = strncasecmp(url, "https://", 8) == 0  ? 8
                          : strncasecmp(url, "http://", 7) == 0 ? 7
                                                                : 0;

    while (n > scheme && url[n - 1] == '/')
        n--;
    bool good = scheme > 0 && n > scheme && n < TEMPO_MAX_ENDPOINT;
    for (size_t i = 0; i < n && good; i++)
        good = url[i] > 0x20 && url[i] < 0x7f && strchr("\\\"<>^`{|}?#@", url[i]) == NULL;
    if (!good)
        return tempo_fail(
            err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
            "HF_ENDPOINT: expected http:// or https:// with a host, and perhaps a port and a path, such as "
            "https://huggingface.co; a token goes into HF_TOKEN");
    memcpy(out, url, n);
    out[n] = '\0';
    return TEMPO_OK;
}

/* ---- the token ---- */

/* text[n] without white space around it -> out; "" when nothing is left.  It goes into a header. */
static tempo_status take_token(const char *where, const char *text, size_t n, char out[TEMPO_MAX_TOKEN],
                               tempo_err *err)
{
    while (n > 0 && strchr(" \t\r\n", text[0]) != NULL)
        text++, n--;
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
        n--;
    bool good = n < TEMPO_MAX_TOKEN;
    for (size_t i = 0; i < n && good; i++)
        good = text[i] > 0x20 && text[i] < 0x7f;
    if (!good)
        return tempo_fail(err, TEMPO_E_ARG, TEMPO_NO_OFFSET,
                          "%.300s: holds no token: expected letters and digits, less than %d of them", where,
                          TEMPO_MAX_TOKEN);
    memcpy(out, text, n);
    out[n] = '\0';
    return TEMPO_OK;
}

static tempo_status read_token_file(char out[TEMPO_MAX_TOKEN], tempo_err *err)
{
    char path[PATH_MAX], text[TEMPO_MAX_TOKEN + 64];
    tempo_status st = tempo_hub_token_path(path, err);

    if (st != TEMPO_OK)
        return st;
    FILE *f = fopen(path, "rbe");
    if (f == NULL)
        return errno == ENOENT || errno == ENOTDIR ? TEMPO_OK
                                                   : tempo_fail_os(err, errno, "%s: cannot be opened", path);
    const size_t n = fread(text, 1, sizeof(text), f);
    st = ferror(f) ? tempo_fail_os(err, errno, "%s: cannot be read", path)
                   : take_token(path, text, n, out, err);
    (void)fclose(f);
    return st;
}

/* The environment's comes first, then the file's. */
static tempo_status read_token(char out[TEMPO_MAX_TOKEN], tempo_err *err)
{
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};

    out[0] = '\0';
    if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return TEMPO_OK;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = value_of(names[i]);
        const tempo_status st =
            value != NULL ? take_token(names[i], value, strlen(value), out, err) : TEMPO_OK;
        if (st != TEMPO_OK || out[0] != '\0')
            return st;
    }
    return read_token_file(out, err);
}

tempo_status tempo_hub_settings_read(tempo_hub_settings *s, tempo_err *err)
{
    static const char *const bundles[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"};
    tempo_status st = check_offline(err);

    memset(s, 0, sizeof(*s));
    if (st != TEMPO_OK || (st = read_endpoint(s->endpoint, err)) != TEMPO_OK ||
        (st = read_token(s->token, err)) != TEMPO_OK || (st = tempo_hub_dir(s->cache, err)) != TEMPO_OK ||
        (st = read_number("HF_HUB_DOWNLOAD_TIMEOUT", 20, 3600, &s->quiet_s, err)) != TEMPO_OK)
        return st;
    for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]) && s->ca_file[0] == '\0'; i++)
        if (value_of(bundles[i]) != NULL && (st = tempo_path_format(s->ca_file, sizeof(s->ca_file), err, "%s",
                                                                    value_of(bundles[i]))) != TEMPO_OK)
            return st;
    return read_number("TEMPO_PULL_WAIT_MS", 1000, 60000, &s->wait_ms, err);
}
