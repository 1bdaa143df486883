/* unicode.c - looking things up in the tables. */
#include "text/unicode.h"

#include <string.h>

/* Properties of a run of code points. */
typedef struct category_run {
    uint32_t first, last;
    uint8_t value;
} category_run;

/* first, first + step, ... last: what is added to each, modulo 2^32. */
typedef struct case_run {
    uint32_t first, last, step, added;
} case_run;

/* A character and the two or three that it becomes. */
typedef struct case_many {
    uint32_t from, a, b, c;
} case_many;

typedef struct decomposition {
    uint32_t from, where; /* index << 5 | length in decomposed_points */
} decomposition;

typedef struct composition {
    uint32_t first, second, whole;
} composition;

#include "text/unicode_tables.inc"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- runs ---- */

static const category_run *find_run(const category_run *runs, size_t n, uint32_t c)
{
    size_t low = 0;

    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        if (c < runs[mid].first)
            n = mid;
        else if (c > runs[mid].last)
            low = mid + 1;
        else
            return &runs[mid];
    }
    return NULL;
}

static bool in_ranges(const tempo_range *ranges, size_t n, uint32_t c)
{
    size_t low = 0;

    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        if (c < ranges[mid].first)
            n = mid;
        else if (c > ranges[mid].last)
            low = mid + 1;
        else
            return true;
    }
    return false;
}

tempo_category tempo_unicode_category(uint32_t c)
{
    const category_run *r = find_run(category_runs, COUNT(category_runs), c);

    return r != NULL ? (tempo_category)r->value : TEMPO_CN;
}

bool tempo_unicode_is_space(uint32_t c)
{
    return in_ranges(property_white_space, COUNT(property_white_space), c);
}

bool tempo_unicode_is_word(uint32_t c)
{
    const uint32_t marks_digits_connectors =
        1u << TEMPO_MN | 1u << TEMPO_MC | 1u << TEMPO_ME | 1u << TEMPO_ND | 1u << TEMPO_PC;

    if (c < 0x80)
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
    return (marks_digits_connectors >> tempo_unicode_category(c) & 1) != 0 || c == 0x200c || c == 0x200d ||
           in_ranges(property_alphabetic, COUNT(property_alphabetic), c);
}

bool tempo_unicode_is_mark(uint32_t c)
{
    return c >= 0x300 && in_ranges(mark_ranges, COUNT(mark_ranges), c);
}

/* ---- case ---- */

static uint32_t map_case(const case_run *runs, size_t n, uint32_t c)
{
    size_t low = 0;

    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        if (c < runs[mid].first)
            n = mid;
        else if (c > runs[mid].last)
            low = mid + 1;
        else
            return (c - runs[mid].first) % runs[mid].step == 0 ? c + runs[mid].added : c;
    }
    return c;
}

static size_t read_many(const case_many *many, uint32_t *out)
{
    out[0] = many->a;
    out[1] = many->b;
    out[2] = many->c;
    return many->c != 0 ? 3 : 2;
}

size_t tempo_unicode_lower(uint32_t c, uint32_t *out)
{
    for (size_t i = 0; c >= 0x80 && i < COUNT(lower_many); i++)
        if (lower_many[i].from == c)
            return read_many(&lower_many[i], out);
    out[0] = map_case(lower_runs, COUNT(lower_runs), c);
    return 1;
}

bool tempo_unicode_each_fold(tempo_fold_fn f, void *with)
{
    uint32_t to[3];

    for (size_t i = 0; i < COUNT(fold_runs); i++)
        for (uint32_t c = fold_runs[i].first; c <= fold_runs[i].last; c += fold_runs[i].step) {
            to[0] = c + fold_runs[i].added;
            if (!f(with, c, to, 1))
                return false;
        }
    for (size_t i = 0; i < COUNT(fold_many); i++) {
        const size_t n = read_many(&fold_many[i], to);
        if (!f(with, fold_many[i].from, to, n))
            return false;
    }
    return true;
}

/* ---- UTF-8 ---- */

/* ---- sets ---- */

static bool each_range(const tempo_range *ranges, size_t n, tempo_range_fn f, void *with)
{
    for (size_t i = 0; i < n; i++)
        if (!f(with, ranges[i].first, ranges[i].last))
            return false;
    return true;
}

bool tempo_unicode_each_category(uint32_t mask, tempo_range_fn f, void *with)
{
    const bool unassigned = (mask >> TEMPO_CN & 1) != 0;
    uint32_t next = 0;

    for (size_t i = 0; i < COUNT(category_runs); i++) {
        const category_run *r = &category_runs[i];
        if (unassigned && r->first > next && !f(with, next, r->first - 1))
            return false;
        if ((mask >> r->value & 1) != 0 && !f(with, r->first, r->last))
            return false;
        next = r->last + 1;
    }
    return !unassigned || next > TEMPO_UNICODE_LAST || f(with, next, TEMPO_UNICODE_LAST);
}

