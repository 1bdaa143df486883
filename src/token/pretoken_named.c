/* pretoken_named.c - the pre-tokenisers that GGUF files name.  Source: the expressions are those of the
 * models' own tokenizer files; the names, and what goes with them, are llama.cpp's.  */
#include <string.h>

#include "token/pretoken.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2_WORDS "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_WORDS(digits)                                                                                 \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                                    \
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The cased letters as DeepSeek's tokenizer lists them. */
#define DEEPSEEK_LETTERS                                                                                     \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"          \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}"                    \
    "\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}"          \
    "\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"          \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}"        \
    "\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}"         \
    "\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}"         \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}"        \
    "\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}"          \
    "\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}"                   \
    "\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}"                   \
    "\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"         \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}"        \
    "\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}"                       \
    "\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"                   \
    "\\x{1e900}-\\x{1e943}"

/* Words that a capital letter begins. */
#define CASED_WORDS(contractions, digits)                                                                    \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" contractions \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"              \
    "*" contractions "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define DEEPSEEK3_WORDS(lines)                                                                               \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"        \
    "| ?[\\p{P}\\p{S}]+" lines "|\\s+(?!\\S)|\\s+"

/* Bloom's: a word is what holds none of these marks; its file nests classes to say so. */
#define BLOOM_WORDS " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"

/* Chinese and Japanese letters as DeepSeek's tokenizer lists them. */
#define KANA_AND_HAN "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"

/* Runs of spaces in words of 512, 256, ... and single ones. */
#define JAIS2_SPACES                                                                                         \
    "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)"           \
    "|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"

#define YOUTU_SCRIPTS                                                                                        \
    "[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}"      \
    "\\x{2014}\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|[\\x{3105}-\\x{312f}]+"    \
    "|" KANA_AND_HAN

#define OPTIONAL_CONTRACTIONS CONTRACTIONS "?"

typedef struct named {
    tempo_pretoken_name facts;
    const char *patterns[6]; /* up to the first NULL */
} named;

