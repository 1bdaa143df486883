/* test_view_terminal.c - `tempo generate --view` under a pseudo-terminal: what a person sees, types and gets
 * back. Usage: test_view_terminal PROGRAM, from the source root.
 *
 * Between this test and the program stands a small shell with job control, so that Ctrl-Z does what it does
 * in a real one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifdef __APPLE__
#include <util.h>
#else
#include <pty.h>
#endif

#include <cmocka.h>

#include "support/vt.h"

/* Only for what never comes: nothing here measures time. */
enum { PATIENCE_MS = 240000 };

static const char *program;

/* What the shell says when the program has ended or stopped. */
typedef struct report {
    int status; /* of waitpid */
    struct termios modes;
} report;

typedef struct session {
    int master, reports, orders;
    pid_t shell, child;
    struct termios before;
    vt t;
} session;

/* ---- the shell ---- */

static void give_terminal_to(pid_t group)
{
    (void)signal(SIGTTOU, SIG_IGN);
    (void)tcsetpgrp(STDIN_FILENO, group);
    (void)signal(SIGTTOU, SIG_DFL);
}

/* What the test's own parent ignores or holds (nohup, a background job) is none of the program's business. */
static void forget_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start_program(char *const *argv, bool no_input)
{
    (void)setpgid(0, 0);
    give_terminal_to(getpid());
    if (no_input) {
        const int fd = open("/dev/null", O_RDONLY);
        (void)dup2(fd, STDIN_FILENO);
    }
    (void)execv(program, argv);
    _exit(99);
}

static void be_shell(char *const *argv, bool no_input, int reports, int orders)
{
    report r;
    char order;

    forget_signals();
    if (read(orders, &order, 1) != 1)
        _exit(97);
    const pid_t child = fork();
    if (child == 0)
        start_program(argv, no_input);
    if (write(reports, &child, sizeof(child)) != sizeof(child))
        _exit(98);
    memset(&r, 0, sizeof(r));
    while (waitpid(child, &r.status, WUNTRACED) == child) {
        give_terminal_to(getpid());
        (void)tcgetattr(STDIN_FILENO, &r.modes);
        if (write(reports, &r, sizeof(r)) != sizeof(r) || !WIFSTOPPED(r.status) ||
            read(orders, &order, 1) != 1)
            break;
        give_terminal_to(child);
        (void)kill(-child, SIGCONT);
    }
    _exit(0);
}

/* ---- sessions ---- */

static void start(session *s, int width, int height, bool no_input, char *const *argv)
{
    const struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
    int reports[2], orders[2];

    memset(s, 0, sizeof(*s));
    vt_init(&s->t, width, height);
    assert_int_equal(pipe(reports), 0);
    assert_int_equal(pipe(orders), 0);
    s->shell = forkpty(&s->master, NULL, NULL, &size);
    assert_true(s->shell >= 0);
    if (s->shell == 0) {
        (void)close(reports[0]);
        (void)close(orders[1]);
        be_shell(argv, no_input, reports[1], orders[0]);
    }
    (void)close(reports[1]);
    (void)close(orders[0]);
    s->reports = reports[0];
    s->orders = orders[1];
    /* the program changes the modes: it may begin now */
    assert_int_equal(tcgetattr(s->master, &s->before), 0);
    assert_int_equal(write(s->orders, "x", 1), 1);
    assert_int_equal(read(s->reports, &s->child, sizeof(s->child)), sizeof(s->child));
}

/* Read what the program has drawn; false at its end. */
static bool pump(session *s)
{
    char bytes[4096];
    const ssize_t n = read(s->master, bytes, sizeof(bytes));

    if (n <= 0)
        return false;
    vt_feed(&s->t, bytes, (size_t)n);
    return true;
}

static void pump_or_fail(session *s, const char *text)
{
    struct pollfd in = {.fd = s->master, .events = POLLIN};

    if (poll(&in, 1, PATIENCE_MS) > 0 && pump(s))
        return;
    for (int y = 0; y < s->t.height; y++)
        print_message("%s\n", vt_row(&s->t, y));
    fail_msg("the screen never shows '%s'; outside of it: %.400s", text, s->t.plain);
}

