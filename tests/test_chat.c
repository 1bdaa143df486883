/* Chat templates: renderings equal to those of Jinja2 (tests/token/chat_golden.py), what is refused and
 * where, the bounds, and that no message can name a special token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/json.h"
#include "support/tmpdir.h"
#include "chat/parts.h"

enum { MAX_MESSAGES = 8 };

typedef struct rendering {
    tempo_status st;
    tempo_err err;
    tempo_chat_heap heap;
    tempo_chat_program program;
    tempo_chat_str text;
} rendering;

static void render(rendering *r, const char *text, size_t n, const tempo_chat_input *in)
{
    *r = (rendering){0};
    r->heap = (tempo_chat_heap){.limit = TEMPO_CHAT_MAX_MEMORY, .err = &r->err};
    r->program.heap.limit = TEMPO_CHAT_MAX_PARSED;
    r->st = tempo_chat_parse(&r->program, "t", text, n, &r->err);
    if (r->st == TEMPO_OK)
        r->st = tempo_chat_run(&r->program, in, &r->heap, &r->text, &r->err);
    assert_int_equal(r->st, r->err.code);
}

static void done(rendering *r)
{
    tempo_chat_heap_free(&r->heap);
    tempo_chat_heap_free(&r->program.heap);
}

/* ---- golden renderings ---- */

static tempo_chat_str token(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return (tempo_chat_str){s, NULL, s != NULL ? strlen(s) : 0};
}

static size_t read_messages(const json_t *list, tempo_message messages[MAX_MESSAGES])
{
    const json_t *pair;
    size_t i;

    assert_true(json_array_size(list) <= MAX_MESSAGES);
    json_array_foreach(list, i, pair)
    {
        const json_t *content = json_array_get(pair, 1);
        messages[i] = (tempo_message){json_string_value(json_array_get(pair, 0)), json_string_value(content),
                                      json_string_length(content)};
    }
    return json_array_size(list);
}

static void check_golden(const json_t *c, const char *text, size_t n, const char *name)
{
    const json_t *want = json_object_get(c, "text"), *refused = json_object_get(c, "refused");
    tempo_message messages[MAX_MESSAGES];
    tempo_chat_input in = {.messages = messages,
                           .bos = token(c, "bos"),
                           .eos = token(c, "eos"),
                           .add_generation_prompt = json_is_true(json_object_get(c, "add_generation_prompt")),
                           .thinking = (int)json_integer_value(json_object_get(c, "thinking")),
                           .year = 2024,
                           .month = 7,
                           .day = 6,
                           .weekday = 6};
    rendering r;

    in.n_messages = read_messages(json_object_get(c, "messages"), messages);
    render(&r, text, n, &in);
    if (want != NULL) {
        if (r.st != TEMPO_OK)
            fail_msg("%s: %s", name, r.err.msg);
        if (r.text.n != json_string_length(want) || memcmp(r.text.p, json_string_value(want), r.text.n) != 0)
            fail_msg("%s:\n%.*s\n---- expected:\n%s", name, (int)r.text.n, r.text.p, json_string_value(want));
    } else {
        if (r.st != TEMPO_E_ARG || strstr(r.err.msg, json_string_value(refused)) == NULL)
            fail_msg("%s: status %d, \"%s\", expected a refusal: %s", name, (int)r.st, r.err.msg,
                     json_string_value(refused));
    }
    done(&r);
}

