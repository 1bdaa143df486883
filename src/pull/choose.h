/* choose.h - of a repository's files those that the program would read: as -m chooses among files that are there (model/find.c),
 * so that what was pulled under a name is found under it.  */
#ifndef TEMPO_PULL_CHOOSE_H
#define TEMPO_PULL_CHOOSE_H
#include "model/hub.h"
#include "pull/answer.h"

typedef struct tempo_choice {
    tempo_hub_file **files; /* [n], borrowed from the answer */
    size_t n, cap;
    char folder[TEMPO_HUB_MAX_NAME + 1]; /* "" or "FOLDER/": of a model that lies in one */
    const char *model;    /* a GGUF file's path, the first of several, borrowed; NULL: the folder is the model */
    tempo_hub_file *index; /* of a model in several safetensors files: the file that names them; they are not among files yet */
    bool by_default;      /* there are several models, and nobody said which: this one is what most people want */
} tempo_choice;

/* TEMPO_E_NOTFOUND: none, several (the message lists them), not the one that is meant (those most like it come first); a part of it is
 * missing.  *c is to be freed in every case.  */
tempo_status tempo_choose(tempo_choice *c, const tempo_hub_answer *a, const tempo_repo_name *r, tempo_err *err) TEMPO_MUST_CHECK;
/* Add the files that c->index, whose bytes are text[n], names. */
tempo_status tempo_choose_shards(tempo_choice *c, const tempo_hub_answer *a, const char *text, size_t n,
                                 tempo_err *err) TEMPO_MUST_CHECK;
void tempo_choice_free(tempo_choice *c);

#endif