static void wait_for_screen(session *s, const char *text)
{
    while (!s->t.alternate || !vt_shows(&s->t, text))
        pump_or_fail(s, text);
}

/* Until the columns begin with that step. */
static void wait_for_first(session *s, const char *head)
{
    while (strncmp(vt_row(&s->t, 2), head, strlen(head)) != 0)
        pump_or_fail(s, head);
}

/* A frame arrives in pieces, its first row with the status in front: colours come behind it. */
static void wait_for_colors(session *s)
{
    while (!s->t.colored)
        pump_or_fail(s, "colours");
}

/* Until the program has ended or stopped; everything that it has written is read then. */
static report wait_for_report(session *s)
{
    report r;

    for (;;) {
        struct pollfd in[2] = {{.fd = s->reports, .events = POLLIN}, {.fd = s->master, .events = POLLIN}};
        assert_true(poll(in, 2, PATIENCE_MS) > 0);
        if (in[1].revents != 0 && pump(s))
            continue; /* output first: it was written before */
        if (in[0].revents != 0)
            break;
    }
    assert_int_equal(read(s->reports, &r, sizeof(r)), sizeof(r));
    return r;
}

static void type(session *s, const char *keys)
{
    assert_int_equal(write(s->master, keys, strlen(keys)), strlen(keys));
}

static void assert_restored(session *s, const struct termios *modes)
{
    assert_int_equal(modes->c_iflag, s->before.c_iflag);
    assert_int_equal(modes->c_oflag, s->before.c_oflag);
    assert_int_equal(modes->c_cflag, s->before.c_cflag);
    assert_int_equal(modes->c_lflag, s->before.c_lflag);
    assert_memory_equal(modes->c_cc, s->before.c_cc, sizeof(modes->c_cc));
    assert_false(s->t.alternate);
    assert_true(s->t.cursor);
    assert_true(s->t.wrap);
}

/* The program has ended with that exit code (or, negative, by that signal), and the terminal is as it was. */
static void end(session *s, int code)
{
    const report r = wait_for_report(s);
    int status;

    while (pump(s)) /* to the end of file: the shell ends too */
        ;
    assert_int_equal(waitpid(s->shell, &status, 0), s->shell);
    if (code >= 0) {
        assert_true(WIFEXITED(r.status));
        assert_int_equal(WEXITSTATUS(r.status), code);
    } else {
        assert_true(WIFSIGNALED(r.status));
        assert_int_equal(WTERMSIG(r.status), -code);
    }
    assert_restored(s, &r.modes);
    /* a signal that ends it at once may come in the middle of a frame */
    if (s->t.unknown > 0 || (s->t.cut > 0 && code >= 0) || s->t.cut > 1)
        fail_msg("%zu sequences that are none of the program's, %zu cut short, the first at byte %zu",
                 s->t.unknown, s->t.cut, s->t.strange_at);
    (void)close(s->master);
    (void)close(s->reports);
    (void)close(s->orders);
}

/* ---- tests ---- */

#define PROMPT "-p", "The cat sat on the"

static char *const short_run[] = {"tempo", "generate", PROMPT, "--view", "-n", "12", "--stop", "never", NULL};
/* Hundreds of steps with 64 members: minutes of work. */
static char *const long_run[] = {"tempo", "generate",    PROMPT,   "--view", "-n", "490",
                                 "-t",    "0.000000001", "--stop", "never",  NULL};

/* What the program prints without --view, with the line ends of a terminal. */
static void read_plain_run(char *out, size_t cap)
{
    char command[1024];
    size_t n = 0;

    (void)snprintf(command, sizeof(command), "'%s' generate -p 'The cat sat on the' -n 12 --stop never 2>&1",
                   program);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF && n + 3 < cap;) {
        if (c == '\n')
            out[n++] = '\r';
        out[n++] = (char)c;
    }
    out[n] = '\0';
    assert_int_equal(pclose(f), 0);
}