static void test_golden(void **state)
{
    (void)state;
    size_t i, n, n_texts = 0;
    tempo_err err = {0};
    json_t *list;
    const json_t *c;

    if (tempo_json_load(&list, "tests/chat/golden.json", &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    json_array_foreach(list, i, c)
    {
        const char *file = json_string_value(json_object_get(c, "file")), *text;
        char path[512], name[512];
        if (file != NULL) {
            (void)snprintf(path, sizeof(path), "tests/chat/%s", file);
            (void)snprintf(name, sizeof(name), "%s, %s", file, json_string_value(json_object_get(c, "name")));
            unsigned char *bytes = test_read_file(path, &n);
            check_golden(c, (const char *)bytes, n, name);
            free(bytes);
        } else {
            text = json_string_value(json_object_get(c, "template"));
            check_golden(c, text, json_string_length(json_object_get(c, "template")), text);
        }
        n_texts += json_object_get(c, "text") != NULL;
    }
    assert_true(n_texts > 300);
    json_decref(list);
}

/* ---- one template, one or two messages ---- */

static const tempo_message hello[] = {{"user", "Hello", 5}};

static void render_text(rendering *r, const char *text, const tempo_message *messages, size_t n)
{
    const tempo_chat_input in = {.messages = messages,
                                 .n_messages = n,
                                 .bos = {"<s>", NULL, 3},
                                 .eos = {"</s>", NULL, 4},
                                 .add_generation_prompt = true,
                                 .year = 2024,
                                 .month = 7,
                                 .day = 6,
                                 .weekday = 6};

    render(r, text, strlen(text), &in);
}

/* What is not understood or wrong is said by name, with its place. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        tempo_status st;
        const char *message; /* part of it */
    } cases[] = {
        {"{% include 'x' %}", TEMPO_E_UNSUPPORTED, "line 1, column 4: the tag {% include %}"},
        {"a\n{%- import 'x' as y with context %}", TEMPO_E_UNSUPPORTED,
         "line 2, column 5: the tag {% import %}"},
        {"{% from 'x' import y %}", TEMPO_E_UNSUPPORTED, "the tag {% from %}"},
        {"{% extends 'x' %}", TEMPO_E_UNSUPPORTED, "the tag {% extends %}"},
        {"{% if false %}{% trans %}{% endif %}", TEMPO_E_UNSUPPORTED, "column 18: the tag {% trans %}"},
        {"{% autoescape true %}{% endautoescape %}", TEMPO_E_UNSUPPORTED, "autoescape"},
        {"{{ 1 | sqrt }}", TEMPO_E_UNSUPPORTED, "line 1, column 8: the filter 'sqrt'"},
        {"{{ 1 | a.b }}", TEMPO_E_UNSUPPORTED, "the filter 'a.b'"},
        {"{{ 1 is prime }}", TEMPO_E_UNSUPPORTED, "line 1, column 9: the test 'prime'"},
        {"{{ 'a'.encode() }}", TEMPO_E_UNSUPPORTED, "line 1, column 8: a string has no method 'encode' here"},
        {"\xc3\xa9\n\xc3\xa9{{ lipsum(1) }}", TEMPO_E_UNSUPPORTED, "line 2, column 5: the function 'lipsum'"},
        {"{{ range }}", TEMPO_E_UNSUPPORTED, "writing a function as text"},
        {"{{ [1]|map('string') }}", TEMPO_E_UNSUPPORTED, "writing an iterator as text"},
        {"{{ 'a'.upper }}", TEMPO_E_UNSUPPORTED, "writing a method as text"},
        {"{{ strftime_now('%q') }}", TEMPO_E_UNSUPPORTED, "strftime_now: %q"},
        {"{{ '\\N{DASH}' }}", TEMPO_E_UNSUPPORTED, "column 5: the escape \\N"},
        {"{{ messages|map('nope')|list }}", TEMPO_E_UNSUPPORTED, "the filter 'nope'"},
        {"{{ messages|select('nope')|first }}", TEMPO_E_UNSUPPORTED, "the test 'nope'"},
        {"{{ [1, 2]|random }}", TEMPO_E_UNSUPPORTED, "random"},
        {"{{ (-8) ** 0.5 }}", TEMPO_E_UNSUPPORTED, "complex numbers"},
        {"{% set true = 1 %}", TEMPO_E_FORMAT, "column 8: true cannot be assigned to"},
        {"{% for None in messages %}{% endfor %}", TEMPO_E_FORMAT, "None cannot be assigned to"},
        {"{% for loop in messages %}{% endfor %}", TEMPO_E_FORMAT, "column 8: loop cannot be assigned to"},
        {"{% for m in messages %}{% set loop = 1 %}{% endfor %}", TEMPO_E_FORMAT,
         "loop cannot be assigned to"},
        {"{% macro f(a=1, b) %}{% endmacro %}", TEMPO_E_FORMAT, "expected = and a default"},
        {"{% call 1 %}{% endcall %}", TEMPO_E_FORMAT, "expected a call"},
        {"{% raw %}{{ x }}", TEMPO_E_FORMAT, "{% raw %} without an end"},
        {"{{ f(a=1, 2) }}", TEMPO_E_FORMAT, "column 11: this argument must stand further in front"},
        {"{{ f(**a, **b) }}", TEMPO_E_FORMAT, "a second argument with *"},
        {"{{ '\\x1' }}", TEMPO_E_FORMAT, "the escape \\x"},
        {"{{ x is string is defined }}", TEMPO_E_FORMAT, "no second test"},
        {"{{ 'a'|trim(x=1) }}", TEMPO_E_ARG, "trim takes no argument 'x'"},
        {"{{ 'a'.strip(1, 2) }}", TEMPO_E_ARG, "strip takes no more than 1 arguments"},
        {"{{ 'a'.strip(chars='a', chars='b') }}", TEMPO_E_ARG, "two arguments 'chars'"},
        {"{{ (1)(2) }}", TEMPO_E_ARG, "a number cannot be called"},
        {"{{ {[]: 2} }}", TEMPO_E_ARG, "a list cannot be the key"},
        {"{{ {([],): 2} }}", TEMPO_E_ARG, "a list cannot be the key"},
        {"{{ 'a'|replace }}", TEMPO_E_ARG, "replace needs 2 arguments, here are 0"},
        {"{{ 1 is divisibleby }}", TEMPO_E_ARG, "divisibleby needs 1 arguments"},
        {"{{ '%d' % 'a' }}", TEMPO_E_ARG, "%d needs a number, this is a string"},
        {"{{ '%s %s' % 'a' }}", TEMPO_E_ARG, "not enough values"},
        {"{{ '{} {0}'.format(1) }}", TEMPO_E_ARG, "fields with and without numbers"},
        {"{{ '{:q}'.format(1) }}", TEMPO_E_ARG, "'q' is no format"},
        {"{{ 1|tojson(separators='') }}", TEMPO_E_ARG, "tojson: argument 3 is a string"},
        {"{{ nothing|tojson }}", TEMPO_E_ARG, "an undefined value cannot be written as JSON"},
        {"{{ '{'|from_json }}", TEMPO_E_ARG, "from_json: the text is no JSON"},
        {"{{ '1,2'|from_json }}", TEMPO_E_ARG, "from_json: the text is no JSON"},
        {"{{ [1, 'a']|sort }}", TEMPO_E_ARG, "a string and a number have no order"},
        {"{% for m in messages %}{{ loop(m) }}{% endfor %}", TEMPO_E_ARG, "of a recursive for"},
        {"{% macro f() %}{% endmacro %}{% call f() %}{% endcall %}", TEMPO_E_ARG,
         "takes 0 arguments and no 'caller'"},
        {"{% set a, b = [1] %}", TEMPO_E_ARG, "2 names for 1 values"},
        {"{{ [].pop() }}", TEMPO_E_ARG, "pop: there is no such element"},
        {"{{ 'abc'.index('x') }}", TEMPO_E_ARG, "index: the text has no such part"},
        {"{{ x", TEMPO_E_FORMAT, "line 1, column 1: a tag without an end"},
        {"a {# b", TEMPO_E_FORMAT, "column 3: a comment without an end"},
        {"{{ 'x }}", TEMPO_E_FORMAT, "column 4: a string without an end"},
        {"{% if x %}a", TEMPO_E_FORMAT, "column 11: the template ends"},
        {"{% endif %}", TEMPO_E_FORMAT, "{% endif %} belongs to nothing"},
        {"{% for x in y %}{% endif %}", TEMPO_E_FORMAT, "{% endif %} belongs to nothing"},
        {"{% if %}{% endif %}", TEMPO_E_FORMAT, "column 7: expected an expression, found '%}'"},
        {"{{ 1 2 }}", TEMPO_E_FORMAT, "column 6: expected }}, found '2'"},
        {"{{ 0x }}", TEMPO_E_FORMAT, "column 5: expected }}, found 'x'"},
        {"{{ 0x_ }}", TEMPO_E_FORMAT, "column 5: expected }}, found 'x_'"},
        {"{{ 0bg }}", TEMPO_E_FORMAT, "column 5: expected }}, found 'bg'"},
        {"{{ (1 }}", TEMPO_E_FORMAT, "column 7: '}' closes nothing"},
        {"{{ ] }}", TEMPO_E_FORMAT, "column 4: ']' closes nothing"},
        {"{{ a ? b }}", TEMPO_E_FORMAT, "an unexpected character"},
        {"{% break %}", TEMPO_E_FORMAT, "break or continue outside"},
        {"{% for x in y %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}", TEMPO_E_FORMAT,
         "break or continue"},
        {"{% set 1 = 2 %}", TEMPO_E_FORMAT, "expected a name, found '1'"},
        {"\xff", TEMPO_E_FORMAT, "not valid UTF-8"},
        {"{{ messages[0].content.nope.nope }}", TEMPO_E_ARG, "column 24: 'nope' is undefined"},
        {"{{ nope.strip() }}", TEMPO_E_ARG, "'nope' is undefined"},
        {"{{ none.strip() }}", TEMPO_E_UNSUPPORTED, "none has no method 'strip'"},
        {"{{ messages[::0] }}", TEMPO_E_ARG, "step 0"},
        {"{% set messages.x = 1 %}", TEMPO_E_ARG, "attributes of a namespace only"},
        {"{% for a, b in ['xyz'] %}{% endfor %}", TEMPO_E_ARG, "2 names for 3 values"},
        {"{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", TEMPO_E_ARG,
         "the macro 'f' takes 1 arguments and no more"},
        {"{{ raise_exception('Do not.') }}", TEMPO_E_ARG, "t refuses these messages: Do not."},
        {"{{ 9223372036854775807 + 1 }}", TEMPO_E_LIMIT, "beyond 2^63"},
        {"{{ 9223372036854775808 }}", TEMPO_E_UNSUPPORTED, "beyond 2^63"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rendering r;
        render_text(&r, cases[i].text, hello, 1);
        if (r.st != cases[i].st || strstr(r.err.msg, cases[i].message) == NULL)
            fail_msg("%s: status %d, \"%s\"", cases[i].text, (int)r.st, r.err.msg);
        done(&r);
    }
}

/* Nothing that a template does takes for ever, all memory or all of the stack. */
static void test_bounds(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(100001) %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for a in range(199) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
        "ns.x|tojson }}",
        "{% set ns = namespace(x=[]) %}{% for a in range(199) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
        "== "
        "ns.x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'abcdefgh' * 9999999 }}",
        "{% for a in range(99999) %}{{ 'a' * 999 }}{% endfor %}",
        "{% set ns = namespace(x='a' * 9999999) %}{% for a in range(99) %}{% set ns.x = ns.x|upper %}{% "
        "endfor %}",
        "{% set x = 'a' * 9999999 %}{% for a in range(9999) %}{% if 'b' in x %}{% endif %}{% endfor %}",
        "{% set x = [] %}{% for a in range(99999) %}{% for b in range(99) %}{{ x.append(1) or '' }}{% endfor "
        "%}{% endfor %}",
        "{% set x = [1] %}{% for a in range(99) %}{{ x.extend(x) or '' }}{% endfor %}",
        "{% set x = {} %}{% for a in range(99999) %}{{ x.update({a: a}) or '' }}{% endfor %}",
        "{% set x = [] %}{{ x.append(x) or '' }}{{ x }}",
        "{% set x = {} %}{{ x.update(a=x) or '' }}{{ x|tojson }}",
        "{% set ns = namespace(x=()) %}{% for a in range(199) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ "
        "{ns.x: 1} }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
        "ns.x }}",
        "{{ 'a'.center(999999999) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.999999d' % 1 }}",
        "{{ '%.999999f' % 1 }}",
        "{{ [1] * 999999999 }}",
        "{{ 7 ** 7 ** 7 }}",
        "{{ 2 ** 63 }}",

        "{{ ('\\n' * 999999)|indent(999999) }}",
        "{{ [1]|batch(999999999, 0)|list }}",
        "{{ [1]|slice(999999999, 0)|list }}",
        "{{ [1]|tojson(indent=999999999) }}",
        "{{ ('\\t' * 9999).expandtabs(99999) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% "
        "endmacro %}{{ g() }}",
        "{{ ('ab' * 999999).replace('', 'c' * 99) }}",
        "{% set x = 'a' * 9999999 %}{{ x|list|length }}{{ x|list|length }}{{ x|list|length }}",
    };
    rendering r;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        render_text(&r, cases[i], hello, 1);
        if (r.st != TEMPO_E_LIMIT || strncmp(r.err.msg, "t: ", 3) != 0)
            fail_msg("%s: status %d, \"%s\"", cases[i], (int)r.st, r.err.msg);
        done(&r);
    }
}

