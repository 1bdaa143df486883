/* arms_yaml.c - a tree of YAML becomes one of JSON, which has the one reader of arms. */
#include "cli/study/arms_yaml.h"

#include <stdlib.h>
#include <string.h>

#include "io/json_file.h"
#include "yaml/yaml.h"

static json_t *tree(const tempo_yaml_node *node) /* as deep as yaml.h allows */
{
    json_t *v;

    switch (node->kind) {
    case TEMPO_YAML_BOOL:
        return json_boolean(node->flag);
    case TEMPO_YAML_INT:
    case TEMPO_YAML_FLOAT:
        return tempo_json_number(node->f64);
    case TEMPO_YAML_STR:
        return json_stringn(node->text, node->n);
    case TEMPO_YAML_LIST:
        v = json_array();
        for (const tempo_yaml_node *i = node->first; i != NULL; i = i->next)
            json_array_append_new(v, tree(i));
        return v;
    case TEMPO_YAML_MAP:
        v = json_object();
        for (const tempo_yaml_node *i = node->first; i != NULL; i = i->next)
            json_object_set_new(v, i->key, tree(i));
        return v;
    default:
        return json_null();
    }
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

bool is_yaml(const char *path)
{
    return ends_with(path, ".yaml") || ends_with(path, ".yml");
}

tempo_status yaml_load(json_t **out, const char *path, tempo_err *err)
{
    char *bytes;
    size_t n;
    tempo_yaml *y = NULL;
    tempo_err why = {0};

    *out = NULL;
    if (tempo_yaml_read_file(path, &bytes, &n, err) != TEMPO_OK)
        return err->code;
    tempo_status st = tempo_yaml_parse(&y, path, bytes, n, &why);
    free(bytes);
    st = tempo_yaml_settle(y, st, &why, NULL, err); /* a key that is there twice */
    if (st == TEMPO_OK)
        *out = tree(tempo_yaml_root(y));
    tempo_yaml_free(y);
    return st;
}

tempo_status arms_load_yaml(tempo_arm_list **out, const char *path, const tempo_decode_options *base,
                            tempo_err *err)
{
    json_t *v;
    tempo_status st = yaml_load(&v, path, err);

    *out = NULL;
    if (st == TEMPO_OK && (st = tempo_arms_read(out, v, base, err)) != TEMPO_OK)
        tempo_err_prefix(err, "%s", path);
    json_decref(v);
    return st;
}