static void test_watch_and_leave(void **state)
{
    static session s;
    static char plain[1 << 14];
    struct termios modes;

    (void)state;
    start(&s, 80, 24, false, short_run);
    wait_for_screen(&s, "step 12 of 12 \u00b7 done");
    assert_true(vt_shows(&s.t, "tempo-tiny \u00b7 isolated \u00b7 threshold 0.1"));
    assert_true(vt_shows(&s.t, "The cat sat on the"));
    assert_true(vt_shows(&s.t, "q quit"));
    assert_false(s.t.cursor);
    wait_for_colors(&s);
    assert_int_equal(tcgetattr(s.master, &modes), 0);
    assert_int_equal(modes.c_lflag & (tcflag_t)(ICANON | ECHO), 0);
    assert_int_not_equal(modes.c_lflag & (tcflag_t)NOFLSH, 0); /* Ctrl-Z cuts no frame */

    /* another size, and the beginning */
    const struct winsize size = {.ws_col = 50, .ws_row = 16};
    vt_resize(&s.t, 50, 16);
    assert_int_equal(ioctl(s.master, TIOCSWINSZ, &size), 0);
    wait_for_screen(&s, "step 12 of 12 \u00b7 done");
    wait_for_screen(&s, "q quit");
    type(&s, "\033[H");
    wait_for_screen(&s, "paused");
    wait_for_first(&s, " 1 ");
    type(&s, "\033[C");
    wait_for_first(&s, " 2 ");
    type(&s, "q");
    end(&s, 0);

    /* the text stays, as it is without --view; the figures' times differ */
    read_plain_run(plain, sizeof(plain));
    char *figures = strstr(plain, "; first set after");
    assert_non_null(figures);
    *figures = '\0';
    assert_non_null(strstr(s.t.plain, plain));
}

static void test_quit_in_the_middle(void **state)
{
    static const char *const keys[] = {"q", "\003"};
    static session s;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        start(&s, 80, 24, false, long_run);
        wait_for_screen(&s, "of 490");
        type(&s, keys[i]);
        end(&s, 130);
        assert_non_null(strstr(s.t.plain, "stopped by interrupt"));
    }
}

static void test_suspend(void **state)
{
    static session s;

    (void)state;
    start(&s, 80, 24, false, long_run);
    wait_for_screen(&s, "of 490");
    type(&s, "\032");
    const report r = wait_for_report(&s);
    assert_true(WIFSTOPPED(r.status));
    while (s.t.alternate) /* the last that it wrote may still be on its way */
        pump_or_fail(&s, "the ordinary screen");
    assert_restored(&s, &r.modes);
    assert_int_equal(write(s.orders, "x", 1), 1);
    wait_for_screen(&s, "of 490");
    wait_for_screen(&s, "q quit");
    type(&s, "q");
    end(&s, 130);
}

static void test_signals(void **state)
{
    static session s;

    (void)state;
    start(&s, 80, 24, false, long_run);
    wait_for_screen(&s, "of 490");
    assert_int_equal(kill(s.child, SIGTERM), 0);
    end(&s, 130);
    /* what ends it at once */
    start(&s, 80, 24, false, long_run);
    wait_for_screen(&s, "of 490");
    assert_int_equal(kill(s.child, SIGHUP), 0);
    end(&s, -SIGHUP);
}

static void test_without_keys_and_colors(void **state)
{
    static char *const argv[] = {"tempo", "generate", PROMPT, "--view", "-n", "5", "--paired", NULL};
    static session s;

    (void)state;
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    start(&s, 40, 10, true, argv);
    end(&s, 0); /* nobody can type q */
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_false(s.t.colored);
    assert_non_null(strstr(s.t.plain, "visible, the first member of each set:"));
}

/* A terminal that cannot be drawn on gets a message and nothing else. */
static void test_dumb_terminal(void **state)
{
    static session s;

    (void)state;
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    start(&s, 80, 24, false, short_run);
    end(&s, 2);
    assert_int_equal(setenv("TERM", "xterm-256color", 1), 0);
    assert_non_null(strstr(s.t.plain, "programs read --jsonl"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_and_leave),
        cmocka_unit_test(test_quit_in_the_middle),
        cmocka_unit_test(test_suspend),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_without_keys_and_colors),
        cmocka_unit_test(test_dumb_terminal),
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_view_terminal PROGRAM\n");
        return 2;
    }
    program = argv[1];
    (void)signal(SIGCHLD, SIG_DFL);
    (void)setenv("TEMPO_MODELS", "models", 1);
    (void)setenv("TERM", "xterm-256color", 1);
    (void)unsetenv("NO_COLOR");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