/* before, front * n, middle, back * n, after: beyond a limit, whatever it would say */
static void check_deep(const char *const parts[5], size_t n)
{
    size_t len = 1;
    rendering r;

    for (size_t i = 0; i < 5; i++)
        len += n * strlen(parts[i]);
    char *text = malloc(len), *p = text;
    assert_non_null(text);
    *p = '\0';
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < (i == 1 || i == 3 ? n : 1); k++)
            p = stpcpy(p, parts[i]);
    render_text(&r, text, hello, 1);
    if (r.st != TEMPO_E_LIMIT)
        fail_msg("%zu times %s%s: status %d, \"%s\"", n, parts[1], parts[3], (int)r.st, r.err.msg);
    done(&r);
    free(text);
}

static void test_deep(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"(", "1", ")"},
        {"[", "1", "]"},
        {"{'a': ", "1", "}"},
        {"not ", "1", ""},
        {"-", "1", ""},
        {"", "1", " + 1"},
        {"", "1", "|string"},
        {"", "x", ".x"},
        {"", "x", "[0]"},
        {"", "1", " and 1"},
        {"", "'a'", ".strip()"},
        {"1 if ", "1", ""},
        {"", "1", " ~ 1"},
        {"1 if 1 else ", "1", ""},
        {"x(", "1", ")"},
        {"x[", "1", "]"},
        {"{% if 1 %}", "1", "{% endif %}"},
        {"{% set x %}", "1", "{% endset %}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const bool tags = cases[i][0][0] == '{' && cases[i][0][1] == '%';
        const char *const parts[5] = {tags ? "" : "{% set x = 1 %}{{ ", cases[i][0], cases[i][1], cases[i][2],
                                      tags ? "" : " }}"};
        check_deep(parts, 500);
        check_deep(parts, 20000);
        check_deep(parts, 100000); /* larger than a template may be */
    }
}

