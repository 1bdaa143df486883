/* test_endings.c - signals that end the program: alone, two in a row, late ones, and pages that are gone.
 *
 * usage: test_endings PROGRAM; run from the source root.  */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/endings.h"
#include "cli/unfinished.h"
#include "io/outfile.h"
#include "support/tmpdir.h"

static const char *program;

static void wait_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t) != 0)
        ;
}

/* Is there a name with this in it anywhere below dir?  Its path goes to found. */
static bool find_name(const char *dir, const char *part, char found[512])
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool is = false;

    while (!is && d != NULL && (e = readdir(d)) != NULL) {
        char path[512];
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= sizeof(path))
            continue;
        is = strstr(e->d_name, part) != NULL;
        if (is)
            memcpy(found, path, sizeof(path));
        else if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            is = find_name(path, part, found);
    }
    if (d != NULL)
        (void)closedir(d);
    return is;
}

static void assert_nothing_left(const char *dir, const char *after)
{
    char found[512];

    if (find_name(dir, ".tmp.", found) || find_name(dir, ".partial", found))
        fail_msg("%s leaves %s", after, found);
}

/* ---- the program, signalled as timeout(1) and make(1) do it ---- */

static pid_t start(char *const *argv)
{
    const pid_t child = fork();

    if (child == 0) {
        const int null = open("/dev/null", O_RDWR);
        (void)setpgid(0, 0);
        for (int fd = 0; fd < 3; fd++)
            (void)dup2(null, fd);
        (void)execv(program, argv);
        _exit(99);
    }
    assert_true(child > 0);
    (void)setpgid(child, child);
    return child;
}

/* Wait until something unfinished is there; false when the program has ended. */
static bool await_unfinished(pid_t child, const char *dir)
{
    char found[512];
    siginfo_t info;

    for (;;) {
        if (find_name(dir, ".tmp.", found) || find_name(dir, ".partial", found))
            return true;
        memset(&info, 0, sizeof(info));
        if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0)
            return false;
        wait_ms(1);
    }
}

/* Its exit code, -N for signal N. */
static int end_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* How it ended: it may have been through before, and a sender that has to wait between the two has signalled
 * late. */
static int signal_twice(char *const *argv, const char *dir, int first, int second, long delay_ms)
{
    const pid_t child = start(argv);

    if (await_unfinished(child, dir))
        wait_ms(delay_ms);
    (void)kill(child, first);
    (void)kill(-child, second); /* the same one may still be pending, and is then one; another one never is */
    const int code = end_of(child);
    if (code != 130 && code != -first && code != -second && code != 0)
        fail_msg("%s: signals %d and %d after %ld ms: exit code %d", argv[1], first, second, delay_ms, code);
    assert_nothing_left(dir, argv[1]);
    return code;
}

static void test_two_in_a_row(void **state)
{
    char dir[256], out[512], file[512];
    char *experiment[] = {"tempo", "experiment", "run",   "all", "--pairs",
                          "1000",  "--no-db",    "--out", out,   NULL};
    char *capture[] = {"tempo", "generate", "-p",   "The cat",   "-n", "1000000", "--stop",
                       "never", "-t",       "0.05", "--capture", out,  NULL};
    char *synth[] = {"tempo", "synth", "--shape", "qwen3-0.6b", "-o", file, NULL};
    int interrupted_runs = 0, killed_runs = 0;

    (void)state;
    test_tmpdir_create(dir);
    test_path(out, dir, "out");
    test_path(file, dir, "synth.gguf");
    for (int i = 0; i < 100; i++) {
        char *const *argv = i % 10 == 0 ? synth : i % 2 == 0 ? experiment : capture;
        const int code =
            signal_twice(argv, dir, i % 5 == 4 ? SIGTERM : SIGINT, i % 3 == 0 ? SIGINT : SIGTERM, i % 7 * 4);
        interrupted_runs += code == 130;
        killed_runs += code < 0;
        test_tmpdir_remove(dir);
        test_mkdir(dir);
    }
    test_tmpdir_remove(dir);
    assert_true(interrupted_runs >= 50);
    assert_true(killed_runs <= 5);
}

/* ---- a process of ours, with something of every kind unfinished ---- */

typedef struct process {
    pid_t child;
    char dir[256];
    int reports; /* a byte when all is there, one when an interrupt was caught */
} process;

static int open_in(const char *dir, const char *name, int flags)
{
    char path[512];

    test_path(path, dir, name);
    return open(path, flags, 0600);
}

