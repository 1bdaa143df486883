/* prompts_file.h - experiments/prompts.yaml: texts to continue, in strata.
 *
 *     prompts:
 *       - {id: narrative-01, stratum: narrative, text: "The lamp had been out for an hour when"}
 *
 * Ids are unique, [a-z0-9] and then [a-z0-9_-]; texts are unique too (a prompt is the unit of every statistic),
 * UTF-8, not empty, and do not end in white space, which would change the first token behind a reader's back.
 *
 * A file that ends in .jsonl holds prompts as prompt_lines.h says, with any ids and with texts as they are; a line without
 * a stratum is of the stratum "all".  Texts are unique there, too, and hold no NUL.  */
#ifndef TEMPO_STUDY_PROMPTS_FILE_H
#define TEMPO_STUDY_PROMPTS_FILE_H
#include "files/hash.h"
#include "yaml/yaml.h"

enum {
    TEMPO_PROMPTS_MAX = 8192,
    TEMPO_PROMPTS_MAX_STRATA = 64,
    TEMPO_PROMPTS_ID_CHARS = 64, /* of ids and strata, with the NUL */
};

typedef struct tempo_prompt {
    const char *id, *stratum, *text;
    const char *name; /* the id as files are called by it */
    size_t stratum_index; /* into strata */
    uint32_t line;
} tempo_prompt;

/* All strings are owned by the object. */
typedef struct tempo_prompts {
    const char *path;              /* as it was given */
    char sha256[TEMPO_HASH_CHARS]; /* of the file's bytes */
    tempo_prompt *prompts;         /* [n], n >= 1, in file order */
    size_t n;
    struct {
        const char *name;
        size_t n; /* prompts in it */
    } strata[TEMPO_PROMPTS_MAX_STRATA]; /* in order of first appearance */
    size_t n_strata;
    struct tempo_yaml *doc; /* holds the strings; or */
    struct tempo_prompt_lines *lines;
} tempo_prompts;

/* A file, or bytes[n] that came from `path`.  On failure *out is NULL and the message begins with PATH and where in it.  All
 * errors of a YAML file are told (tempo_yaml_settle), the first one of lines.  */
tempo_status tempo_prompts_load(tempo_prompts **out, const char *path, const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;
tempo_status tempo_prompts_parse(tempo_prompts **out, const char *path, const void *bytes, size_t n,
                                 const tempo_yaml_tell *tell, tempo_err *err) TEMPO_MUST_CHECK;
void tempo_prompts_free(tempo_prompts *p);

/* path[cap] = the copy of a study's prompts in its directory: as it is called there, or (like: the file's path) is to be. */
tempo_status tempo_prompts_path(char *path, size_t cap, const char *dir, const char *like, tempo_err *err) TEMPO_MUST_CHECK;

/* By id, or NULL. */
const tempo_prompt *tempo_prompts_find(const tempo_prompts *p, const char *id);

#endif