/* ---- where text is from ---- */

/* Letters that no template writes; their bytes must be from outside, all others of the markers' must not. */
#define FOREIGN "\xd0\x96" /* U+0416 */

static bool is_foreign(unsigned char c)
{
    return c == 0xd0 || c == 0x96 || c == 0xb6; /* upper case, or lower: U+0436 */
}

static void check_marks(const rendering *r, const char *what)
{
    size_t n = 0;

    for (size_t i = 0; i < r->text.n; i++) {
        const bool outside = r->text.outside != NULL && r->text.outside[i] != 0;
        n += outside;
        if (is_foreign((unsigned char)r->text.p[i]) && !outside)
            fail_msg("%s: byte %zu of '%.*s' came with a message", what, i, (int)r->text.n, r->text.p);
        if (strchr("<|>[]#", r->text.p[i]) != NULL && outside)
            fail_msg("%s: byte %zu of '%.*s' is the template's", what, i, (int)r->text.n, r->text.p);
    }
    if (n == 0)
        fail_msg("%s: nothing in '%.*s' came with a message", what, (int)r->text.n, r->text.p);
}

static void test_outside(void **state)
{
    (void)state;
    static const char *const files[] = {"chatml",       "llama-2",      "llama-3", "llama-3.1",
                                        "mistral-v0.1", "mistral-v0.3", "qwen2",   "qwen2.5",
                                        "qwen3",        "smollm2",      "smollm3", "zephyr"};
    static const char *const texts[] = {
        "#{{ messages[0].content|trim }}#",
        "#{{ messages[0].content.split()[1] }}#",
        "#{{ messages[0].content|lower ~ '#' ~ messages[0].content|title }}#",
        "#{{ messages[0].content.replace('a', '#') }}#",
        "#{{ '#'.join(messages[0].content.split('a')) }}#",
        "#{{ messages[0].content[::-1] }}#{{ messages[0].content[1:-1] }}#{{ messages[0].content[2] }}",
        "{% set x %}#{{ messages[0].content }}#{% endset %}{{ x * 2 }}",
        "{% macro f(x) %}#{{ x }}#{% endmacro %}{{ f(messages[0].content) }}",
        "{% for c in messages[0].content %}#{{ c }}{% endfor %}",
        "#{{ messages[0]|tojson }}#{{ messages[0].content|tojson|length }}",
        "#{{ messages|map(attribute='content')|map('upper')|join('#') }}#",
        "{{ '#' + (messages[0].content if true) + '#' }}{{ messages[0].content|default('#') or '#' }}",
        "#{{ messages[0].content|reverse|first }}#{{ messages[0].get('content').strip('a') }}",
        "{{ '#%s|%r|%5s#' % (messages[0].content, messages[0].content, messages[0].content[1]) }}",
        "{{ '#{}|{!r}|{:>9}|{x}#'.format(messages[0].content, messages, 'a' ~ messages[0].content, "
        "x=messages[1].content) }}",
        "#{{ messages[0].content|indent(2, true) }}#{{ messages[0].content|center(40) }}#{{ "
        "messages[0].content|truncate(9, true, '#', 0) }}",
        "#{{ messages[0].content.center(40, '|') }}#{{ messages[0].content.zfill(40) }}#{{ "
        "messages[0].content.expandtabs() }}",
        "#{{ messages }}#{{ messages[0].items() }}#{{ (messages[0].content, 1) }}",
        "#{{ messages|tojson(indent=2) }}#{{ messages[0].content|tojson(ensure_ascii=true) }}#",
        "#{{ messages[0].content|escape }}#{{ messages[0].content|urlencode }}#{{ "
        "messages[0].content|wordwrap(2) }}",
        "#{{ ('{\"k\": \"' ~ messages[1].content ~ '\"}')|from_json }}#{{ messages[0].content.swapcase() }}",
        "#{{ messages|map(attribute='content')|sort|join('#') }}#{{ messages|groupby('content') }}",
        "#{{ messages[0].content.partition('a')|join('#') }}#{{ messages[0].content.rsplit('b', 1)|join('#') "
        "}}",
        "{% filter upper %}#{{ messages[0].content }}#{% endfilter %}{% set x | title %}#{{ "
        "messages[0].content }}{% endset %}{{ x }}",
        "{% macro f() %}#{{ caller(messages[0].content) }}{% endmacro %}{% call(x) f() %}|{{ x }}#{% endcall "
        "%}",
        "{% set l = [] %}{{ l.append(messages[0].content) or '' }}#{{ l[0] ~ l|join }}",
        "{% set d = {} %}{{ d.update(a=messages[0].content) or '' }}#{{ d }}#{{ d|dictsort }}",
        "#{{ messages[0].content.translate({97: '#'}) }}#{{ messages[0].content|replace('', '#') }}#{{ "
        "messages[0].content|striptags }}",
    };
    const tempo_message m[] = {{"user", " " FOREIGN "a " FOREIGN FOREIGN "ba\n", 12},
                               {"assistant", FOREIGN "c" FOREIGN, 5},
                               {"user", FOREIGN, 2}};
    char path[512];
    size_t n;
    rendering r;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        (void)snprintf(path, sizeof(path), "tests/chat/%s.jinja", files[i]);
        unsigned char *text = test_read_file(path, &n);
        render_text(&r, (const char *)text, m, 3);
        assert_int_equal(r.st, TEMPO_OK);
        check_marks(&r, files[i]);
        done(&r);
        free(text);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        render_text(&r, texts[i], m, 3);
        if (r.st != TEMPO_OK)
            fail_msg("%s: %s", texts[i], r.err.msg);
        check_marks(&r, texts[i]);
        done(&r);
    }
}

/* Every beginning of a template is refused or rendered, never worse. */
static void test_truncated(void **state)
{
    (void)state;
    static const char *const files[] = {"qwen3", "llama-3.1", "mistral-v0.3", "smollm3"};
    const tempo_chat_input in = {.messages = hello, .n_messages = 1, .year = 2024, .month = 1, .day = 1};
    char path[512];
    size_t n, refused = 0;
    rendering r;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        (void)snprintf(path, sizeof(path), "tests/chat/%s.jinja", files[i]);
        unsigned char *text = test_read_file(path, &n);
        for (size_t k = 0; k < n; k++) {
            char *copy = malloc(k + 1); /* so that reading past its end is seen */
            assert_non_null(copy);
            memcpy(copy, text, k);
            render(&r, copy, k, &in);
            refused += r.st == TEMPO_E_FORMAT;
            done(&r);
            free(copy);
        }
        free(text);
    }
    assert_true(refused > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_deep),   cmocka_unit_test(test_outside), cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
