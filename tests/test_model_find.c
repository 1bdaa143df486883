/* test_model_find.c - from names to paths: existing paths, the Hugging Face cache, the built-in model; and
 * files that are not what they seem.  */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/tmpdir.h"
#include "tempo.h"

static char root[256];

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(root);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    unsetenv("HF_HOME");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("TEMPO_MODELS");
    setenv("HOME", root, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(root);
    return 0;
}

/* ---- making a cache ---- */

/* root/name, its directories made on the way; dirs end in '/' */
static const char *make(char path[512], const char *name)
{
    test_path(path, root, name);
    for (char *p = path + strlen(root) + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        test_mkdir(path);
        *p = '/';
    }
    const size_t n = strlen(path);
    if (path[n - 1] == '/')
        path[n - 1] = '\0';
    else
        test_write_file(path, "{}", 2);
    return path;
}

static void make_text(const char *name, const char *text)
{
    char path[512];

    test_write_file(make(path, name), text, strlen(text));
}

static void make_snapshot(const char *hub, const char *hash)
{
    char name[256], path[512];

    (void)snprintf(name, sizeof(name), "%s/models--org--name/snapshots/%s/config.json", hub, hash);
    make(path, name);
    (void)snprintf(name, sizeof(name), "%s/models--org--name/snapshots/%s/model.safetensors", hub, hash);
    make(path, name);
}

/* ---- expectations ---- */

static void expect_found(const char *name, const char *below_root)
{
    char out[512], want[512];
    tempo_err err = {0};

    if (tempo_model_find(name, out, sizeof(out), &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    test_path(want, root, below_root);
    assert_string_equal(out, want);
}

static void expect_failure(const char *name, tempo_status code, const char *says)
{
    char out[512] = "stale";
    tempo_err err = {0};
    const tempo_status st = tempo_model_find(name, out, sizeof(out), &err);

    if (st != code || strstr(err.msg, says) == NULL)
        fail_msg("expected %s \"%s\", got %s \"%s\"", tempo_status_name(code), says, tempo_status_name(st),
                 err.msg);
    assert_string_equal(out, "");
}

/* ---- tests ---- */

static void test_paths(void **state)
{
    char path[512], dir[512], out[8];
    tempo_err err = {0};

    (void)state;
    make(path, "plain/m.gguf");
    expect_found(path, "plain/m.gguf");
    test_path(dir, root, "plain");
    expect_found(dir, "plain/m.gguf"); /* the only one there */
    make(path, "plain/n.gguf");
    expect_failure(dir, TEMPO_E_NOTFOUND, "holds 2 models");
    make(path, "plain/config.json");
    make(path, "plain/model.safetensors");
    expect_found(dir, "plain");
    make(path, "empty/");
    expect_failure(path, TEMPO_E_NOTFOUND, "neither config.json nor a .gguf file");
    expect_failure("", TEMPO_E_NOTFOUND, "empty");
    expect_failure("no-such-model", TEMPO_E_NOTFOUND, "no-such-model");
    expect_failure("./org/name/", TEMPO_E_NOTFOUND, "no such file");
    assert_int_equal(tempo_model_find(dir, out, sizeof(out), &err), TEMPO_E_LIMIT);
}

static void test_cache_with_ref(void **state)
{
    static const char hub[] = ".cache/huggingface/hub";

    (void)state;
    make_snapshot(hub, "aaaa1111");
    make_snapshot(hub, "bbbb2222");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "bbbb2222\n");
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/bbbb2222");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "cccc3333");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "\"tempo pull org/name\""); /* not fetched, or removed */
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "../../../etc");
    expect_failure("org/name", TEMPO_E_FORMAT, "expected a revision");
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "");
    expect_failure("org/name", TEMPO_E_FORMAT, "expected a revision");
}

