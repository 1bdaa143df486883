/* fuzz_hub_answer.c - any bytes as a hub's list of a repository's files, and behind a NUL as the index of a
 * model in several files. What is read has names that stay below where they begin, hashes that can be parts
 * of paths, and sizes; what is chosen of it is among it, once.  */
#include <stdlib.h>
#include <string.h>

#include "pull/choose.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_files(const tempo_hub_answer *a)
{
    CHECK(tempo_is_hash(a->commit));
    for (size_t i = 0; i < a->n; i++) {
        const tempo_hub_file *f = &a->files[i];
        CHECK(tempo_is_plain_path(f->name) && strchr(f->name, '\\') == NULL &&
              strlen(f->name) <= TEMPO_HUB_MAX_NAME);
        CHECK(f->hash[0] == '\0' || tempo_is_hash(f->hash));
        CHECK(f->size <= INT64_MAX || f->size == UINT64_MAX);
        CHECK(i == 0 || strcmp(a->files[i - 1].name, f->name) < 0);
        CHECK(tempo_hub_answer_find(a, "", f->name) == f);
    }
}

static void check_choice(const tempo_hub_answer *a, const char *name, const char *index, size_t n)
{
    tempo_repo_name r;
    tempo_choice c;
    tempo_err err = {0};

    CHECK(tempo_repo_parse(name, &r));
    tempo_status st = tempo_choose(&c, a, &r, &err);
    if (st == TEMPO_OK && c.index != NULL)
        st = tempo_choose_shards(&c, a, index, n, &err);
    CHECK((st == TEMPO_OK) == (err.code == TEMPO_OK) && (st == TEMPO_OK || err.msg[0] != '\0'));
    CHECK(st != TEMPO_OK || c.n > 0);
    for (size_t i = 0; i < c.n && st == TEMPO_OK; i++) {
        CHECK(c.files[i] >= a->files && c.files[i] < a->files + a->n);
        for (size_t k = 0; k < i && i < 100; k++)
            CHECK(c.files[k] != c.files[i] || c.index != NULL);
    }
    tempo_choice_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"a/b", "a/b:Q4_K_M", "a/b/c.gguf", "a/b/c:Q8_0", "a/b/c"};
    const uint8_t *end = n > 0 ? memchr(data, '\0', n) : NULL;
    const size_t size = end != NULL ? (size_t)(end - data) : n;
    tempo_hub_answer a;
    tempo_err err = {0};

    if (tempo_hub_answer_parse(&a, (const char *)data, size, &err) != TEMPO_OK) {
        CHECK(err.msg[0] != '\0' && a.files == NULL);
        return 0;
    }
    check_files(&a);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        check_choice(&a, names[i], (const char *)data + size + (end != NULL), n - size - (end != NULL));
    tempo_hub_answer_free(&a);
    return 0;
}
