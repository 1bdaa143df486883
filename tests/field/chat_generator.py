"""Random chat templates of one construct each: every filter, test, method, operator and statement of Jinja2 and Python's
str, list and dict that has a result which can be repeated, with values of all kinds, fitting or not."""

WORDS = ["", "a", "b", "ab", "abc", "Hello World", " x ", "it's", 'say "hi"', "\\n", "a\\nb\\n\\nc", "a,b,,c", "1", "-7", "3.75", "1_0", "0x1f", "1e3", " 12 ",
         "\u00df", "\u01c6", "\ufb01", "\u0130", "\u0391\u03a3", "\u0391\u03a3 \u03a3\u0391.", "e\u0301", "\u00e9t\u00e9", "\u65e5\u672c\u8a9e", "\U0001f600", "\u200b", "\u00a0", "\u0661\u0662", "\u00b2", "\u216b",
         "aXbXc", "<b>&amp;</b>", "a-b c_d", "foo-bar-baz qux--quux", "\\t x\\r\\ny", "TRUE", "role", "user", "{}", "%s", "x" * 30, "A man, a plan, a canal"]
INTS = ["0", "1", "2", "3", "5", "7", "10", "-1", "-3", "42", "255", "1000", "1250"]
FLOATS = ["0.0", "1.0", "2.5", "-0.5", "3.14159", "2.675", "1e16", "1e-7", "123456.789", "1e22", "0.1"]
NAMES = ["n", "f", "s", "l", "d", "e", "messages", "tools", "nothing", "mixed", "words", "nested", "people"]


def context(make):
    return {"n": 3, "f": 2.5, "s": "Some text", "l": [3, 1, 2], "d": {"b": 1, "a": {"c": None}, "items": 5}, "e": [],
            "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}], "words": ["b", "A", "c", "a", "B"],
            "nested": {"x": {"y": {"z": [10, 20, {"w": "deep"}]}}},
            "people": [{"name": "Bo", "age": 3, "city": {"name": "X"}}, {"name": "al", "age": 1, "city": {"name": "y"}}, {"name": "Al", "age": 3}]}


def quoted(text, make):
    return "'" + text.replace("'", "\\'") + "'" if make.random() < 0.7 or '"' in text else '"' + text + '"'


def string(make):
    return quoted(make.choice(WORDS), make)


def number(make):
    return make.choice(INTS if make.random() < 0.7 else FLOATS)


def value(make, depth=0):
    kind = make.randrange(12 if depth < 2 else 8)
    if kind < 3:
        return string(make)
    if kind < 5:
        return number(make)
    if kind < 6:
        return make.choice(["true", "false", "none", "nothing"])
    if kind < 8:
        return make.choice(NAMES)
    parts = [value(make, depth + 1) for _ in range(make.randrange(4))]
    if kind < 10:
        return "[" + ", ".join(parts) + "]"
    if kind == 10:
        return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    return "{" + ", ".join(f"{make.choice([string(make), number(make), 'none', 'true'])}: {p}" for p in parts) + "}"


def listing(make):
    return make.choice(["l", "e", "mixed", "words", "people", "messages", "[1, 2, 3]", "['b', 'a']", "[2.5, 1]", "(3, 1, 2)", "range(5)", "range(9, 0, -2)", "'hello'", "d", "words|map('upper')",
                        "[[1, 2], [3]]", "[(2, 'x'), (1, 'y')]", "[true, false]", "d.items()", "d.values()", value(make)])


ARGS = {"s": string, "i": lambda m: m.choice(INTS), "n": number, "v": value, "l": listing, "b": lambda m: m.choice(["true", "false"]),
        "a": lambda m: m.choice(["'name'", "'age'", "'city.name'", "0", "1", "'role'", "'0'", "'nope'", "'content'"]),
        "c": lambda m: m.choice(["' '", "'*'", "'\u00e9'", "'ab'"]), "w": lambda m: m.choice(["1", "3", "5", "8", "12", "20", "0"]),
        "t": lambda m: m.choice(TESTS_OF_ONE), "f": lambda m: m.choice(["'upper'", "'length'", "'string'", "'trim'", "'int'", "'abs'", "'title'", "'list'", "'first'", "'tojson'"])}