/* What is there and cannot be read is not the same as nothing. */
static void test_unreadable(void **state)
{
    char path[512];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa1111");
    make(path, ".cache/huggingface/hub/models--org--name/refs/other");
    test_path(path, root, ".cache/huggingface/hub/models--org--name/refs/main");
    assert_int_equal(symlink("main", path), 0); /* to itself */
    expect_failure("org/name", TEMPO_E_IO, "refs/main: cannot be opened");
    make(path, "closed/");
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) /* whom nothing is closed to */
        expect_failure(path, TEMPO_E_IO, "closed: cannot be read");
}

static void test_cache_without_ref(void **state)
{
    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa1111");
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa1111");
    make_snapshot(".cache/huggingface/hub", "bbbb2222");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "2 snapshots");
}

/* In the order in which the hub's client looks; a variable that is empty is not set. */
static void test_cache_variables(void **state)
{
    static const struct {
        const char *variable, *below;
    } places[] = {{"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HF_HOME", "/hub"},
                  {"HUGGINGFACE_HUB_CACHE", ""},
                  {"HF_HUB_CACHE", ""}};
    char path[512], hub[256], found[300];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa");
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(hub, sizeof(hub), "place%zu%s", i, places[i].below);
        make_snapshot(hub, "aaaa");
        setenv(places[i].variable, "", 1);
    }
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa");
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(hub, sizeof(hub), "place%zu", i);
        test_path(path, root, hub);
        setenv(places[i].variable, path, 1);
        (void)snprintf(found, sizeof(found), "%s%s/models--org--name/snapshots/aaaa", hub, places[i].below);
        expect_found("org/name", found);
    }
}

/* ~ and variables in variables, as Python's expanduser and expandvars have them. */
static void test_cache_expansion(void **state)
{
    static const struct {
        const char *variable, *value;
        bool found;
    } rows[] = {
        {"HF_HUB_CACHE", "~/my hub", true},
        {"HF_HUB_CACHE", "$HOME/my hub", true},
        {"HF_HUB_CACHE", "${HOME}/my $WHAT", true},
        {"HF_HUB_CACHE", "$HOME/my ${WHAT}", true},
        {"HUGGINGFACE_HUB_CACHE", "~/my $WHAT", true},
        {"HF_HOME", "~/home", true},
        {"HF_HOME", "${HOME}/$NESTED", true}, /* what a value holds is replaced, too, in what lies below it */
        {"XDG_CACHE_HOME", "~/.cache", true},
        {"HF_HUB_CACHE", "$HOME/$NESTED/hub", false}, /* and not here */
        {"HF_HUB_CACHE", "$HOME/$UNKNOWN", false},
        {"HF_HUB_CACHE", "$HOME/${WHAT", false},
        {"HF_HUB_CACHE", "$HOME/my hub$", false},
        {"HF_HUB_CACHE", "x~/my hub", false},
        {"HF_HUB_CACHE", "~nobody-has-this-name/my hub", false},
    };

    (void)state;
    make_snapshot("my hub", "aaaa");
    make_snapshot("home/hub", "aaaa");
    make_snapshot(".cache/huggingface/hub", "aaaa");
    setenv("WHAT", "hub", 1);
    setenv("INNER", "home", 1);
    setenv("NESTED", "$INNER", 1);
    unsetenv("UNKNOWN");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[512];
        tempo_err err = {0};
        setenv(rows[i].variable, rows[i].value, 1);
        const tempo_status st = tempo_model_find("org/name", out, sizeof(out), &err);
        if ((st == TEMPO_OK) != rows[i].found)
            fail_msg("%s=%s: %s", rows[i].variable, rows[i].value, st == TEMPO_OK ? out : err.msg);
        unsetenv(rows[i].variable);
    }
    setenv("HF_HUB_CACHE", "$HOME/$UNKNOWN/$", 1); /* what is not known stays */
    expect_failure("org/name", TEMPO_E_NOTFOUND, "/$UNKNOWN/$: fetch it");
    unsetenv("HF_HUB_CACHE");
    setenv("HOME", "/", 1);
    expect_failure("org/name", TEMPO_E_NOTFOUND, " /.cache/huggingface/hub: fetch it");
    setenv("HF_HUB_CACHE", "${HOME${WHAT}", 1); /* one name, of which nobody knows */
    expect_failure("org/name", TEMPO_E_NOTFOUND, " ${HOME${WHAT}: fetch it");
}

