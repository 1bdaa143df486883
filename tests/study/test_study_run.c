/* test_study_run.c - a small study, whole and in pieces: whatever stops it, its files come to the same bytes.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/json.h"
#include "files/json_out.h"
#include "report/report.h"
#include "study/study.h"
#include "support/tmpdir.h"

static char root[256], whole[512], hypotheses[512], prompts[512];
static size_t polls_of_a_study;

static const char four_prompts[] = "prompts:\n"
                                   "  - {id: a-1, stratum: a, text: \"The captain looked at the chart\"}\n"
                                   "  - {id: a-2, stratum: a, text: \"Nobody in the village could\"}\n"
                                   "  - {id: b-1, stratum: b, text: \"The largest planet in the\"}\n"
                                   "  - {id: b-2, stratum: b, text: \"A hash table stores\"}\n";

/* ---- files ---- */

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* The shipped file with little to do: every line that begins with `from` becomes `to`. */
static void write_hypotheses(const char *path)
{
    static const char *const changes[][2] = {{"steps:", "steps: 3"},
                                             {"permutations:", "permutations: 200"},
                                             {"resamples:", "resamples: 100"},
                                             {"noise:", "noise: {quantile: 0.99, nudges: [1], member_order: "
                                                        "true, instruction_set: true}"},
                                             {"timing:", "timing: {pairs: 2, warmup: 1, "
                                                         "published_percent: 18.8}"}};
    size_t n, made = 0;
    char *text = (char *)test_read_file("experiments/hypotheses.yaml", &n), *next;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (char *line = text; line != NULL; line = next) {
        const char *out = line;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        for (size_t i = 0; i < 5; i++)
            if (strncmp(line, changes[i][0], strlen(changes[i][0])) == 0) {
                out = changes[i][1];
                made++;
            }
        assert_true(fprintf(f, "%s\n", out) > 0);
    }
    assert_int_equal(made, 5);
    assert_int_equal(fclose(f), 0);
    free(text);
}

/* A file as it must be equal: without times, and where a path names its directory. */
static char *comparable(const char *dir, const char *name, size_t *n)
{
    char path[512];

    test_path(path, dir, name);
    char *text = (char *)test_read_file(path, n);
    if (strcmp(name, "report.json") == 0) {
        json_t *doc;
        assert_int_equal(tempo_json_parse(&doc, text, *n, NULL), TEMPO_OK);
        assert_int_equal(json_object_del(doc, "timing"), 0);
        free(text);
        text = json_dumps(doc, JSON_REAL_PRECISION(17));
        *n = strlen(text);
        json_decref(doc);
    } else if (strcmp(name, "report.md") == 0) {
        char *times = strstr(text, "## Timing");
        assert_non_null(times);
        *times = '\0';
        *n = strlen(text);
    }
    return text;
}

static void assert_same_file(const char *dir, const char *name)
{
    size_t n, m;
    char *a = comparable(whole, name, &n), *b = comparable(dir, name, &m);

    if (n != m || memcmp(a, b, n) != 0)
        fail_msg("%s: not what the uninterrupted study has", name);
    free(a);
    free(b);
}

/* All files of `whole`, no more, and with its bytes; times and the manifest, which has dates, aside. */
static void assert_same_study(const char *dir)
{
    static const char *const folders[] = {".", "floor", "units", "control"};
    size_t files = 0;

    for (size_t i = 0; i < 4; i++) {
        char path[512], name[600];
        size_t counts[2] = {0, 0};
        for (size_t k = 0; k < 2; k++) {
            const struct dirent *e;
            test_path(path, k == 0 ? whole : dir, folders[i]);
            DIR *d = opendir(path);
            assert_non_null(d);
            while ((e = readdir(d)) != NULL) {
                counts[k] += e->d_name[0] != '.';
                (void)snprintf(name, sizeof(name), "%s/%s", folders[i], e->d_name);
                const char *dot = strrchr(e->d_name, '.');
                if (k == 0 && dot != NULL && e->d_name[0] != '.' && strncmp(e->d_name, "timing", 6) != 0 &&
                    strcmp(e->d_name, "manifest.json") != 0) {
                    assert_same_file(dir, i == 0 ? e->d_name : name);
                    files++;
                }
            }
            (void)closedir(d);
        }
        if (counts[0] != counts[1])
            fail_msg("%s: %zu files, expected %zu", folders[i], counts[1], counts[0]);
    }
    assert_in_range(files, 4 * 5, 100);
}