static const named table[] = {
    {{.name = "llama-bpe", .ignore_merges = true, .add_bos = true}, {LLAMA3_WORDS("\\p{N}{1,3}")}},
    {{.name = "dbrx"}, {LLAMA3_WORDS("\\p{N}{1,3}")}},
    {{.name = "glm4", .ignore_merges = true}, {LLAMA3_WORDS("\\p{N}{1,3}")}},
    {{.name = "qwen2", .nfc = true}, {LLAMA3_WORDS("\\p{N}")}},
    {{.name = "stablelm2"}, {LLAMA3_WORDS("\\p{N}")}},
    {{.name = "qwen35"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
                   "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {{.name = "seed-coder"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+"
                   "|\\s+(?!\\S)|\\s+"}},
    {{.name = "bailingmoe"},
     {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]"
      "|\\s+(?!\\S)|\\s+"}},
    {{.name = "exaone-moe"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
                   "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {{.name = "jais-2"},
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                   "|\\s*[\\r\\n]+|" JAIS2_SPACES}},
    {{.name = "minicpm5", .ignore_merges = true}, {"\\p{N}{1,3}", LLAMA3_WORDS("\\p{N}+")}},
    {{.name = "gpt-2"}, {GPT2_WORDS}},
    {{.name = "olmo", .nfc = true}, {GPT2_WORDS}},
    {{.name = "smollm"}, {"\\p{N}", GPT2_WORDS}},
    {{.name = "minerva-7b", .add_bos = true}, {"\\p{N}", GPT2_WORDS}},
    {{.name = "command-r", .nfc = true}, {"\\p{N}", GPT2_WORDS}},
    {{.name = "bloom"}, {BLOOM_WORDS}},
    {{.name = "viking"}, {BLOOM_WORDS, "\\p{N}"}},
    {{.name = "tekken", .ignore_merges = true, .add_bos = true}, {CASED_WORDS("", "\\p{N}")}},
    {{.name = "gpt-4o"}, {CASED_WORDS(OPTIONAL_CONTRACTIONS, "\\p{N}{1,3}")}},
    {{.name = "granite-embed-multi-97m", .ignore_merges = true},
     {CASED_WORDS(OPTIONAL_CONTRACTIONS, "\\p{N}{1,3}")}},
    {{.name = "youtu", .ignore_merges = true}, {YOUTU_SCRIPTS, CASED_WORDS(OPTIONAL_CONTRACTIONS, "\\p{N}")}},
    {{.name = "tiny_aya"}, {"\\d{1,3}(?=(?:\\d{3})*\\b)", CASED_WORDS(OPTIONAL_CONTRACTIONS, "\\p{N}{1,3}")}},
    {{.name = "superbpe"}, {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
    {{.name = "deepseek-llm"},
     {"[\\r\\n]", "\\s?[" DEEPSEEK_LETTERS "]+",
      "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+", "\\s+$",
      "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}+"}},
    {{.name = "deepseek-coder"},
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+",
      "\\p{N}"}},
    {{.name = "deepseek-v3"}, {"\\p{N}{1,3}", KANA_AND_HAN, DEEPSEEK3_WORDS("[\r\n]*|\\s*[\r\n]+")}},
    {{.name = "spark2_5"}, {"\\p{N}{1,3}", KANA_AND_HAN, DEEPSEEK3_WORDS("|[\r\n]"), "\\p{N}"}},
    {{.name = "falcon"}, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2_WORDS, "[0-9][0-9][0-9]"}},
    {{.name = "default"}, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"jina-v5-nano", "llama-bpe"},
    {"smaug-bpe", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"glm5", "glm4"},
    {"deepseek-r1-qwen", "qwen2"},
    {"megrez", "qwen2"},
    {"kormo", "qwen2"},
    {"f2llmv2", "qwen2"},
    {"grok-2", "stablelm2"},
    {"hunyuan", "stablelm2"},
    {"solar-open", "stablelm2"},
    {"gpt2", "gpt-2"},
    {"phi-2", "gpt-2"},
    {"jais", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"a.x-4.0", "gpt-2"},
    {"mellum", "gpt-2"},
    {"trillion", "gpt-2"},
    {"granite-docling", "gpt-2"},
    {"gpt-neox", "olmo"},
    {"mpt", "olmo"},
    {"starcoder", "smollm"},
    {"refact", "smollm"},
    {"codeshell", "smollm"},
    {"exaone", "smollm"},
    {"mellum2", "smollm"},
    {"poro-chat", "bloom"},
    {"gpt3-finnish", "bloom"},
    {"llama4", "gpt-4o"},
    {"kanana2", "gpt-4o"},
    {"minimax-m2", "gpt-4o"},
    {"talkie", "gpt-4o"},
    {"cohere2moe", "tiny_aya"},
    {"bailingmoe2", "bailingmoe"},
    {"llada-moe", "bailingmoe"},
    {"hunyuan-dense", "deepseek-v3"},
    {"joyai-llm", "deepseek-v3"},
    {"hy_v4", "deepseek-v3"},
};

static bool is(const char *s, size_t n, const char *z)
{
    return strlen(z) == n && memcmp(s, z, n) == 0;
}

static const named *find_named(const char *pre, size_t n)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (is(pre, n, aliases[i].alias)) {
            pre = aliases[i].name;
            n = strlen(pre);
            break;
        }
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (is(pre, n, table[i].facts.name))
            return &table[i];
    return NULL;
}

tempo_status tempo_pretoken_add_named(tempo_pretoken *p, const char *pre, size_t n, tempo_pretoken_name *name,
                                      tempo_err *err)
{
    const named *e = find_named(pre, n);
    tempo_status st;

    *name = (tempo_pretoken_name){.name = ""};
    if (e == NULL)
        return tempo_fail(err, TEMPO_E_UNSUPPORTED, TEMPO_NO_OFFSET,
                          "pre-tokeniser '%.*s' is not supported (docs/tokens.md lists those that are)",
                          (int)(n < 64 ? n : 64), pre);
    for (size_t i = 0; i < sizeof(e->patterns) / sizeof(*e->patterns) && e->patterns[i] != NULL; i++)
        if ((st = tempo_pretoken_add(p, e->patterns[i], strlen(e->patterns[i]), TEMPO_REGEX,
                                     TEMPO_SPLIT_ISOLATED, false, err)) != TEMPO_OK)
            return st;
    *name = e->facts;
    return TEMPO_OK;
}

const char *tempo_pretoken_name_at(size_t i)
{
    return i < sizeof(table) / sizeof(*table) ? table[i].facts.name : NULL;
}