#define SNAPSHOT ".cache/huggingface/hub/models--org--name/snapshots/abcdef12/"

/* A repository with several GGUF files: by tag, by file, by revision. */
static void test_which_gguf(void **state)
{
    static const char *const files[] = {"Model-Q4_K_M.gguf",
                                        "Model-Q4_K_S.gguf",
                                        "model-q8_0.gguf",
                                        "Model-BF16.gguf",
                                        "mmproj-Model-f16.gguf",
                                        "big/Model-F32-00002-of-00002.gguf",
                                        "big/Model-F32-00001-of-00002.gguf",
                                        "IQ2_XS/weights.gguf",
                                        "tokenizer.json"};
    static const struct {
        const char *name, *found; /* NULL: refused, */
        const char *says;         /* in these words */
    } rows[] = {
        {"org/name:Q4_K_M", "Model-Q4_K_M.gguf", NULL},
        {"org/name:q4_k_m", "Model-Q4_K_M.gguf", NULL},
        {"org/name:Q8_0", "model-q8_0.gguf", NULL},
        {"org/name:Q8", "model-q8_0.gguf", NULL},
        {"org/name:f32", "big/Model-F32-00001-of-00002.gguf", NULL},
        {"org/name:IQ2_XS", "IQ2_XS/weights.gguf", NULL},
        {"org/name@abcdef12:Q8_0", "model-q8_0.gguf", NULL},
        {"org/name:Q8_0@main", "model-q8_0.gguf", NULL},
        {"org/name/model-q8_0.gguf", "model-q8_0.gguf", NULL},
        {"org/name/mmproj-Model-f16.gguf", "mmproj-Model-f16.gguf", NULL},
        {"org/name/IQ2_XS/weights.gguf", "IQ2_XS/weights.gguf", NULL},
        {"org/name/IQ2_XS", "IQ2_XS/weights.gguf", NULL},
        {"org/name/big", "big/Model-F32-00001-of-00002.gguf", NULL},
        {"org/name/big/Model-F32-00002-of-00002.gguf", "big/Model-F32-00002-of-00002.gguf", NULL},
        {"org/name@main/model-q8_0.gguf", "model-q8_0.gguf", NULL},
        {"org/name@abcd/big/Model-F32-00001-of-00002.gguf", "big/Model-F32-00001-of-00002.gguf", NULL},
        {"org/name", NULL,
         "org/name holds 6 models; add /FILE or :TAG to its name: IQ2_XS/weights.gguf, Model-BF16.gguf, "
         "Model-Q4_K_M.gguf, "
         "Model-Q4_K_S.gguf, big/Model-F32-00001-of-00002.gguf, model-q8_0.gguf"},
        {"org/name:Q4_K", NULL,
         "2 models for \"Q4_K\"; add /FILE or :TAG to its name: Model-Q4_K_M.gguf, Model-Q4_K_S.gguf"},
        {"org/name:F16", NULL,
         "org/name has no model \"F16\"; it has: big/Model-F32-00001-of-00002.gguf, IQ2_XS/weights.gguf"},
        {"org/name:Q6_K", NULL,
         "has no model \"Q6_K\"; it has: Model-Q4_K_M.gguf, Model-Q4_K_S.gguf, model-q8_0.gguf, "},
        {"org/name@main:Q6_K", NULL, "; fetch it with \"tempo pull org/name@main:Q6_K\""},
        {"org/name/other.gguf", NULL, "has no file other.gguf; its models: IQ2_XS/weights.gguf"},
        {"org/name/other.gguf", NULL, "; fetch it with \"tempo pull org/name/other.gguf\""},
        {"org/name/../../x.gguf", NULL, "no such file"},
        {"org/name:", NULL, "no such file"},
        {"org/name@", NULL, "no such file"},
        {"org/name@v9:Q8_0", NULL, "org/name has no revision v9"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char name[256], path[512];
        (void)snprintf(name, sizeof(name), SNAPSHOT "%s", files[i]);
        make(path, name);
    }
    make_text(".cache/huggingface/hub/models--org--name/refs/main", "abcdef12");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char want[256];
        if (rows[i].found == NULL) {
            expect_failure(rows[i].name, TEMPO_E_NOTFOUND, rows[i].says);
            continue;
        }
        (void)snprintf(want, sizeof(want), SNAPSHOT "%s", rows[i].found);
        expect_found(rows[i].name, want);
    }
}

