/* endings.c - signals that end the program.
 *
 * Handlers do only what signal-safety(7) allows.  Source: sigaction(2), signal-safety(7); proc(5),
 * /proc/PID/maps.  */
#include "cli/endings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/unfinished.h"

/* Two signals that come closer together were sent by one hand. */
enum { PATIENCE_MS = 500 };

/* A process has one disposition of its signals, and handlers need to find what they set. */
static volatile sig_atomic_t catching, interrupt_flag;
static _Atomic int64_t first_ms; /* when the first signal came; 0 = none has */

static int64_t monotonic_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1; /* never 0 */
}

/* As if nobody had handled the signal, once everything is tidied: it is delivered again when the handler
 * returns. */
static void end_by(int number)
{
    terminal_leave();
    remove_unfinished();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void on_interrupt(int number)
{
    const int error = errno;
    const int64_t now = monotonic_ms();
    int64_t first = 0;

    if (!catching) {
        end_by(number);
    } else if (atomic_compare_exchange_strong(&first_ms, &first, now)) {
        interrupt_flag = 1;
    } else if (now - first >= PATIENCE_MS) {
        end_by(number);
    }
    errno = error;
}

void interrupt(void)
{
    interrupt_flag = 1;
}

bool interrupted(void)
{
    return interrupt_flag != 0;
}

bool poll_interrupts(void *unused)
{
    (void)unused;
    return !interrupted();
}

/* ---- pages that are gone ---- */

static void put(const char *text, size_t n)
{
    while (n > 0) {
        const ssize_t k = write(STDERR_FILENO, text, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return;
        text += k;
        n -= (size_t)k;
    }
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

/* Reading /proc/self/maps without stdio. */
typedef struct map_reader {
    int fd;
    size_t n, at;
    char p[1024];
} map_reader;

static int next_char(map_reader *r)
{
    if (r->at == r->n) {
        const ssize_t n = read(r->fd, r->p, sizeof(r->p));
        r->at = 0;
        r->n = n > 0 ? (size_t)n : 0;
    }
    return r->at < r->n ? (unsigned char)r->p[r->at++] : -1;
}

/* A number in hexadecimal; *end: the character behind it. */
static uintptr_t read_hex(map_reader *r, int *end)
{
    uintptr_t v = 0;

    for (;;) {
        const int c = next_char(r);
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uintptr_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uintptr_t)(c - 'a' + 10);
        } else {
            *end = c;
            return v;
        }
    }
}

/* The file that is mapped at an address; false when there is none.  A line is
 * "BEGIN-END PERMISSIONS OFFSET DEVICE INODE    PATH".  */
static bool mapped_file(uintptr_t address, char *path, size_t cap)
{
    map_reader r = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    size_t n = 0;
    int c = r.fd >= 0 ? '\n' : -1;

    while (c >= 0 && n == 0) {
        const uintptr_t begin = read_hex(&r, &c), end = read_hex(&r, &c);
        const bool here = address >= begin && address < end;
        while (c >= 0 && c != '\n' && c != '/')
            c = next_char(&r);
        for (; c >= 0 && c != '\n'; c = next_char(&r))
            if (here && n + 1 < cap)
                path[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c; /* it goes to a terminal */
        if (here)
            break;
    }
    if (r.fd >= 0)
        (void)close(r.fd);
    path[n] = '\0';
    return n > 0;
}

static void on_lost_page(int number, siginfo_t *info, void *context)
{
    char path[2048];

    (void)context;
    if (info->si_code != BUS_ADRERR || !mapped_file((uintptr_t)info->si_addr, path, sizeof(path))) {
        end_by(number);
        return;
    }
    terminal_leave();
    remove_unfinished();
    put_text("tempo: ");
    put_text(path);
    put_text(": a part of it that is needed cannot be read any more: the file was cut short while it was in "
             "use, or its "
             "disk fails\n");
    _exit(EXIT_FAILED);
}

/* ---- which signals ---- */

/* Only where nobody else handles it: what is ignored stays so (nohup), and a sanitizer's report is worth
 * more. */
static void handle_default(int number, const struct sigaction *action)
{
    struct sigaction old;

    if (sigaction(number, NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_DFL)
        (void)sigaction(number, action, NULL);
}

void prepare_endings(void)
{
    static const int ends[] = {SIGHUP, SIGQUIT, SIGPIPE, SIGXCPU, SIGABRT, SIGSEGV, SIGFPE, SIGILL};
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = end_by;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        handle_default(ends[i], &action);
    action.sa_handler = SIG_IGN; /* beyond the limit of a file's size a write fails, and is reported */
    handle_default(SIGXFSZ, &action);
    action.sa_handler = on_interrupt;
    handle_default(SIGINT, &action);
    handle_default(SIGTERM, &action);
    action.sa_sigaction = on_lost_page;
    action.sa_flags = SA_SIGINFO;
    handle_default(SIGBUS, &action);
}

/* A shell lets programs in the background ignore Ctrl-C; who sends the signal all the same means it. */
void catch_interrupts(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = on_interrupt;
    catching = 1;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}