/* ---- runs ---- */

typedef struct stop {
    size_t polls, at; /* 0: never */
    bool kill;
} stop;

static bool poll_stop(void *user)
{
    stop *s = user;

    if (++s->polls != s->at)
        return true;
    if (s->kill)
        (void)raise(SIGKILL);
    return false;
}

static tempo_study_options study_options(const char *dir, bool resume, stop *s)
{
    return (tempo_study_options){.dir = dir,
                                 .resume = resume,
                                 .prompts = resume ? NULL : prompts,
                                 .hypotheses = resume ? NULL : hypotheses,
                                 .batch = 2,
                                 .threads = 2,
                                 .user = s,
                                 .poll = poll_stop};
}

static tempo_status run(const char *dir, bool resume, stop *s, tempo_err *err)
{
    const tempo_study_options o = study_options(dir, resume, s);

    json_t *made;
    const tempo_status st = tempo_study_run(&made, &o, err);

    assert_int_equal(made != NULL, st == TEMPO_OK);
    json_decref(made);
    return st;
}

/* Returns how often it polled. */
static size_t must_run(const char *dir, bool resume)
{
    stop never = {0};
    tempo_err err = {0};

    if (run(dir, resume, &never, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return never.polls;
}

static void report(const char *dir)
{
    tempo_err err = {0};
    json_t *doc;

    if (tempo_study_report(&doc, dir, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_decref(doc);
}

static char *new_dir(char out[512], const char *name)
{
    test_path(out, root, name);
    return out;
}

static int set_up(void **state)
{
    (void)state;
    test_tmpdir_create(root);
    test_path(hypotheses, root, "h.yaml");
    test_path(prompts, root, "p.yaml");
    write_hypotheses(hypotheses);
    test_write_file(prompts, four_prompts, strlen(four_prompts));
    polls_of_a_study = must_run(new_dir(whole, "whole"), false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmpdir_remove(root);
    return 0;
}

/* ---- tests ---- */

static json_t *load(const char *dir, const char *name)
{
    char path[512];
    tempo_err err = {0};
    json_t *doc;

    test_path(path, dir, name);
    if (tempo_json_load(&doc, path, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return doc;
}

static void test_what_is_there(void **state)
{
    json_t *plan = load(whole, "study.json"), *unit = load(whole, "units/m0-t0.05-b-2.json"),
           *timing = load(whole, "timing-m0.json"), *exact = load(whole, "exact-m0.json");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(plan, "steps")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(plan, "prompts"), "n")), 4);
    assert_int_equal(json_array_size(json_object_get(unit, "steps")), 3);
    assert_string_equal(json_string_value(json_object_get(unit, "unit")), "m0-t0.05-b-2");
    assert_int_equal(json_array_size(json_object_get(timing, "pairs")), 2);
    assert_int_equal(json_integer_value(json_object_get(exact, "prompts")), 3);
    json_decref(plan);
    json_decref(unit);
    json_decref(timing);
    json_decref(exact);
}

/* Nothing is done again: a resumed study that is complete changes no file, not even its times. */
static void test_resume_of_a_complete_one(void **state)
{
    char path[512];
    size_t n, m;

    (void)state;
    test_path(path, whole, "timing-m0.json");
    unsigned char *before = test_read_file(path, &n);
    (void)must_run(whole, true);
    unsigned char *after = test_read_file(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
}

/* Batches of another width, one thread: the same bytes. */
static void test_another_width(void **state)
{
    stop never = {0};
    char dir[512];
    tempo_study_options o = study_options(new_dir(dir, "width"), false, &never);
    tempo_err err = {0};

    (void)state;
    o.batch = 16;
    o.threads = 1;
    json_t *made;
    assert_int_equal(tempo_study_run(&made, &o, &err), TEMPO_OK);
    json_decref(made);
    assert_same_study(dir);
}

/* Stopped at poll 1, at the last one, and at some between; each then goes on, and is stopped again on the
 * way. */
static void test_stopped(void **state)
{
    char dir[512], name[40];
    tempo_err err = {0};

    (void)state;
    for (size_t i = 0; i <= 4; i++) {
        stop first = {.at = 1 + i * (polls_of_a_study - 1) / 4}, second = {.at = 1 + polls_of_a_study / 3};
        (void)snprintf(name, sizeof(name), "stopped-%zu", i);
        (void)new_dir(dir, name);
        assert_int_equal(run(dir, false, &first, &err), TEMPO_E_STOPPED);
        const tempo_status st = run(dir, true, &second, &err);
        assert_true(st == TEMPO_OK || st == TEMPO_E_STOPPED);
        (void)must_run(dir, true);
        assert_same_study(dir);
    }
}

/* Killed in the child, at polls or whenever the clock says: what is there is whole, and goes on. */
static void killed(const char *name, size_t at, long microseconds)
{
    stop s = {.at = at, .kill = true};
    char dir[512], plan[512];
    int status;

    (void)new_dir(dir, name);
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tempo_err err = {0};
        _exit(run(dir, false, &s, &err) == TEMPO_OK ? 0 : 1);
    }
    if (microseconds > 0) {
        const struct timespec t = {.tv_nsec = microseconds * 1000};
        (void)nanosleep(&t, NULL);
        (void)kill(child, SIGKILL);
    }
    assert_true(waitpid(child, &status, 0) == child);
    /* a clock may be too slow to meet it; it never ends in any other way */
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
                                    : microseconds > 0 && WEXITSTATUS(status) == 0);
    test_path(plan, dir, "study.json");
    if (!exists(plan)) { /* nothing had begun */
        if (exists(dir))
            test_tmpdir_remove(dir);
        (void)must_run(dir, false);
    } else {
        report(dir); /* of what is there */
        (void)must_run(dir, true);
    }
    assert_same_study(dir);
}

static void test_killed(void **state)
{
    static const long delays[] = {2000, 31000, 110000};
    char name[40];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "killed-at-%zu", i);
        killed(name, 1 + i * (polls_of_a_study - 1) / 2, 0);
        (void)snprintf(name, sizeof(name), "killed-%ld", delays[i]);
        killed(name, 0, delays[i]);
    }
}

/* What a killed process was writing is removed, whatever else lies there stays. */
static void test_unfinished_files(void **state)
{
    char dir[512], path[512];

    (void)state;
    (void)must_run(new_dir(dir, "unfinished"), false);
    test_path(path, dir, "units/m0-t0.1-a-1.json");
    assert_int_equal(unlink(path), 0);
    test_path(path, dir, "units/m0-t0.1-a-1.json.tmp.AbCdEf");
    test_write_file(path, "{\"st", 4);
    (void)must_run(dir, true);
    assert_false(exists(path));
    assert_same_study(dir);
}

static void expect(tempo_status st, tempo_status want, const tempo_err *err, const char *text)
{
    if (st != want || strstr(err->msg, text) == NULL)
        fail_msg("%s (%s), expected %s with \"%s\"", tempo_status_name(st), err->msg, tempo_status_name(want),
                 text);
}

static void test_refused(void **state)
{
    stop never = {0};
    char dir[512], path[512];
    tempo_err err = {0};

    (void)state;
    expect(run(whole, false, &never, &err), TEMPO_E_ARG, &err, "--resume");
    err = (tempo_err){0};
    expect(run(new_dir(dir, "nothing"), true, &never, &err), TEMPO_E_NOTFOUND, &err, "nothing");
    assert_false(exists(dir));

    (void)must_run(new_dir(dir, "changed"), false);
    test_path(path, dir, "hypotheses.yaml");
    FILE *f = fopen(path, "a");
    assert_true(f != NULL && fputs("# another bound\n", f) >= 0 && fclose(f) == 0);
    err = (tempo_err){0};
    expect(run(dir, true, &never, &err), TEMPO_E_FORMAT, &err, "changed after the study began");
    json_t *doc;
    assert_int_equal(tempo_study_report(&doc, dir, &err), TEMPO_OK);
    assert_true(json_is_true(json_object_get(doc, "files_changed")));
    const tempo_page_style style = {.width = 80};
    char *text = tempo_study_report_text(doc, &style);
    assert_non_null(strstr(text, "WARNING"));
    free(text);
    json_decref(doc);
}

/* No member passes the next set's position: D is at most 1/m where a threshold admits sets of m. */
static void test_position_offset(void **state)
{
    tempo_hypotheses h = {.position_offset = 0.3};
    const struct {
        double threshold, d;
    } rows[] = {{0.1, 0.1}, {0.05, 0.05}, {0.34, 0.3},     {0.3, 0.3},
                {0.2, 0.2}, {1, 0.3},     {1e-6, 1. / 64}, {0.15, 1. / 6}};
    char dir[512];
    size_t largest = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const double d = tempo_study_offset(&h, rows[i].threshold);
        if (fabs(d - rows[i].d) > 1e-12)
            fail_msg("threshold %g: D is %g, expected %g", rows[i].threshold, d, rows[i].d);
        assert_true((floor(1 / rows[i].threshold + 1e-9) - 1) * d < 1 || rows[i].threshold < 1. / 64);
    }
    /* and that is the one units were made with */
    json_t *unit = load(whole, "units/m0-t0.05-b-2.json");
    assert_true(tempo_number_at(unit, "position_offset") == 0.05);
    const json_t *steps = json_object_get(unit, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const size_t m = json_array_size(json_object_get(json_array_get(steps, i), "members"));
        largest = m > largest ? m : largest;
    }
    assert_true(largest >= 2 && (double)(largest - 1) * 0.05 < 1);
    json_decref(unit);

    /* a study of the version before is refused as what it is, whatever its hypotheses are */
    stop never = {0};
    tempo_err err = {0};
    char path[512];
    size_t n;
    (void)must_run(new_dir(dir, "earlier"), false);
    test_path(path, dir, "study.json");
    char *plan = (char *)test_read_file(path, &n), *at = strstr(plan, "\"schema\": 2");
    assert_non_null(at);
    at[10] = '1';
    test_write_file(path, plan, n);
    test_path(path, dir, "hypotheses.yaml");
    test_write_file(path, "nothing\n", 8);
    expect(run(dir, true, &never, &err), TEMPO_E_UNSUPPORTED, &err, "earlier version");
    free(plan);
}