/* Long lists end with how many more there are; a directory of GGUF files takes tags, too. */
static void test_many_gguf(void **state)
{
    char name[256], path[512];

    (void)state;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "many/a-model-with-quite-a-long-name-Q%02d_K.gguf", i);
        make(path, name);
    }
    test_path(path, root, "many");
    expect_failure(path, TEMPO_E_NOTFOUND, "holds 40 models");
    expect_failure(path, TEMPO_E_NOTFOUND, "a-model-with-quite-a-long-name-Q05_K.gguf and 34 more");
    test_path(path, root, "many:q07_k");
    expect_found(path, "many/a-model-with-quite-a-long-name-Q07_K.gguf");
    test_path(path, root, "many:q99");
    expect_failure(path, TEMPO_E_NOTFOUND, "has no model \"q99\"");
}

static void test_revisions(void **state)
{
    static const char at[] = ".cache/huggingface/hub/models--org--name/";
    char name[256];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa1111");
    make_snapshot(".cache/huggingface/hub", "aaaa2222");
    make_snapshot(".cache/huggingface/hub", "bbbb2222");
    make_text(".cache/huggingface/hub/models--org--name/refs/v1", "aaaa1111");
    make_text(".cache/huggingface/hub/models--org--name/refs/refs/pr/3", "bbbb2222\n");
    make_text(".cache/huggingface/hub/models--org--name/refs/gone", "cccc3333");
    static const char *const rows[][2] = {{"org/name@v1", "aaaa1111"},
                                          {"org/name@refs/pr/3", "bbbb2222"},
                                          {"org/name@refs/pr/3/config.json", "bbbb2222/config.json"},
                                          {"org/name@aaaa2222", "aaaa2222"},
                                          {"org/name@bbbb", "bbbb2222"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(name, sizeof(name), "%ssnapshots/%s", at, rows[i][1]);
        expect_found(rows[i][0], name);
    }
    expect_failure("org/name@aaaa", TEMPO_E_NOTFOUND, "has no revision aaaa in the cache"); /* two begin so */
    expect_failure("org/name@v2", TEMPO_E_NOTFOUND, "\"tempo pull org/name@v2\"");
    expect_failure("org/name@v2", TEMPO_E_NOTFOUND, "v1");
    expect_failure("org/name@gone", TEMPO_E_NOTFOUND, "\"tempo pull org/name@gone\"");
    expect_failure("org/name@refs/pr", TEMPO_E_NOTFOUND, "has no revision refs/pr");
    expect_failure("org/name@../../refs/v1", TEMPO_E_NOTFOUND, "no name of the form");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "add @REVISION to its name");
}

/* The name of a repository alone, where it is in the cache. */
static void test_no_organisation(void **state)
{
    char path[512];

    (void)state;
    make(path, ".cache/huggingface/hub/models--gpt2/snapshots/aaaa/config.json");
    make(path, ".cache/huggingface/hub/models--gpt2/snapshots/aaaa/model.safetensors");
    expect_found("gpt2", ".cache/huggingface/hub/models--gpt2/snapshots/aaaa");
    expect_failure("gpt3", TEMPO_E_NOTFOUND,
                   "gpt3: no such file or directory, and no name of the form org/name");
}