static void be_process(const char *dir, int reports, bool catches)
{
    const char byte = 'x';
    char path[512];
    tempo_outfile *f;
    bool told = false;

    prepare_endings();
    if (catches)
        catch_interrupts();
    test_path(path, dir, "a.json");
    if (tempo_outfile_create(&f, path, NULL) != TEMPO_OK || tempo_outfile_write(f, "{", 1, NULL) != TEMPO_OK)
        _exit(90);
    (void)open_in(dir, ".b.partial", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)open_in(dir, ".c.partial.old", O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* not ours: read, handed down, named otherwise, looked through */
    (void)open_in(dir, "read.tmp.abcdef", O_RDONLY | O_CLOEXEC);
    (void)open_in(dir, "inherited.tmp.abcdef", O_WRONLY);
    (void)open_in(dir, "other.tmp.ABCDEF", O_WRONLY | O_CLOEXEC);
    (void)open_in(dir, "plain", O_WRONLY | O_CLOEXEC);
    (void)open_in(dir, ".d.partial", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)open_in(dir, "e.partial", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)!write(reports, &byte, 1);
    for (;;) {
        wait_ms(5);
        if (!told && interrupted())
            told = write(reports, &byte, 1) == 1;
    }
}

static void await(process *p)
{
    char byte;

    assert_int_equal(read(p->reports, &byte, 1), 1);
}

static const char *const kept[] = {"read.tmp.abcdef", "inherited.tmp.abcdef", "other.tmp.ABCDEF",
                                   "plain",           ".d.partial/x",         "e.partial/x"};

static process begin(bool catches)
{
    static const char *const dirs[] = {".b.partial", ".b.partial/arm", ".c.partial.old", ".d.partial",
                                       "e.partial"};
    process p;
    char path[512];
    int ends[2];

    test_tmpdir_create(p.dir);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        test_path(path, p.dir, dirs[i]);
        test_mkdir(path);
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        test_path(path, p.dir, kept[i]);
        test_write_file(path, "x", 1);
    }
    for (int i = 0; i < 300; i++) { /* more names than the handler reads at once */
        char name[64];
        (void)snprintf(name, sizeof(name), ".b.partial/arm/some-file-of-an-arm-%d.json", i);
        test_path(path, p.dir, name);
        test_write_file(path, "x", 1);
    }
    test_path(path, p.dir, ".c.partial.old/x");
    test_write_file(path, "x", 1);
    assert_int_equal(pipe(ends), 0);
    p.reports = ends[0];
    if ((p.child = fork()) == 0)
        be_process(p.dir, ends[1], catches);
    assert_true(p.child > 0);
    (void)close(ends[1]);
    await(&p);
    return p;
}

static void end(process *p, int code)
{
    char path[512], found[512];

    assert_int_equal(end_of(p->child), code);
    assert_false(find_name(p->dir, "a.json", found));
    assert_false(find_name(p->dir, ".b.partial", found));
    assert_false(find_name(p->dir, ".c.partial", found));
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        test_path(path, p->dir, kept[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    (void)close(p->reports);
    test_tmpdir_remove(p->dir);
}

static void test_one_that_is_not_caught(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXCPU};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        process p = begin(false);
        (void)kill(p.child, numbers[i]);
        end(&p, -numbers[i]);
    }
}

/* The second soon after is the first's double; one that comes later means what it says. */
static void test_late_second(void **state)
{
    process p = begin(true);

    (void)state;
    (void)kill(p.child, SIGINT);
    await(&p);
    assert_int_equal(waitpid(p.child, NULL, WNOHANG), 0);
    wait_ms(550); /* the first was caught before this began */
    (void)kill(p.child, SIGTERM);
    end(&p, -SIGTERM);
}

/* ---- pages that are gone ---- */

static void test_lost_page(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)state;
    print_message("skipped: a sanitizer has the signal\n");
    skip();
#else
    char dir[256], path[512], said[1024];
    int ends[2];
    pid_t child;

    (void)state;
    test_tmpdir_create(dir);
    test_path(path, dir, "model.gguf");
    test_write_file(path, "x", 1);
    assert_int_equal(truncate(path, 1 << 16), 0);
    assert_int_equal(pipe(ends), 0);
    if ((child = fork()) == 0) {
        const int fd = open(path, O_RDWR);
        (void)signal(SIGBUS, SIG_DFL); /* it is cmocka's */
        prepare_endings();
        (void)dup2(ends[1], STDERR_FILENO);
        const volatile char *p = mmap(NULL, 1 << 16, PROT_READ, MAP_PRIVATE, fd, 0);
        if (ftruncate(fd, 1) != 0)
            _exit(90);
        _exit(p[1 << 15] == 0 ? 91 : 92);
    }
    (void)close(ends[1]);
    assert_int_equal(end_of(child), 1);
    const ssize_t n = read(ends[0], said, sizeof(said) - 1);
    assert_true(n > 0);
    said[n] = '\0';
    assert_memory_equal(said, "tempo: ", 7);
    assert_non_null(strstr(said, path));
    assert_non_null(strstr(said, "was cut short"));
    (void)close(ends[0]);
    test_tmpdir_remove(dir);
#endif
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_is_not_caught),
        cmocka_unit_test(test_late_second),
        cmocka_unit_test(test_lost_page),
        cmocka_unit_test(test_two_in_a_row),
    };

    if (argc != 2)
        return 2;
    program = argv[1];
    (void)setenv("TEMPO_MODELS", "models", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