/* Names agree but for '_', '-', spaces and case; the name in the table has no spaces. */
static bool same_name(const char *name, size_t n, const char *table)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (name[i] == '_' || name[i] == '-' || name[i] == ' ')
            continue;
        while (table[k] == '_')
            k++;
        const char a = name[i], b = table[k++];
        if (b == '\0' || (a | 0x20) != (b | 0x20))
            return false;
    }
    return table[k] == '\0';
}

static const struct {
    const char *name;
    const tempo_range *ranges;
    size_t n;
} properties[] = {
    {"Alphabetic", property_alphabetic, COUNT(property_alphabetic)},
    {"Alpha", property_alphabetic, COUNT(property_alphabetic)},
    {"Uppercase", property_uppercase, COUNT(property_uppercase)},
    {"Upper", property_uppercase, COUNT(property_uppercase)},
    {"Lowercase", property_lowercase, COUNT(property_lowercase)},
    {"Lower", property_lowercase, COUNT(property_lowercase)},
    {"White_Space", property_white_space, COUNT(property_white_space)},
    {"Space", property_white_space, COUNT(property_white_space)},
    {"Ideographic", property_ideographic, COUNT(property_ideographic)},
    {"Emoji", property_emoji, COUNT(property_emoji)},
    {"Extended_Pictographic", property_extended_pictographic, COUNT(property_extended_pictographic)},
};

/* ISO 15924 codes of the scripts that patterns name. */
static const char *const script_codes[][2] = {
    {"Arab", "Arabic"},    {"Armn", "Armenian"},  {"Beng", "Bengali"},    {"Bopo", "Bopomofo"},
    {"Cher", "Cherokee"},  {"Cyrl", "Cyrillic"},  {"Deva", "Devanagari"}, {"Ethi", "Ethiopic"},
    {"Geor", "Georgian"},  {"Grek", "Greek"},     {"Gujr", "Gujarati"},   {"Guru", "Gurmukhi"},
    {"Hang", "Hangul"},    {"Hani", "Han"},       {"Hebr", "Hebrew"},     {"Hira", "Hiragana"},
    {"Kana", "Katakana"},  {"Khmr", "Khmer"},     {"Knda", "Kannada"},    {"Laoo", "Lao"},
    {"Latn", "Latin"},     {"Mlym", "Malayalam"}, {"Mong", "Mongolian"},  {"Mymr", "Myanmar"},
    {"Orya", "Oriya"},     {"Sinh", "Sinhala"},   {"Syrc", "Syriac"},     {"Taml", "Tamil"},
    {"Telu", "Telugu"},    {"Thaa", "Thaana"},    {"Tibt", "Tibetan"},    {"Yiii", "Yi"},
    {"Zinh", "Inherited"}, {"Qaai", "Inherited"}, {"Zyyy", "Common"},
};

bool tempo_unicode_each_named(const char *name, size_t n, bool *known, tempo_range_fn f, void *with)
{
    *known = true;
    for (size_t i = 0; i < COUNT(properties); i++)
        if (same_name(name, n, properties[i].name))
            return each_range(properties[i].ranges, properties[i].n, f, with);
    for (size_t i = 0; i < COUNT(script_codes); i++)
        if (same_name(name, n, script_codes[i][0])) {
            name = script_codes[i][1];
            n = strlen(name);
            break;
        }
    for (size_t s = 0; s < COUNT(script_names); s++) {
        if (!same_name(name, n, script_names[s]))
            continue;
        for (size_t i = 0; i < COUNT(script_runs); i++)
            if (script_runs[i].value == s && !f(with, script_runs[i].first, script_runs[i].last))
                return false;
        return true;
    }
    *known = false;
    return true;
}

#define BIT(name) (1u << TEMPO_##name)
#define LETTERS (BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO))
#define MARKS (BIT(MN) | BIT(MC) | BIT(ME))
#define NUMBERS (BIT(ND) | BIT(NL) | BIT(NO))
#define PUNCTUATION (BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO))
#define SYMBOLS (BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO))
#define SEPARATORS (BIT(ZS) | BIT(ZL) | BIT(ZP))
#define OTHERS (BIT(CC) | BIT(CF) | BIT(CN) | BIT(CO) | BIT(CS))