/* The model does not open, or can do without the file and has a note of it. */
static void expect_said(const char *name, const char *says, bool needed)
{
    tempo_err err = {0};
    tempo_model *m;
    const tempo_status st = tempo_model_open(&m, name, NULL, &err);
    const char *said = st == TEMPO_OK ? tempo_model_note(m, 0) : err.msg;

    assert_true((m == NULL) == needed);
    if (said == NULL || strstr(said, says) == NULL)
        fail_msg("expected \"%s\", got %s \"%s\"", says, tempo_status_name(st), said != NULL ? said : "");
    tempo_model_free(m);
}

static void expect_not_open(const char *name, const char *says)
{
    expect_said(name, says, true);
}

/* Links whose targets are gone are named, wherever they stand. */
static void test_dangling(void **state)
{
    static const char *const files[] = {"model.safetensors", "config.json", "tokenizer.json",
                                        "tokenizer_config.json", "generation_config.json"};
    static const char *const copies[] = {"config.json", "model.safetensors", "tokenizer.json"};
    char path[512], from[512], name[300], says[400];

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(name, sizeof(name), ".cache/huggingface/hub/models--org--m%zu/snapshots/aaaa/", i);
        make(path, name);
        for (size_t k = 0; k < sizeof(copies) / sizeof(copies[0]); k++) {
            (void)snprintf(name, sizeof(name), ".cache/huggingface/hub/models--org--m%zu/snapshots/aaaa/%s",
                           i, copies[k]);
            test_path(path, root, name);
            (void)snprintf(from, sizeof(from), "models/tempo-tiny/%s", copies[k]);
            char *full = realpath(from, NULL);
            assert_non_null(full);
            assert_int_equal(symlink(full, path), 0);
            free(full);
        }
        (void)snprintf(name, sizeof(name), ".cache/huggingface/hub/models--org--m%zu/snapshots/aaaa/%s", i,
                       files[i]);
        test_path(path, root, name);
        (void)unlink(path);
        assert_int_equal(symlink("../../blobs/0123", path), 0);
        (void)snprintf(name, sizeof(name), "org/m%zu", i);
        (void)snprintf(says, sizeof(says),
                       "%s: is a link to ../../blobs/0123, which is not there: the cache is damaged",
                       files[i]);
        expect_said(name, says, i < 2);
    }
    test_path(path, root, "link.gguf");
    assert_int_equal(symlink("nothing.gguf", path), 0);
    expect_not_open(path, "link.gguf: is a link to nothing.gguf, which is not there");
    make(from, ".cache/huggingface/hub/models--org--q/snapshots/aaaa/");
    test_path(path, root, ".cache/huggingface/hub/models--org--q/snapshots/aaaa/q8.gguf");
    assert_int_equal(symlink("../../blobs/45", path), 0);
    expect_not_open("org/q", "q8.gguf: is a link to ../../blobs/45, which is not there");
}

/* What a clone without git-lfs leaves is no model, and is called by its name. */
static void test_lfs_pointers(void **state)
{
    static const char pointer[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb"
        "8f32b1258daaa5e2ca24d17e2393\nsize 269060552\n";
    static const char *const files[] = {"model.safetensors", "config.json", "tokenizer.json"};
    char path[512], name[64], says[128];

    (void)state;
    test_path(path, root, "m.gguf");
    test_write_file(path, pointer, sizeof(pointer) - 1);
    expect_not_open(path,
                    "m.gguf: is a Git LFS pointer, not the file itself: fetch that with \"git lfs pull\"");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(name, sizeof(name), "clone%zu/", i);
        make(path, name);
        const char dir[] = "models/tempo-tiny";
        for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
            char from[512], to[512];
            size_t n;
            test_path(from, dir, files[k]);
            test_path(to, path, files[k]);
            unsigned char *bytes = test_read_file(from, &n);
            test_write_file(to, k == i ? (const void *)pointer : bytes, k == i ? sizeof(pointer) - 1 : n);
            free(bytes);
        }
        (void)snprintf(says, sizeof(says), "%s: is a Git LFS pointer", files[i]);
        expect_said(path, says, i < 2);
    }
}