# name, what it is applied to, and its arguments by kind; after | those that may be left out, with their names.
FILTERS = """
abs n|; attr v a|; batch l w|fill_with=v; capitalize s|; center s|width=w; count l|; default v|default_value=v boolean=b; dictsort v|case_sensitive=b by=$'key','value' reverse=b
escape v|; filesizeformat n|binary=b; first l|; float v|default=v; forceescape v|; groupby l a|default=v case_sensitive=b; indent s|width=w first=b blank=b; int v|default=v base=$2,8,10,16,0,36
items v|; join l|d=s attribute=a; last l|; length v|; list v|; lower v|; map l f|; max l|case_sensitive=b attribute=a; min l|case_sensitive=b attribute=a; reject l t|; rejectattr l a t|
replace s s s|count=i; reverse v|; round n|precision=$0,1,2,-1,5 method=$'common','ceil','floor'; safe v|; select l t|; selectattr l a t|; slice l w|fill_with=v; sort l|reverse=b case_sensitive=b attribute=a
string v|; striptags s|; sum l|attribute=a start=n; title s|; tojson v|ensure_ascii=b indent=w sort_keys=b; trim s|chars=s; truncate s|length=w killwords=b end=c leeway=w; unique l|case_sensitive=b attribute=a
upper v|; urlencode v|; wordcount s|; wordwrap s|width=w break_long_words=b wrapstring=$'/','\\n' break_on_hyphens=b; xmlattr v|autospace=b; d v|default_value=v; e v|; pprint n|
"""
TESTS = "boolean callable defined even false float integer iterable lower mapping none number odd sequence string true undefined upper escaped filter test".split()
TESTS_OF_TWO = "divisibleby eq == equalto ge >= gt > greaterthan in le <= lt < lessthan ne != sameas".split()
TESTS_OF_ONE = [f"'{t}'" for t in TESTS if t not in ("filter", "test")]

METHODS = {
    "s": """capitalize; casefold; center w|c; count s|i i; endswith s|i i; expandtabs|w; find s|i i; index s|i i; isalnum; isalpha; isascii; isdecimal; isdigit; isidentifier; islower; isnumeric; isprintable
isspace; istitle; isupper; join l; ljust w|c; lower; lstrip|s; partition s; removeprefix s; removesuffix s; replace s s|i; rfind s|i i; rindex s|i i; rjust w|c; rpartition s; rsplit|s i; rstrip|s; split|s i
splitlines|b; startswith s|i i; strip|s; swapcase; title; upper; zfill w""",
    "l": "count v; index v; copy", "d": "get s|v; items; keys; values; copy"}