uint32_t tempo_unicode_category_mask(const char *name, size_t n)
{
    static const struct {
        const char *code, *name;
        uint32_t mask;
    } names[] = {
        {"L", "Letter", LETTERS},
        {"LC", "Cased_Letter", BIT(LU) | BIT(LL) | BIT(LT)},
        {"Lu", "Uppercase_Letter", BIT(LU)},
        {"Ll", "Lowercase_Letter", BIT(LL)},
        {"Lt", "Titlecase_Letter", BIT(LT)},
        {"Lm", "Modifier_Letter", BIT(LM)},
        {"Lo", "Other_Letter", BIT(LO)},
        {"M", "Mark", MARKS},
        {"M", "Combining_Mark", MARKS},
        {"Mn", "Nonspacing_Mark", BIT(MN)},
        {"Mc", "Spacing_Mark", BIT(MC)},
        {"Me", "Enclosing_Mark", BIT(ME)},
        {"N", "Number", NUMBERS},
        {"Nd", "Decimal_Number", BIT(ND)},
        {"Nl", "Letter_Number", BIT(NL)},
        {"No", "Other_Number", BIT(NO)},
        {"P", "Punctuation", PUNCTUATION},
        {"Pc", "Connector_Punctuation", BIT(PC)},
        {"Pd", "Dash_Punctuation", BIT(PD)},
        {"Ps", "Open_Punctuation", BIT(PS)},
        {"Pe", "Close_Punctuation", BIT(PE)},
        {"Pi", "Initial_Punctuation", BIT(PI)},
        {"Pf", "Final_Punctuation", BIT(PF)},
        {"Po", "Other_Punctuation", BIT(PO)},
        {"S", "Symbol", SYMBOLS},
        {"Sm", "Math_Symbol", BIT(SM)},
        {"Sc", "Currency_Symbol", BIT(SC)},
        {"Sk", "Modifier_Symbol", BIT(SK)},
        {"So", "Other_Symbol", BIT(SO)},
        {"Z", "Separator", SEPARATORS},
        {"Zs", "Space_Separator", BIT(ZS)},
        {"Zl", "Line_Separator", BIT(ZL)},
        {"Zp", "Paragraph_Separator", BIT(ZP)},
        {"C", "Other", OTHERS},
        {"Cc", "Control", BIT(CC)},
        {"Cf", "Format", BIT(CF)},
        {"Cn", "Unassigned", BIT(CN)},
        {"Co", "Private_Use", BIT(CO)},
        {"Cs", "Surrogate", BIT(CS)},
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (same_name(name, n, names[i].code) || same_name(name, n, names[i].name))
            return names[i].mask;
    return 0;
}

bool tempo_unicode_each_punctuation(tempo_range_fn f, void *with)
{
    return each_range(punctuation_ranges, COUNT(punctuation_ranges), f, with);
}

bool tempo_unicode_each_numeric(tempo_range_fn f, void *with)
{
    return each_range(numeric_ranges, COUNT(numeric_ranges), f, with);
}

/* ---- normalisation ---- */

/* Hangul syllables: first, how many vowels and trailing consonants (none included) there are. */
enum { S_BASE = 0xac00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11a7, LS = 19, VS = 21, TS = 28 };

uint8_t tempo_unicode_combining(uint32_t c)
{
    const category_run *r = c < 0x300 ? NULL : find_run(combining_runs, COUNT(combining_runs), c);

    return r != NULL ? r->value : 0;
}

static const decomposition *find_row(const decomposition *rows, size_t n, uint32_t c)
{
    size_t low = 0;

    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        if (rows[mid].from < c)
            low = mid + 1;
        else
            n = mid;
    }
    return rows[low].from == c ? &rows[low] : NULL;
}

const uint32_t *tempo_unicode_decompose(uint32_t c, bool compatible, size_t *n, uint32_t *hangul)
{
    const decomposition *row = NULL;
    const uint32_t s = c - S_BASE;

    if (c < 0xa0)
        return NULL;
    if (s < LS * VS * TS) {
        hangul[0] = L_BASE + s / (VS * TS);
        hangul[1] = V_BASE + s % (VS * TS) / TS;
        hangul[2] = T_BASE + s % TS;
        *n = s % TS != 0 ? 3 : 2;
        return hangul;
    }
    if (compatible && c <= compatible_rows[COUNT(compatible_rows) - 1].from)
        row = find_row(compatible_rows, COUNT(compatible_rows), c);
    if (row == NULL && c <= canonical_rows[COUNT(canonical_rows) - 1].from)
        row = find_row(canonical_rows, COUNT(canonical_rows), c);
    if (row == NULL)
        return NULL;
    *n = row->where & 31;
    return decomposed_points + (row->where >> 5);
}

uint32_t tempo_unicode_compose(uint32_t a, uint32_t b)
{
    size_t low = 0, n = COUNT(composition_rows);

    if (a - L_BASE < LS && b - V_BASE < VS)
        return S_BASE + ((a - L_BASE) * VS + (b - V_BASE)) * TS;
    if (a - S_BASE < LS * VS * TS && (a - S_BASE) % TS == 0 && b > T_BASE && b < T_BASE + TS)
        return a + (b - T_BASE);
    while (low < n) {
        const size_t mid = low + (n - low) / 2;
        const composition *r = &composition_rows[mid];
        if (r->first < a || (r->first == a && r->second < b))
            low = mid + 1;
        else
            n = mid;
    }
    const composition *r = low < COUNT(composition_rows) ? &composition_rows[low] : NULL;
    return r != NULL && r->first == a && r->second == b ? r->whole : 0;
}