static void test_cache_of_gguf(void **state)
{
    char path[512];

    (void)state;
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q4.gguf");
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/README.md");
    make(path,
         ".cache/huggingface/hub/models--org--name/snapshots/aaaa/config.json"); /* weights are elsewhere */
    expect_found("org/name", ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q4.gguf");
    make(path, ".cache/huggingface/hub/models--org--name/snapshots/aaaa/q8.gguf");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "q8.gguf");
    expect_failure("org/name", TEMPO_E_NOTFOUND, "q4.gguf");
}

static void test_not_in_cache(void **state)
{
    (void)state;
    expect_failure("org/other", TEMPO_E_NOTFOUND, "\"tempo pull org/other\"");
    expect_failure("org/other", TEMPO_E_NOTFOUND, root);
    expect_failure("org/other:Q8_0", TEMPO_E_NOTFOUND, "\"tempo pull org/other:Q8_0\"");
    expect_failure("org/other@v1:Q8_0", TEMPO_E_NOTFOUND, "\"tempo pull org/other@v1:Q8_0\"");
    expect_failure("../org/name", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("a/b/c", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/na--me", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/..", TEMPO_E_NOTFOUND, "no such file");
    expect_failure("org/na me", TEMPO_E_NOTFOUND, "no such file");
}

static void test_existing_path_wins(void **state)
{
    char path[512], here[512];

    (void)state;
    make_snapshot(".cache/huggingface/hub", "aaaa");
    make(path, "work/org/name/config.json");
    assert_non_null(getcwd(here, sizeof(here)));
    test_path(path, root, "work");
    assert_int_equal(chdir(path), 0);
    char out[512];
    const tempo_status st = tempo_model_find("org/name", out, sizeof(out), NULL);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(st, TEMPO_OK);
    assert_string_equal(out, "org/name");
}

static void test_built_in(void **state)
{
    char path[512], out[512];
    tempo_err err = {0};

    (void)state;
    make(path, "mine/tempo-tiny/config.json");
    test_path(path, root, "mine");
    setenv("TEMPO_MODELS", path, 1);
    expect_found(NULL, "mine/tempo-tiny");
    test_path(path, root, "nothing-here");
    setenv("TEMPO_MODELS", path, 1); /* then beside the program, where a build in the source tree finds it */
    const tempo_status st = tempo_model_find(NULL, out, sizeof(out), &err);
    if (st == TEMPO_OK)
        assert_non_null(strstr(out, "models/tempo-tiny"));
    else
        assert_non_null(strstr(err.msg, "TEMPO_MODELS"));
}

/* People name the weights' file; what is wanted is its directory. */
static void test_part_of_a_directory(void **state)
{
    (void)state;
    const char *const parts[] = {"models/tempo-tiny/config.json", "models/tempo-tiny/model.safetensors"};

    for (size_t i = 0; i < 2; i++) {
        tempo_err err = {0};
        tempo_model *m;
        assert_int_equal(tempo_model_open(&m, parts[i], NULL, &err), TEMPO_E_FORMAT);
        assert_null(m);
        assert_non_null(strstr(err.msg, "give the directory that holds it"));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_of_a_directory),
        TEST(test_paths),
        TEST(test_cache_with_ref),
        TEST(test_unreadable),
        TEST(test_cache_without_ref),
        TEST(test_cache_variables),
        TEST(test_cache_expansion),
        TEST(test_which_gguf),
        TEST(test_many_gguf),
        TEST(test_revisions),
        TEST(test_no_organisation),
        TEST(test_dangling),
        TEST(test_lfs_pointers),
        TEST(test_cache_of_gguf),
        TEST(test_not_in_cache),
        TEST(test_existing_path_wins),
        TEST(test_built_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
