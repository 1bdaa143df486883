/* terminal.c - termios, signals and the few ANSI sequences that every terminal has.  What ends the program is
 * endings.c's, which leaves the terminal first.  */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

/* Alternate screen, no cursor, no wrapping at the last column; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[0m\033[2J\033[H"
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

enum { MAX_WIDTH = 1000, MAX_HEIGHT = 500 };

/* A process has one terminal, and signal handlers need to find it. */
static struct termios before;
static volatile sig_atomic_t entered, has_keys, resized, stop_asked;
static key_parser parser;

static const int waited_for[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};

const char *terminal_problem(void)
{
    const char *term = getenv("TERM");

    if (!isatty(STDOUT_FILENO))
        return "standard output is not a terminal";
    if (term == NULL || term[0] == '\0' || strcmp(term, "dumb") == 0)
        return "TERM names no terminal that can be drawn on";
    return NULL;
}

void terminal_write(const char *text, size_t n)
{
    while (n > 0) {
        const ssize_t k = write(STDOUT_FILENO, text, n);
        if (k > 0) {
            text += k;
            n -= (size_t)k;
        } else if (k < 0 && errno == EAGAIN) { /* who has the terminal, too, wants no waiting; we do */
            struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
            if (poll(&out, 1, -1) < 0 && errno != EINTR)
                return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

void terminal_leave(void)
{
    const int error = errno;

    if (!entered)
        return;
    entered = 0;
    terminal_write(LEAVE, sizeof(LEAVE) - 1);
    if (has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    errno = error;
}

bool terminal_is_entered(void)
{
    return entered != 0;
}

bool terminal_has_keys(void)
{
    return has_keys != 0;
}

/* ---- signals ---- */

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

static void on_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static void set_handler(int number, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void terminal_enter(void)
{
    static bool prepared;

    if (entered)
        return;
    if (!prepared) {
        prepared = true;
        has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
        (void)atexit(terminal_leave);
        set_handler(SIGWINCH, on_resize);
        set_handler(SIGTSTP, on_stop);
    }
    entered = 1; /* first, so that what interrupts us here puts everything back */
    if (has_keys) {
        struct termios raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        /* else Ctrl-C and Ctrl-Z drop what of a frame is on its way, in mid-sequence */
        raw.c_lflag |= NOFLSH;
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    terminal_write(ENTER, sizeof(ENTER) - 1);
    resized = 1;
}

void terminal_suspend_if_asked(void)
{
    sigset_t stop, held;

    if (!stop_asked || !entered)
        return;
    stop_asked = 0;
    terminal_leave();
    set_handler(SIGTSTP, SIG_DFL);
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTSTP);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &stop, &held); /* comes back when the shell continues us */
    (void)sigprocmask(SIG_SETMASK, &held, NULL);
    set_handler(SIGTSTP, on_stop);
    if (has_keys) /* the shell may have changed them for us */
        (void)tcgetattr(STDIN_FILENO, &before);
    terminal_enter();
}

bool terminal_changed(void)
{
    return resized != 0;
}

bool terminal_size(int *width, int *height)
{
    const bool changed = resized != 0;
    struct winsize w = {0};

    resized = 0;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
    *width = w.ws_col == 0 ? 80 : w.ws_col > MAX_WIDTH ? MAX_WIDTH : w.ws_col;
    *height = w.ws_row == 0 ? 24 : w.ws_row > MAX_HEIGHT ? MAX_HEIGHT : w.ws_row;
    return changed;
}

/* ---- keys ---- */

static terminal_key key_from_sequence(const unsigned char *p, size_t n)
{
    static const struct {
        const char *text;
        terminal_key key;
    } keys[] = {
        {"A", KEY_UP},   {"B", KEY_DOWN}, {"C", KEY_RIGHT},    {"D", KEY_LEFT},
        {"H", KEY_HOME}, {"F", KEY_END},  {"1~", KEY_HOME},    {"7~", KEY_HOME},
        {"4~", KEY_END}, {"8~", KEY_END}, {"5~", KEY_PAGE_UP}, {"6~", KEY_PAGE_DOWN},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (strlen(keys[i].text) == n && memcmp(keys[i].text, p, n) == 0)
            return keys[i].key;
    return KEY_OTHER;
}

static terminal_key key_from_letter(unsigned char c)
{
    switch (c) {
    case 'h':
        return KEY_LEFT;
    case 'l':
        return KEY_RIGHT;
    case 'k':
        return KEY_UP;
    case 'j':
        return KEY_DOWN;
    case ' ':
        return KEY_SPACE;
    case 'q':
    case 'Q':
        return KEY_QUIT;
    default:
        return KEY_OTHER;
    }
}

/* ESC [ or ESC O, parameters, a final byte */
terminal_key key_from_byte(key_parser *k, unsigned char byte)
{
    if (byte == '\033') {
        k->p[0] = byte;
        k->n = 1;
        return KEY_NONE;
    }
    if (k->n == 0)
        return key_from_letter(byte);
    if (k->n == 1 && byte != '[' && byte != 'O') { /* Escape alone, and then another key */
        k->n = 0;
        return key_from_letter(byte);
    }
    if (k->n == sizeof(k->p)) { /* no sequence that we know is as long; its end is still looked for */
        k->n--;
        k->p[2] = '?';
    }
    k->p[k->n++] = byte;
    if (k->n == 2 || byte < 0x40 || byte > 0x7e)
        return KEY_NONE;
    const size_t n = k->n;
    k->n = 0;
    return key_from_sequence(k->p + 2, n - 2);
}

terminal_key terminal_read_key(void)
{
    terminal_key key = KEY_NONE;

    while (has_keys && key == KEY_NONE) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        unsigned char byte;
        if (poll(&in, 1, 0) <= 0 || in.revents == 0)
            return KEY_NONE;
        const ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) /* another reader was quicker */
            continue;
        if (n <= 0)
            return KEY_QUIT;
        key = key_from_byte(&parser, byte);
    }
    return key;
}

/* ---- waiting ---- */

static void mask_signals(int how)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(waited_for) / sizeof(*waited_for); i++)
        (void)sigaddset(&set, waited_for[i]);
    (void)sigprocmask(how, &set, NULL);
}

void terminal_hold_signals(void)
{
    mask_signals(SIG_BLOCK);
}

void terminal_release_signals(void)
{
    mask_signals(SIG_UNBLOCK);
}

void terminal_wait(void)
{
    sigset_t open;
    fd_set in;

    (void)sigprocmask(SIG_SETMASK, NULL, &open);
    for (size_t i = 0; i < sizeof(waited_for) / sizeof(*waited_for); i++)
        (void)sigdelset(&open, waited_for[i]);
    FD_ZERO(&in);
    FD_SET(STDIN_FILENO, &in);
    (void)pselect(STDIN_FILENO + 1, has_keys ? &in : NULL, NULL, NULL, NULL, &open);
}

size_t terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    const long given = columns != NULL ? strtol(columns, NULL, 10) : 0;
    struct winsize size = {0};

    if (given >= 20 && given <= 1000)
        return (size_t)given;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}