SPECS = ["", ">8", "<8", "^8", "*^9", "5", ".2f", "8.3f", "08.2f", "+d", "x", "#x", "X", "o", "b", "#b", "e", ".3e", "g", "%", ".1%", ",", "_", ",.2f", "c", "s", ".2s", "03d", "=+7d", "\u00e9>6", "n", "010,", "q", ".0f", "#.0f", "G", "_x"]
PERCENTS = ["%s", "%r", "%d", "%i", "%5s", "%-5s|", "%05d", "%+d", "% d", "%x", "%X", "%#o", "%.2f", "%8.3f", "%-8.2f|", "%e", "%g", "%G", "%c", "%%", "%a", "%.2s", "%5.1f", "%s %s", "%3d%%", "%(a)s", "%q", "%.3d", "%08.2f", "%#x", "%", "%*d"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


def parsed(text):
    for item in text.replace("\n", ";").split(";"):
        if item.strip():
            needed, _, optional = item.strip().partition("|")
            yield needed.split(), optional.split()


FILTER_LIST = list(parsed(FILTERS))
METHOD_LIST = [(kind, *m) for kind, text in METHODS.items() for m in parsed(text)]


def argument(kind, make):
    return make.choice(kind[1:].split(",")) if kind.startswith("$") else ARGS[kind](make)


def a_filter(make):
    (name, subject, *needed), optional = make.choice(FILTER_LIST)
    it = argument(subject, make) if make.random() < 0.85 else value(make)
    args = [argument(k, make) for k in needed]
    for option in optional:
        if make.random() < 0.4:
            key, _, kind = option.partition("=")
            args.append(f"{key}={argument(kind, make)}")
    after = make.choice(["", "", "|list", "|list", "|length", "|first", "|string", "|join(',')"])
    it = f"({it})" if it[0] == "-" else it
    return f"{{{{ {it}|{name}{'(' + ', '.join(args) + ')' if args else ''}{after} }}}}"


def a_test(make):
    it = value(make)
    it = f"({it})"
    negated = make.choice(["", "not "])
    if make.random() < 0.5:
        return f"{{{{ {it} is {negated}{make.choice(TESTS)} }}}}"
    name = make.choice([t for t in TESTS_OF_TWO if t.isalpha()])
    return f"{{{{ {it} is {negated}{name}({value(make)}) }}}}"


def a_method(make):
    kind, (name, *needed), optional = make.choice(METHOD_LIST)
    it = {"s": string, "l": lambda m: m.choice(["l", "words", "mixed", "(1, 2, 1)", "[1, 'a', 1]"]), "d": lambda m: m.choice(["d", "nested", "{'a': 1}", "{1: 2}"])}[kind](make)
    args = [argument(k, make) for k in needed] + [argument(k, make) for k in optional[:make.randrange(len(optional) + 1)]]
    return f"{{{{ {it}.{name}({', '.join(args)}) }}}}"


def an_operator(make):
    a, b = value(make), value(make)
    if make.random() < 0.5:
        a, b = number(make), number(make)
    return make.choice([f"{{{{ {a} ** {make.choice(['0', '1', '2', '3', '-1', '0.5', '-2.0'])} }}}}",  # more would take Python for ever
                        f"{{{{ {a} {make.choice(OPERATORS)} {b} }}}}", f"{{{{ {a} {make.choice(OPERATORS)} {b} {make.choice(OPERATORS)} {number(make)} }}}}",
                        f"{{{{ -{number(make)} {make.choice(OPERATORS)} {b} }}}}", f"{{{{ not {a} }}}}", f"{{{{ {a} if {b} else {value(make)} }}}}", f"{{{{ ({a})|string ~ {b} }}}}"])


def a_format(make):
    if make.random() < 0.5:
        values = make.choice([value(make), f"({value(make)},)", f"({value(make)}, {value(make)})", number(make), "{'a': 1}"])
        return f"{{{{ '{make.choice(PERCENTS)}' % {values} }}}}"
    field = make.choice(["{:%s}", "{:%s}", "{:%s}", "{0:%s}{0}", "{a:%s}", "{!r:%s}", "{0[0]:%s}", "{} {:%s}", "{{%s}}", "{a[k]:%s}"]) % make.choice(SPECS)
    return f"{{{{ '{field}'.format({make.choice([number(make), value(make)])}, {value(make)}, a={make.choice([number(make), string(make), 'd'])}) }}}}"


def a_print(make):
    return f"{{{{ {value(make)} }}}}"


def an_item(make):
    it = make.choice(["l", "s", "d", "messages", "nested", "mixed", "people", "range(9)", "'h\u00e9llo'", "(1, 2, 3)", "nothing"])
    part = lambda: make.choice(["", "0", "1", "2", "-1", "-2", "9", "none"])
    index = make.choice([f"[{part() or 0}]", f"[{part()}:{part()}]", f"[{part()}:{part()}:{make.choice(['', '1', '2', '-1', '-2'])}]", "['a']", "['a']['c']", ".a", ".a.c", ".b", "[0].role", ".0", "['x'].y.z[2].w",
                         ".items", "['items']", ".x['y']", "[true]", "[1.0]", "['upper']()", ".upper()", ".get('a')", ".nope", ".nope.nope"])
    return f"{{{{ ({it}{index}) if ({it}{index}) is not callable else 'callable' }}}}"


STATEMENTS = [
    "{% for x in @l %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ x }},{% else %}none{% endfor %}",
    "{% for x in @l if x is @T %}{{ x }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{% endfor %}",
    "{% for a, b in @l %}{{ a }}-{{ b }} {% endfor %}", "{% for k, v in d|dictsort %}{{ k }}={{ v }} {% endfor %}", "{% for x in @l %}{{ loop.cycle(@v, @v) }}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in [1, [2, [3, []]]] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in @l %}{% if loop.index > 2 %}{% break %}{% endif %}{% if x == @v %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% set x = @v %}{% for i in @l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=@v) %}{% for i in @l %}{% set ns.x = i %}{% endfor %}{{ ns.x }}{{ ns }}",
    "{% set x, y = @v, @v %}{{ x }}{{ y }}", "{% set x %}{{ @v }} text{% endset %}{{ x }}{{ x|length }}", "{% set x | upper | replace('A', @s) %}abc {{ @v }}{% endset %}{{ x }}",
    "{% if @v %}yes{% elif @v %}maybe{% else %}no{% endif %}", "{% if @v and @v or not @v %}yes{% endif %}", "{% with x = @v, y = @v %}{{ x }}{{ y }}{% set z = 1 %}{% endwith %}{{ x }}{{ z }}",
    "{% macro m(a, b=@v) %}[{{ a }}{{ b }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(@v) }}{{ m(@v, @v, @v) }}{{ m(b=@v, c=@v) }}{{ m(*[1, 2], **{'z': 3}) }}",
    "{% macro m(a) %}<{{ caller(a) if a else caller() }}>{% endmacro %}{% call(x='-') m(@v) %}{{ x }}{{ @v }}{% endcall %}", "{% macro m() %}{{ g }}{{ caller is defined }}{% endmacro %}{% set g = @v %}{{ m() }}{{ m.name }}{{ m.arguments }}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}", "{% filter upper %}{{ @v }} x{% endfilter %}", "{% filter replace(@s, @s)|title %}{{ @v }}{% endfilter %}",
    "{% raw %}{{ @v }}{% endraw %}", "{% raw -%}  x  {%- endraw %}\n  y", "{% set c = cycler(@v, @v) %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}", "{% set j = joiner(@s) %}{% for x in @l %}{{ j() }}{{ x }}{% endfor %}",
    "{% generation %}{% set x = @v %}{{ x }}{% endgeneration %}{{ x }}", "{% block b %}{{ @v }}{% endblock %}", "  {% if true %}\n  {{ @v }}\n  {%- endif +%}\n", "{# @s #}\n{{ @v -}}\n  {{- @v }}", "{%- for x in @l -%}\n {{ x }}\n{%- endfor -%}",
    "{{ namespace(a=@v).a }}{{ dict(a=@v, b=@v) is mapping }}", "{{ range(@i, @i, @i)|list }}{{ range(@i) }}", "{{ strftime_now('%d %b %Y %H:%M %j %A %p %-d %e %y %%') }}", "{{ @v ~ @v ~ @v }}", "{{ [@v, @v] }}{{ {@s: @v} }}", "{{ (@v, @v)|first }}{{ @v, @v }}",
    "{{ raise_exception(@s) }}", "{{ @l|map(attribute=@a)|list }}{{ @l|map(attribute=@a, default=@v)|list }}", "{{ @l|map('default', @v)|list }}{{ @l|map('replace', @s, @s)|list }}", "{{ @l|select('eq', @v)|list }}{{ @l|selectattr(@a, 'eq', @v)|list }}{{ @l|selectattr(@a)|list }}",
    "{{ @s.split(@s)|map('trim')|list }}{{ @s.split()[-1] }}", "{{ @l|sort(attribute='age,name') }}", "{{ '%s'|format(@v) }}{{ '%(x)s'|format(x=@v) }}", "{{ @s.translate({97: @v, 98: none}) }}", "{{ '<i>'|safe ~ @s }}{{ ('<i>'|safe) + @s }}{{ ('%s'|safe) % @s }}{{ ('<b>'|e)|upper }}",
    "{% for i in [1, 2] %}{% set y = i %}{% endfor %}{{ y is defined }}{% if true %}{% set z = 2 %}{% endif %}{{ z }}", "{{ @v if @v }}{{ (@v if false) is defined }}", "{{ @s 'x' \"y\" }}", "{% for c in @s %}{{ loop.index0 }}{{ c }}{% endfor %}", "{{ not @v == @v }}{{ @v is defined and @v }}", "{{ 1 < @n < 5 }}{{ @n == @n != @n }}",
]


def a_statement(make):
    out = make.choice(STATEMENTS)
    while "@" in out:
        at = out.index("@")
        kind = out[at + 1]
        out = out[:at] + (make.choice(["defined", "string", "number", "odd", "none"]) if kind == "T" else ARGS[kind](make).replace("@", "")) + out[at + 2:]
    return out


KINDS = [a_filter] * 6 + [a_method] * 5 + [a_statement] * 5 + [an_operator] * 3 + [a_format] * 3 + [a_test] * 2 + [an_item] * 2 + [a_print]


def template(make):
    return make.choice(KINDS)(make)
