/* edits_told.c - see edits_told.h. */
#include "edit/edits_told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/edit.h"
#include "io/json_at.h"
#include "io/json_file.h"

/* A path, or a text, may hold any bytes. */
static json_t *text_json(const char *s)
{
    return tempo_json_bytes(s, strlen(s));
}

json_t *tempo_json_edit_texts(const tempo_edits *l)
{
    json_t *list = tempo_edits_count(l) > 0 ? json_array() : NULL;

    for (size_t i = 0; list != NULL && i < l->n; i++)
        json_array_append_new(list, text_json(l->list[i].text));
    return list;
}

json_t *tempo_json_edit_files(const tempo_edits *l)
{
    json_t *list = tempo_edits_count(l) > 0 ? json_array() : NULL;

    for (size_t i = 0; list != NULL && i < l->n; i++) {
        json_t *one = json_object(), *files = json_array();
        json_object_set_new(one, "edit", text_json(l->list[i].text));
        for (size_t k = 0; k < 2 && l->list[i].files[k] != NULL; k++)
            json_array_append_new(files, text_json(l->list[i].files[k]));
        if (json_array_size(files) > 0)
            json_object_set(one, "files", files);
        json_decref(files);
        json_array_append_new(list, one);
    }
    return list;
}

json_t *tempo_json_edit_list_uses(const tempo_edits *l, const tempo_edit_use *uses)
{
    json_t *list = tempo_json_edit_texts(l), *text;
    size_t i;

    json_array_foreach(list, i, text) json_array_set_new(
        list, i,
        json_pack("{s:O, s:b, s:b}", "edit", text, "came", uses[i].came, "changed", uses[i].changed));
    return list;
}

json_t *tempo_json_seq_edit_uses(const tempo_seq *s, const tempo_edits *l)
{
    const size_t n = tempo_edits_count(l);
    tempo_edit_use *uses = n > 0 ? malloc(n * sizeof(*uses)) : NULL;

    for (size_t i = 0; uses != NULL && i < n; i++)
        uses[i] = tempo_seq_edit_use(s, i);
    json_t *list = uses != NULL ? tempo_json_edit_list_uses(l, uses) : NULL;
    free(uses);
    return list;
}

bool tempo_edits_need_arms(const tempo_edits *l)
{
    bool need = false;

    for (size_t i = 0; i < tempo_edits_count(l); i++)
        need = need || l->list[i].arm != NULL;
    return need;
}

void tempo_edits_add_uses(json_t **all, json_t *uses)
{
    static const char *const flags[] = {"came", "changed"};
    const json_t *one;
    size_t i;

    if (*all == NULL) {
        *all = uses;
        return;
    }
    json_array_foreach(uses, i, one) for (size_t k = 0; k < 2;
                                          k++) if (json_is_true(json_object_get(one, flags[k])))
        json_object_set_new(json_array_get(*all, i), flags[k], json_true());
    json_decref(uses);
}

void tempo_edits_tell_unused(const json_t *uses, const char *arm, void (*tell)(void *user, const char *text),
                             void *user)
{
    enum { TOLD = 16 };
    const json_t *one;
    char text[512];
    size_t i, unused = 0;

    json_array_foreach((json_t *)(uintptr_t)uses, i, one)
    {
        if (json_is_true(json_object_get(one, "changed")) || ++unused > TOLD)
            continue;
        const bool patch = strncmp(tempo_text_at(one, "edit"), "patch ", 6) == 0;
        (void)snprintf(text, sizeof(text), "%s%s%sedit '%.200s': %s", arm != NULL ? "arm '" : "",
                       arm != NULL ? arm : "", arm != NULL ? "': " : "", tempo_text_at(one, "edit"),
                       json_is_true(json_object_get(one, "came")) ? "it changed no number"
                       : patch ? "no row that it selects came, or the run that it takes from has none of them"
                               : "no row that it selects came");
        tell(user, text);
    }
    if (unused > TOLD) {
        (void)snprintf(text, sizeof(text), "%zu more edits changed nothing", unused - TOLD);
        tell(user, text);
    }
}