/* A file that was cut off, or is none of ours, is named; nothing is computed around it. */
static void test_broken_files(void **state)
{
    static const char *const names[] = {"units/m0-t0.1-a-2.json", "floor/m0-b-1.json", "study.json",
                                        "timing-m0.json", "control/m0-t0.1-a-2.json"};
    char dir[512], path[512];

    (void)state;
    (void)must_run(new_dir(dir, "broken"), false);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t n;
        tempo_err err = {0};
        json_t *doc;
        test_path(path, dir, names[i]);
        unsigned char *text = test_read_file(path, &n);
        test_write_file(path, text, n / 2);
        expect(tempo_study_report(&doc, dir, &err), TEMPO_E_FORMAT, &err, names[i]);
        assert_null(doc);
        test_write_file(path, "", 0);
        err = (tempo_err){0};
        expect(tempo_study_report(&doc, dir, &err), TEMPO_E_FORMAT, &err, names[i]);
        test_write_file(path, text, n);
        free(text);
    }
    /* a unit is read again when the control is missing */
    size_t n;
    stop never = {0};
    tempo_err err = {0};
    test_path(path, dir, "control/m0-t0.1-a-1.json");
    assert_int_equal(unlink(path), 0);
    test_path(path, dir, names[0]);
    unsigned char *text = test_read_file(path, &n);
    test_write_file(path, text, n / 2);
    expect(run(dir, true, &never, &err), TEMPO_E_FORMAT, &err, names[0]);
    test_write_file(path, text, n);
    free(text);
    (void)must_run(dir, true);
    assert_same_study(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_there), cmocka_unit_test(test_resume_of_a_complete_one),
        cmocka_unit_test(test_another_width), cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed),        cmocka_unit_test(test_unfinished_files),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_position_offset),
        cmocka_unit_test(test_broken_files),
    };

    return cmocka_run_group_tests_name("study run", tests, set_up, tear_down);
}
