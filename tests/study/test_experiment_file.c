/* Experiment files: what every key does, the published files as they are, errors with line and column, and
 * finding the shipped ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "experiment/file/file.h"
#include "files/find_file.h"
#include "support/tmpdir.h"

static const char published_dir[] = "../shared/design/original-experiments";

static tempo_experiment *parse(const char *text)
{
    tempo_err err = {0};
    tempo_experiment *e;

    if (tempo_experiment_parse(&e, "dir/exp.yaml", text, strlen(text), NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return e;
}

static tempo_experiment *load(const char *path)
{
    tempo_err err = {0};
    tempo_experiment *e;

    if (tempo_experiment_load(&e, path, NULL, &err) != TEMPO_OK)
        fail_msg("%s", err.msg);
    return e;
}

/* Exactly one note on key, and it holds `part`. */
static void assert_note(const tempo_experiment *e, const char *key, uint32_t line, const char *part)
{
    size_t found = 0;

    for (size_t i = 0; i < e->n_notes; i++)
        found += strcmp(e->notes[i].key, key) == 0 && e->notes[i].line == line &&
                 strstr(e->notes[i].text, part) != NULL;
    if (found != 1)
        fail_msg("%zu notes on %s in line %u with '%s'", found, key, line, part);
}

/* ---- defaults ---- */

static void test_defaults(void **state)
{
    (void)state;
    tempo_experiment *e = parse("prompt: The cat");
    tempo_decode_options o;

    tempo_decode_options_init(&o);
    assert_string_equal(e->name, "exp");
    assert_string_equal(e->path, "dir/exp.yaml");
    assert_int_equal(strlen(e->sha256), 64);
    assert_null(e->description);
    assert_null(e->goal);
    assert_null(e->output_dir);
    assert_true(e->n_prompts == 1 && strcmp(e->prompts[0], "The cat") == 0 && !e->no_bos);
    assert_true(e->n_thresholds == 1 && e->thresholds[0] == o.threshold);
    assert_true(e->n_arms == 1 && !e->lockstep && e->driver == 0);
    assert_string_equal(e->arms[0].name, "isolated");
    const tempo_decode_options d = tempo_experiment_decoding(e, 0, 0);
    assert_true(d.mode == o.mode && d.threshold == o.threshold && d.temperature == o.temperature);
    assert_true(d.max_set == o.max_set && d.readout == o.readout && d.context == o.context);
    assert_true(d.positions == o.positions && d.stop == o.stop && d.steps == o.steps && d.replay == o.replay);
    assert_true(d.first_visible_layer == 0 && d.last_visible_layer == TEMPO_ALL_LAYERS && d.kv == o.kv);
    assert_true(d.order == o.order && d.nudge == 0 && d.min_steps == 0 && d.max_slots == 0);
    assert_true(e->record == 0 && e->n_record == 0);
    assert_string_equal(e->attention_file, "attention_weights.npz");
    assert_string_equal(e->logits_file, "logits_distributions.npz");
    assert_string_equal(e->kv_file, "kv_cache.npz");
    assert_string_equal(e->positions_file, "rope_positions.json");
    assert_string_equal(e->cross_parallel_file, "cross_parallel_scores.json");
    assert_true(e->compute_kl_divergence && e->compute_cosine_similarity && !e->analyze_cross_parallel);
    assert_true(e->n_top_k == 4 && e->top_k[0] == 1 && e->top_k[1] == 5 && e->top_k[2] == 10 &&
                e->top_k[3] == 20);
    assert_true(!e->verbose && e->pairs == 6 && !e->has_seed && e->n_notes == 0);
    assert_null(e->published.model);
    tempo_experiment_free(e);
}

/* ---- published keys ---- */

static void test_published_keys(void **state)
{
    (void)state;
    tempo_experiment *e = parse("experiment_name: n\n"
                                "description: d\n"
                                "prompt: p\n"
                                "max_tokens: 7\n"
                                "selection_threshold: 0.2\n"
                                "seed: 42\n"
                                "run_both_modes: true\n"
                                "use_retroactive_removal: false\n"
                                "allow_intraset_token_visibility: true\n"
                                "use_custom_rope: false\n"
                                "debug_mode: true\n"
                                "output_dir: ./o\n"
                                "capture_attention: true\n"
                                "capture_logits: true\n"
                                "capture_kv_cache: true\n"
                                "capture_rope_positions: true\n"
                                "save_attention_matrices: true\n"
                                "save_full_distributions: false\n"
                                "attention_output_file: a.npz\n"
                                "logits_output_file: l.npz\n"
                                "kv_cache_output_file: k.pkl\n"
                                "rope_positions_file: r.json\n"
                                "compute_kl_divergence: false\n"
                                "compute_cosine_similarity: false\n"
                                "top_k_analysis: [20, 2]\n"
                                "analyze_cross_parallel: true\n"
                                "cross_parallel_output_file: x.json\n");

    assert_string_equal(e->name, "n");
    assert_string_equal(e->description, "d");
    assert_string_equal(e->prompts[0], "p");
    assert_string_equal(e->output_dir, "./o");
    assert_int_equal(e->n_arms, 2);
    assert_string_equal(e->arms[0].name, "isolated");
    assert_string_equal(e->arms[1].name, "visible");
    for (size_t i = 0; i < 2; i++) {
        const tempo_decode_options o = tempo_experiment_decoding(e, i, 0);
        assert_true(o.steps == 7 && o.threshold == 0.2 && o.positions == TEMPO_POSITIONS_UNIQUE);
        assert_int_equal(o.mode, i == 0 ? TEMPO_ISOLATED : TEMPO_VISIBLE);
    }
    assert_true(e->has_seed && e->seed == 42 && e->verbose);
    assert_true(e->record == 15 && e->n_record == 4);
    assert_string_equal(e->record_text[0], "attention");
    assert_string_equal(e->record_text[3], "kv");
    assert_string_equal(e->attention_file, "a.npz");
    assert_string_equal(e->logits_file, "l.npz");
    assert_string_equal(e->kv_file, "k.npz");
    assert_string_equal(e->positions_file, "r.json");
    assert_string_equal(e->cross_parallel_file, "x.json");
    assert_true(!e->compute_kl_divergence && !e->compute_cosine_similarity && e->analyze_cross_parallel);
    assert_true(e->n_top_k == 2 && e->top_k[0] == 2 && e->top_k[1] == 20);
    assert_note(e, "seed", 6, "no randomness");
    assert_note(e, "allow_intraset_token_visibility", 9, "isolated and visible");
    assert_note(e, "save_full_distributions", 18, "always recorded whole");
    assert_note(e, "kv_cache_output_file", 21, "k.npz");
    assert_int_equal(e->n_notes, 4);
    tempo_experiment_free(e);
}

static void test_published_single_mode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *arm;
        tempo_mode mode;
    } cases[] = {
        {"prompt: x\nallow_intraset_token_visibility: false", "isolated", TEMPO_ISOLATED},
        {"prompt: x\nallow_intraset_token_visibility: true", "visible", TEMPO_VISIBLE},
        {"prompt: x\nallow_intraset_token_visibility: true\nrun_both_modes: false", "visible", TEMPO_VISIBLE},
        {"prompt: x\nisolate: true", "isolated", TEMPO_ISOLATED},
        {"prompt: x\nisolate: false", "visible", TEMPO_VISIBLE},
        {"prompt: x\nmode: causal", "causal", TEMPO_CAUSAL},
        {"prompt: x\nmode: visible\nreplay: published", "visible-replay", TEMPO_VISIBLE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_experiment *e = parse(cases[i].text);
        assert_int_equal(e->n_arms, 1);
        assert_string_equal(e->arms[0].name, cases[i].arm);
        assert_int_equal(e->arms[0].decoding.mode, cases[i].mode);
        assert_int_equal(e->arms[0].decoding.positions, TEMPO_POSITIONS_SHARED);
        assert_int_equal(e->n_notes, 0);
        tempo_experiment_free(e);
    }
}

/* Keys that cannot act say so. */
static void test_notes(void **state)
{
    (void)state;
    tempo_experiment *e = parse("prompt: x\n"
                                "capture_attention: true\n"
                                "save_attention_matrices: false\n"
                                "save_full_distributions: true\n"
                                "analyze_cross_parallel: true\n"
                                "attention_output_file: a.npz\n"
                                "rope_positions_file: r.json\n"
                                "cross_parallel_output_file: x.json\n");

    assert_int_equal(e->record, 0);
    assert_false(e->analyze_cross_parallel);
    assert_note(e, "save_attention_matrices", 3, "not recorded");
    assert_note(e, "save_full_distributions", 4, "nothing to save");
    assert_note(e, "analyze_cross_parallel", 5, "nothing to analyze");
    assert_note(e, "attention_output_file", 6, "no such file");
    assert_note(e, "rope_positions_file", 7, "no such file");
    assert_note(e, "cross_parallel_output_file", 8, "no such file");
    assert_int_equal(e->n_notes, 6);
    tempo_experiment_free(e);
}

/* ---- our keys ---- */

static void test_our_keys(void **state)
{
    (void)state;
    tempo_experiment *e = parse("prompts: [one, two]\n"
                                "goal: g\n"
                                "no_bos: true\n"
                                "thresholds: [0.3, 0.1]\n"
                                "steps: 9\n"
                                "min_steps: 2\n"
                                "temperature: 1.5\n"
                                "max_set: 0\n"
                                "max_slots: 500\n"
                                "stop: never\n"
                                "kv: f16\n"
                                "context: top\n"
                                "readout: geometric\n"
                                "positions: offset:-0.5\n"
                                "visible_layers: 2-5\n"
                                "record: [kv, \"attention:layers=1-2,heads=0-3\"]\n"
                                "record_prompt: true\n"
                                "pairs: 0\n"
                                "regime: lockstep\n"
                                "driver: c\n"
                                "arms:\n"
                                "  - {name: a, mode: isolated}\n"
                                "  - {name: b, replay: published}\n"
                                "  - {name: c, mode: causal, steps: 3, positions: unique, stop: top}\n"
                                "  - {name: d-1, mode: visible, visible_layers: 0-0}\n");
    const tempo_decode_options a = tempo_experiment_decoding(e, 0, 1), b = tempo_experiment_decoding(e, 1, 0);
    const tempo_decode_options c = tempo_experiment_decoding(e, 2, 0), d = tempo_experiment_decoding(e, 3, 0);

    assert_true(e->n_prompts == 2 && strcmp(e->prompts[1], "two") == 0 && e->no_bos && e->pairs == 0);
    assert_string_equal(e->goal, "g");
    assert_true(e->n_thresholds == 2 && e->thresholds[0] == 0.3 && e->thresholds[1] == 0.1);
    assert_true(a.threshold == 0.1 && b.threshold == 0.3);
    assert_true(a.steps == 9 && a.min_steps == 2 && a.temperature == 1.5 && a.max_set == 0 &&
                a.max_slots == 500);
    assert_true(a.stop == TEMPO_STOP_NEVER && a.kv == TEMPO_KV_F16 && a.context == TEMPO_CONTEXT_TOP);
    assert_true(a.readout == TEMPO_READOUT_GEOMETRIC && a.positions == TEMPO_POSITIONS_OFFSET);
    assert_true(a.position_offset == -0.5);
    assert_true(a.first_visible_layer == 0 && a.last_visible_layer == TEMPO_ALL_LAYERS); /* isolated */
    assert_true(b.replay == TEMPO_REPLAY_PUBLISHED && b.context == TEMPO_CONTEXT_ALL);
    assert_true(b.readout == TEMPO_READOUT_MIXTURE && b.positions == TEMPO_POSITIONS_SHARED &&
                b.position_offset == 0);
    assert_true(c.mode == TEMPO_CAUSAL && c.steps == 3 && c.positions == TEMPO_POSITIONS_UNIQUE);
    assert_true(c.stop == TEMPO_STOP_TOP && c.first_visible_layer == 2 && c.last_visible_layer == 5);
    assert_true(d.first_visible_layer == 0 && d.last_visible_layer == 0);
    assert_true(e->lockstep && e->driver == 2);
    assert_true(e->record == (TEMPO_EXPERIMENT_KV | TEMPO_EXPERIMENT_ATTENTION) && e->n_record == 2);
    assert_string_equal(e->record_text[1], "attention:layers=1-2,heads=0-3");
    assert_true(e->recording.prompt_rows);
    assert_ptr_equal(tempo_experiment_arm_find(e, "d-1"), &e->arms[3]);
    assert_null(tempo_experiment_arm_find(e, "z"));
    assert_int_equal(e->arms[2].line, 24);
    tempo_experiment_free(e);
}

static void test_arms(void **state)
{
    (void)state;
    /* an arm's own threshold; the driver is the first isolated arm that is no replay */
    tempo_experiment *e = parse("prompt: x\nthreshold: 0.4\nregime: lockstep\narms:\n"
                                "  - {name: r, replay: published-nocache}\n"
                                "  - {name: v, mode: visible, threshold: 0.7}\n"
                                "  - {name: i}\n");

    assert_int_equal(e->driver, 2);
    assert_true(e->arms[1].own_threshold && !e->arms[2].own_threshold);
    assert_true(tempo_experiment_decoding(e, 1, 0).threshold == 0.7);
    assert_true(tempo_experiment_decoding(e, 2, 0).threshold == 0.4);
    assert_int_equal(e->arms[0].decoding.replay, TEMPO_REPLAY_NOCACHE);
    tempo_experiment_free(e);
    e = parse(
        "prompt: x\nregime: lockstep\narms:\n  - {name: c, mode: causal}\n  - {name: v, mode: visible}");
    assert_int_equal(e->driver, 0);
    tempo_experiment_free(e);
}

static void test_published_block(void **state)
{
    (void)state;
    tempo_experiment *e =
        parse("prompt: x\npublished:\n  model: m\n  outputs: identical\n"
              "  visible_faster_percent: 19\n  data_size: 7 MB\n  remark: r\n  runs:\n"
              "    - {mode: visible, steps: 2, total_tokens: 5, set_sizes: [2, 3], seconds: 0.5,\n"
              "       tokens_per_step: [1, 3], sets: s, text: t, data_size: 1 KB}\n");
    const tempo_published_run *run = tempo_experiment_published(e, "visible");

    assert_string_equal(e->published.model, "m");
    assert_string_equal(e->published.outputs, "identical");
    assert_string_equal(e->published.data_size, "7 MB");
    assert_string_equal(e->published.remark, "r");
    assert_true(e->published.visible_faster_percent == 19);
    assert_null(tempo_experiment_published(e, "isolated"));
    assert_true(run->steps == 2 && run->total_tokens == 5 && run->n_set_sizes == 2 && run->set_sizes[1] == 3);
    assert_true(run->seconds == 0.5 && run->fewest == 1 && run->most == 3);
    assert_string_equal(run->sets, "s");
    assert_string_equal(run->text, "t");
    assert_string_equal(run->data_size, "1 KB");
    tempo_experiment_free(e);
}

/* ---- errors ---- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"prompt: x\nselction_threshold: 1",
         "2:1: unknown key 'selction_threshold'; did you mean 'selection_threshold'?"},
        {"prompt: x\nprompt: y", "2:1: duplicate key 'prompt', it is in line 1 already"},
        {"prompt: x\nselection_threshold: abc",
         "2:22: selection_threshold: 'abc' is not a number above 0 and at most 1"},
        {"prompt: x\nthreshold: 0", "2:12: threshold: '0' is not a number above 0 and at most 1"},
        {"prompt: x\nthreshold: .nan", "2:12: threshold: '.nan' is not a number above 0 and at most 1"},
        {"prompt: x\nthresholds: [0.1, 0.2, 0.1]", "2:13: thresholds: 0.1 is there twice"},
        {"prompt: x\nmax_tokens: 0", "2:13: max_tokens: '0' is not an integer from 1 to 1000000000"},
        {"prompt: x\nseed: -1", "2:7: seed: '-1' is not an integer from 0 to 18446744073709551615"},
        {"prompt: x\ndebug_mode: 1", "2:13: debug_mode: '1' is not true or false"},
        {"prompt: ''", "1:9: prompt: empty, expected a text"},
        {"prompts: [a, '']", "1:14: prompts: empty, expected a text"},
        {"prompts: []", "1:10: prompts: a list of 0, expected 1 to 1000 items"},
        {"steps: 3", "1:1: neither 'prompt' nor 'prompts' is there"},
        {"- x", "1:1: a list is not a map of keys and values"},
        {"prompt: x\ntemperature: 0", "2:14: temperature: '0' is not a number above 0"},
        {"prompt: x\nmode: shown", "2:7: mode: 'shown' is not one of isolated|visible|causal"},
        {"prompt: x\nmode: visible\nvisible_layers: 3-2",
         "3:17: visible_layers: '3-2' is not two layers A-B with A <= B"},
        {"prompt: x\nvisible_layers: 1-2", "2:1: 'visible_layers' means nothing in isolated mode"},
        {"prompt: x\nvisible_layers: 1-2\narms: [{name: a}]",
         "2:1: 'visible_layers' means nothing when all arms are isolated"},
        {"prompt: x\npositions: 'offset:'",
         "2:12: positions: 'offset:' is not one of shared|unique|offset:D with a "
         "finite number D"},
        {"prompt: x\npositions: offset:nan",
         "2:12: positions: 'offset:nan' is not one of shared|unique|offset:D with a finite number D"},
        {"prompt: x\nreplay: published\nreadout: top",
         "3:1: 'readout' cannot be chosen in a replay, which sets it itself"},
        {"prompt: x\nuse_custom_rope: false\nreplay: published",
         "2:1: 'use_custom_rope' cannot be chosen in a replay, which sets it itself"},
        {"prompt: x\narms: [{name: a, replay: published, positions: unique}]",
         "2:37: 'positions' cannot be chosen in a replay, which sets it itself"},
        {"prompt: x\narms: [{mode: visible}]", "2:8: arms: an arm without a name"},
        {"prompt: x\narms: [{name: A}]",
         "2:15: name: expected lower-case letters, digits, _ and -, at most 31"},
        {"prompt: x\narms: [{name: ../a}]",
         "2:15: name: expected lower-case letters, digits, _ and -, at most 31"},
        {"prompt: x\narms: [{name: a}, {name: a}]", "2:26: name: there is an arm 'a' already"},
        {"prompt: x\narms: [{name: a, moed: visible}]", "2:18: unknown key 'moed'; did you mean 'mode'?"},
        {"prompt: x\nthresholds: [0.1]\narms: [{name: a, threshold: 0.2}]",
         "3:18: 'threshold' of an arm and 'thresholds' of line 2 exclude each other"},
        {"prompt: x\nregime: lockstep",
         "2:9: regime: lockstep needs two arms that are no replays, there is 1"},
        {"prompt: x\ndriver: a\narms: [{name: a}]", "2:1: 'driver' means nothing without 'regime: lockstep'"},
        {"prompt: x\nregime: lockstep\ndriver: c\narms: [{name: a}, {name: b}]",
         "3:9: driver: there is no arm 'c'"},
        {"prompt: x\nregime: lockstep\ndriver: c\narms: [{name: a}, {name: b}, {name: c, replay: published}]",
         "3:9: driver: 'c' is a replay, which takes no part in lockstep"},
        {"prompt: x\nrecord: [z, logits:heads=1]",
         "2:13: record: 'logits:heads=1': expected attention, logits, positions, kv or a tap (logits have no "
         "layers and heads)"},
        {"prompt: x\nrecord: [kv, kv]", "2:14: record: 'kv' is there twice"},
        {"prompt: x\nattention_output_file: ../a.npz",
         "2:24: attention_output_file: expected a file name of its own, without directories"},
        {"prompt: x\nattention_output_file: taps.npz",
         "2:24: attention_output_file: expected a file name of its own, without directories"},
        {"prompt: x\nrecord: [kv, positions]\nrecord_prompt: true",
         "3:16: record_prompt: neither attention, nor logits, nor a tap is recorded"},
        {"prompt: x\nrecord: [kv]\nrecord_prompt: 2", "3:16: record_prompt: '2' is not true or false"},
        {"prompt: x\nrope_positions_file: results.json",
         "2:22: rope_positions_file: expected a file name of its own, without directories"},
        {"prompt: x\nlogits_output_file: l.json", "2:21: logits_output_file: 'l.json' does not end in .npz"},
        {"prompt: x\nrope_positions_file: r.pkl", "2:22: rope_positions_file: 'r.pkl' does not end in .json"},
        {"prompt: x\nlogits_output_file: kv_cache.npz",
         "2:21: logits_output_file: another output file has this name"},
        {"prompt: x\ntop_k_analysis: [5, 1, 5]", "2:17: top_k_analysis: 5 is there twice"},
        {"prompt: x\npublished: {runs: [{mode: visible}]}", "2:12: published: 'model' is missing"},
        {"prompt: x\npublished: {model: m, runs: [{steps: 1}]}",
         "2:30: runs: a published run without a mode"},
        {"prompt: x\npublished: {model: m, runs: [{mode: visible, total_tokens: 4, set_sizes: [1, 2]}]}",
         "2:74: set_sizes: the sizes add up to 3, total_tokens is 4"},
        {"prompt: x\npublished: {model: m, runs: [{mode: visible, steps: 3, set_sizes: [1, 2]}]}",
         "2:67: set_sizes: 2 sizes for 3 steps"},
        {"prompt: x\npublished: {model: m, runs: [{mode: visible, tokens_per_step: [3, 2]}]}",
         "2:63: tokens_per_step: expected [fewest, most]"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tempo_err err = {0};
        tempo_experiment *e = (tempo_experiment *)1;
        const tempo_status st =
            tempo_experiment_parse(&e, "e.yaml", cases[i].text, strlen(cases[i].text), NULL, &err);
        if (st != TEMPO_E_FORMAT || e != NULL || strncmp(err.msg, "e.yaml:", 7) != 0 ||
            strcmp(err.msg + 7, cases[i].message) != 0)
            fail_msg("%s\n%s, expected\n%s", cases[i].text, err.msg, cases[i].message);
    }
}

/* ---- all errors at once ---- */

typedef struct heard {
    char text[16][2048];
    size_t n;
} heard;

static void hear(void *user, const char *text)
{
    heard *h = user;

    assert_true(h->n < 16);
    (void)snprintf(h->text[h->n++], sizeof(h->text[0]), "%s", text);
}

static void test_all_errors(void **state)
{
    (void)state;
    static const char text[] = "prompt: x\n"
                               "modle: m\n"
                               "steps: abc\n"
                               "threshold: 7\n"
                               "record: [kv, z:x1, kv]\n"
                               "use_mcts: maybe\n"
                               "steps: 3\n"
                               "published: {outputs: [], runs: [{steps: 0}]}\n"
                               "top_k_analysis: [1, x, -1]\n"
                               "arms:\n"
                               "  - {name: A, moed: visible}\n"
                               "regime: lockstep\n";
    static const char *const expected[] = {
        "2:1: unknown key 'modle'; did you mean 'model'?",
        "3:8: steps: 'abc' is not an integer from 1 to 1000000000",
        "4:12: threshold: '7' is not a number above 0 and at most 1",
        ("5:14: record: 'z:x1': expected attention, logits, positions, kv or a tap ('z:x1': expected "
         "NAME[:layers=4-8][:heads=0,3], each once, of numbers up to 1023)"),
        "5:20: record: 'kv' is there twice",
        "6:11: use_mcts: 'maybe' is not true or false",
        "7:1: duplicate key 'steps', it is in line 3 already",
        "8:12: published: 'model' is missing",
        "8:22: outputs: a list is not a text",
        "8:33: runs: a published run without a mode",
        "8:41: steps: '0' is not an integer from 1 to 1000000000",
        "9:21: top_k_analysis: 'x' is not an integer from 1 to 1000000",
        "9:24: top_k_analysis: '-1' is not an integer from 1 to 1000000",
        "11:12: name: expected lower-case letters, digits, _ and -, at most 31",
        "11:15: unknown key 'moed'; did you mean 'mode'?",
    };
    heard *h = calloc(1, sizeof(*h));
    const tempo_yaml_tell tell = {.user = h, .error = hear};
    tempo_err err[2] = {0};
    tempo_experiment *e;

    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", text, strlen(text), &tell, &err[0]),
                     TEMPO_E_FORMAT);
    assert_null(e);
    for (size_t i = 0; i < h->n && i < sizeof(expected) / sizeof(*expected); i++) {
        assert_memory_equal(h->text[i], "e.yaml:", 7);
        assert_string_equal(h->text[i] + 7, expected[i]);
    }
    assert_int_equal(h->n, sizeof(expected) / sizeof(*expected));
    assert_string_equal(err[0].msg, "e.yaml: 15 errors");
    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", text, strlen(text), NULL, &err[1]), TEMPO_E_FORMAT);
    assert_string_equal(err[1].msg,
                        "e.yaml:2:1: unknown key 'modle'; did you mean 'model'? (and 14 more errors)");
    free(h);
}

/* More errors than are kept: the first of the file are told, all are counted. */
static void test_many_errors(void **state)
{
    (void)state;
    char text[4096] = "prompt: x\n";
    tempo_err err = {0};
    tempo_experiment *e;

    for (int i = 0; i < 200; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "zzzzz%d: 1\n", i);
    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", text, strlen(text), NULL, &err), TEMPO_E_FORMAT);
    assert_string_equal(err.msg, "e.yaml:2:1: unknown key 'zzzzz0' (and 199 more errors)");
}

/* ---- what is not built ---- */

static void test_unbuilt(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"prompt: x\nuse_retroactive_removal: true\n",
         "2:1: this version has no way to do what is asked for: members that are removed after the fact "
         "(use_retroactive_removal)"},
        {"prompt: x\narms:\n- {name: a, use_mcts: true, mcts_depth: 2}\n",
         "3:13: this version has no way to do what is asked for: a tree search (use_mcts, mcts_depth)"},
        {"prompt: x\nattention_threshold: 0.1\nenable_thinking: true\nuse_mcts: true\nmcts_depth: 3\n"
         "use_retroactive_removal: true\nfinal_threshold: 1\n",
         "3:1: this version has no way to do what is asked for: members that are removed after the fact "
         "(use_retroactive_removal, attention_threshold); a tree search (use_mcts, mcts_depth); a chat's "
         "system "
         "message that asks for thinking (enable_thinking)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tempo_err err = {0};
        tempo_experiment *e;
        assert_int_equal(
            tempo_experiment_parse(&e, "e.yaml", cases[i].text, strlen(cases[i].text), NULL, &err),
            TEMPO_E_UNSUPPORTED);
        assert_null(e);
        assert_string_equal(err.msg + 7, cases[i].message);
    }
    /* off, all of it is accepted, with one note for each kind */
    tempo_experiment *e = parse("prompt: x\nuse_mcts: false\nmcts_depth: 3\nmcts_c_puct: 1.5\n"
                                "dynamic_threshold: false\nuse_retroactive_removal: false\n"
                                "num_layers_to_use: null\ncomplete_removal_mode: keep_token\n"
                                "enable_thinking: false\ndefault_mode: false\nshow_token_ids: true\n"
                                "disable_kv_cache: false\nbezier_points: [0.2, 0.8]\nmodel: some/model\n");
    assert_note(e, "mcts_depth", 3, "like 1 more key");
    assert_note(e, "num_layers_to_use", 7, "nothing is removed");
    assert_note(e, "bezier_points", 13, "one number");
    assert_note(e, "show_token_ids", 11, "always");
    assert_int_equal(e->n_notes, 4);
    assert_string_equal(e->model, "some/model");
    tempo_experiment_free(e);
    /* so it is in an arm */
    e = parse("prompt: x\narms:\n- {name: a, use_mcts: false}\n- {name: b, mcts_depth: 3}\n");
    assert_note(e, "mcts_depth", 4, "no tree search");
    assert_int_equal(e->n_notes, 1);
    tempo_experiment_free(e);
}

static void test_layout(void **state)
{
    (void)state;
    tempo_err err[3] = {0};
    tempo_experiment *e = parse("prompt: x\nlayout: flat\noutput_dir: some/where\n");
    static const char several[] = "prompts: [x, y]\nlayout: flat\n",
                      name[] = "prompt: x\nexperiment_name: ../x\n", other[] = "prompt: x\nlayout: round\n";

    assert_true(e->flat);
    assert_string_equal(e->output_dir, "some/where");
    tempo_experiment_free(e);
    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", several, strlen(several), NULL, &err[0]),
                     TEMPO_E_FORMAT);
    assert_string_equal(err[0].msg, "e.yaml:2:9: layout: flat has room for one prompt at one threshold");
    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", name, strlen(name), NULL, &err[1]), TEMPO_E_FORMAT);
    assert_non_null(strstr(err[1].msg, "e.yaml:2:18: experiment_name: expected a name"));
    assert_int_equal(tempo_experiment_parse(&e, "e.yaml", other, strlen(other), NULL, &err[2]),
                     TEMPO_E_FORMAT);
    assert_non_null(strstr(err[2].msg, "'round' is not one of directories|flat"));
}

/* Two keys for one thing, in both orders: both names, both lines. */
static void test_exclusive(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"prompt: x", "prompts: [y]"},
        {"max_tokens: 3", "steps: 3"},
        {"selection_threshold: 0.1", "threshold: 0.1"},
        {"selection_threshold: 0.1", "thresholds: [0.1]"},
        {"threshold: 0.1", "thresholds: [0.1]"},
        {"use_custom_rope: true", "positions: shared"},
        {"allow_intraset_token_visibility: true", "mode: visible"},
        {"allow_intraset_token_visibility: true", "arms: [{name: a}]"},
        {"isolate: true", "mode: visible"},
        {"isolate: true", "arms: [{name: a}]"},
        {"isolate: true", "allow_intraset_token_visibility: false"},
        {"run_both_modes: true", "mode: visible"},
        {"run_both_modes: true", "arms: [{name: a}]"},
        {"capture_attention: true", "record: [kv]"},
        {"capture_logits: true", "record: [kv]"},
        {"capture_kv_cache: true", "record: [kv]"},
        {"capture_rope_positions: true", "record: [kv]"},
        {"save_attention_matrices: true", "record: [kv]"},
        {"save_full_distributions: true", "record: [kv]"},
    };

    for (size_t i = 0; i < 2 * sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[256], expected[256];
        const char *first = pairs[i / 2][i % 2], *second = pairs[i / 2][1 - i % 2];
        tempo_err err = {0};
        tempo_experiment *e;
        (void)snprintf(text, sizeof(text), "%s\n\n%s\n%s", first, second, i / 2 == 0 ? "" : "prompt: x\n");
        (void)snprintf(expected, sizeof(expected),
                       "e.yaml:3:1: '%.*s' and '%.*s' of line 1 say the same thing: keep one of them",
                       (int)strcspn(second, ":"), second, (int)strcspn(first, ":"), first);
        assert_int_equal(tempo_experiment_parse(&e, "e.yaml", text, strlen(text), NULL, &err),
                         TEMPO_E_FORMAT);
        assert_string_equal(err.msg, expected);
    }
}

/* ---- files ---- */

static void test_published_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name, *prompt;
        size_t steps;
        double threshold;
        size_t n_arms;
        tempo_mode first;
        unsigned record;
        bool verbose, cross;
        size_t notes;
    } files[] = {
        {"exp1_attention_weights_isolated", "attention_weights_isolated", "The cat sat on the", 10, 0.1, 1,
         TEMPO_ISOLATED, TEMPO_EXPERIMENT_ATTENTION, false, false, 1},
        {"exp1_attention_weights_visible", "attention_weights_visible", "The cat sat on the", 10, 0.1, 1,
         TEMPO_VISIBLE, TEMPO_EXPERIMENT_ATTENTION, false, false, 1},
        {"exp2_logits_comparison", "logits_comparison", "The cat sat on the", 10, 0.1, 2, TEMPO_ISOLATED,
         TEMPO_EXPERIMENT_LOGITS, false, false, 1},
        {"exp3_cross_parallel_attention", "cross_parallel_attention", "The cat sat on the", 15, 0.08, 1,
         TEMPO_VISIBLE, TEMPO_EXPERIMENT_ATTENTION, false, true, 1},
        {"exp4_kv_cache_inspection", "kv_cache_inspection", "The cat sat on the", 10, 0.1, 1, TEMPO_ISOLATED,
         TEMPO_EXPERIMENT_KV | TEMPO_EXPERIMENT_POSITIONS, true, false, 2},
        {"exp5_edge_case_high_parallelism", "edge_case_high_parallelism", "The quick brown", 8, 0.03, 2,
         TEMPO_ISOLATED, TEMPO_EXPERIMENT_ATTENTION | TEMPO_EXPERIMENT_LOGITS, false, false, 1},
    };

    if (access(published_dir, R_OK) != 0) {
        print_message("skipped: no %s here\n", published_dir);
        skip();
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s.yaml", published_dir, files[i].file);
        tempo_experiment *e = load(path);
        assert_string_equal(e->name, files[i].name);
        assert_string_equal(e->prompts[0], files[i].prompt);
        assert_int_equal(e->n_arms, files[i].n_arms);
        assert_int_equal(e->record, files[i].record);
        assert_int_equal(e->n_notes, files[i].notes);
        assert_true(e->verbose == files[i].verbose && e->analyze_cross_parallel == files[i].cross);
        assert_true(e->has_seed && e->seed == 42 && e->output_dir != NULL && e->description != NULL);
        assert_int_equal(e->arms[0].decoding.mode, files[i].first);
        assert_int_equal(e->arms[e->n_arms - 1].decoding.mode,
                         files[i].n_arms == 2 ? TEMPO_VISIBLE : files[i].first);
        for (size_t a = 0; a < e->n_arms; a++) {
            const tempo_decode_options o = tempo_experiment_decoding(e, a, 0);
            assert_true(o.steps == files[i].steps && o.threshold == files[i].threshold);
            assert_true(o.positions == TEMPO_POSITIONS_SHARED && o.context == TEMPO_CONTEXT_ALL);
        }
        if ((e->record & TEMPO_EXPERIMENT_KV) != 0) {
            assert_string_equal(e->kv_file, "kv_cache_states.npz");
            assert_note(e, "kv_cache_output_file", 25, "without pickle");
        }
        tempo_experiment_free(e);
    }
}

/* The others: those that ask for what is not built say all of it, the others run. */
static void test_published_examples(void **state)
{
    (void)state;
    static const struct {
        const char *file, *refused;
    } files[] = {
        {"example_config", NULL},
        {"example_config_simple", NULL},
        {"example_config_pruning", "(use_retroactive_removal, attention_threshold, use_relative_attention, "
                                   "relative_threshold)"},
        {"test_all_features",
         "relative_threshold); a threshold that changes from step to step (dynamic_threshold, "
         "final_threshold, bezier_points)"},
        {"test_dynamic_threshold", "(dynamic_threshold, final_threshold, bezier_points)"},
    };

    if (access(published_dir, R_OK) != 0) {
        print_message("skipped: no %s here\n", published_dir);
        skip();
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[512];
        heard *h = calloc(1, sizeof(*h));
        const tempo_yaml_tell tell = {.user = h, .error = hear};
        tempo_err err = {0};
        tempo_experiment *e;
        (void)snprintf(path, sizeof(path), "%s/%s.yaml", published_dir, files[i].file);
        assert_int_equal(tempo_experiment_load(&e, path, &tell, &err),
                         files[i].refused != NULL ? TEMPO_E_UNSUPPORTED : TEMPO_OK);
        assert_int_equal(h->n, files[i].refused != NULL);
        if (files[i].refused != NULL)
            assert_non_null(strstr(h->text[0], files[i].refused));
        tempo_experiment_free(e);
        free(h);
    }
}

/* Ours: the published settings, three arms, and the published figures. */
static void test_shipped_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *prompt;
        size_t steps;
        double threshold;
        unsigned record;
        size_t n_runs, total;
    } files[] = {
        {"experiments/exp1.yaml", "The cat sat on the", 10, 0.1, TEMPO_EXPERIMENT_ATTENTION, 2, 19},
        {"experiments/exp2.yaml", "The cat sat on the", 10, 0.1, TEMPO_EXPERIMENT_LOGITS, 2, 19},
        {"experiments/exp3.yaml", "The cat sat on the", 15, 0.08, TEMPO_EXPERIMENT_ATTENTION, 1, 36},
        {"experiments/exp4.yaml", "The cat sat on the", 10, 0.1,
         TEMPO_EXPERIMENT_KV | TEMPO_EXPERIMENT_POSITIONS, 1, 19},
        {"experiments/exp5.yaml", "The quick brown", 8, 0.03,
         TEMPO_EXPERIMENT_ATTENTION | TEMPO_EXPERIMENT_LOGITS, 2, 29},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        tempo_experiment *e = load(files[i].file);
        assert_string_equal(e->prompts[0], files[i].prompt);
        assert_true(e->n_arms == 3 && !e->lockstep && e->n_notes == 0 && e->goal != NULL);
        assert_string_equal(e->arms[0].name, "isolated");
        assert_string_equal(e->arms[1].name, "visible");
        assert_string_equal(e->arms[2].name, "replay");
        assert_int_equal(e->arms[0].decoding.mode, TEMPO_ISOLATED);
        assert_int_equal(e->arms[1].decoding.mode, TEMPO_VISIBLE);
        assert_int_equal(e->arms[2].decoding.replay, TEMPO_REPLAY_PUBLISHED);
        for (size_t a = 0; a < 3; a++) {
            const tempo_decode_options o = tempo_experiment_decoding(e, a, 0);
            assert_true(o.steps == files[i].steps && o.threshold == files[i].threshold &&
                        o.stop == TEMPO_STOP_ANY);
        }
        assert_int_equal(e->record, files[i].record);
        assert_true(e->analyze_cross_parallel == (i == 2));
        assert_string_equal(e->published.model, "deepcogito/cogito-v1-preview-llama-3B");
        assert_int_equal(e->published.n_runs, files[i].n_runs);
        for (size_t r = 0; r < e->published.n_runs; r++)
            assert_true(e->published.runs[r].total_tokens == files[i].total &&
                        e->published.runs[r].steps == files[i].steps && e->published.runs[r].seconds > 0);
        tempo_experiment_free(e);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    tempo_experiment *whole = load("experiments/exp1.yaml"), *e;
    size_t n, refused = 0;
    unsigned char *bytes = test_read_file("experiments/exp1.yaml", &n);

    for (size_t i = 0; i < n; i++) {
        tempo_err err = {0};
        unsigned char *part =
            malloc(i + 1); /* a block of its own, so that a sanitizer sees a byte too many */
        assert_non_null(part);
        memcpy(part, bytes, i);
        const tempo_status st = tempo_experiment_parse(&e, "e.yaml", part, i, NULL, &err);
        if (st == TEMPO_OK ? e == NULL : e != NULL || err.code != st || strncmp(err.msg, "e.yaml", 6) != 0)
            fail_msg("%zu bytes: %s", i, err.msg);
        refused += st != TEMPO_OK;
        free(part);
        tempo_experiment_free(e);
    }
    assert_true(refused > 100 && refused < n);
    free(bytes);
    tempo_experiment_free(whole);
}

static void test_find(void **state)
{
    (void)state;
    char dir[256], path[512], found[512], cwd[512], expected[600];
    tempo_err err[4] = {0};

    unsetenv("TEMPO_EXPERIMENTS");
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    (void)snprintf(expected, sizeof(expected), "%s/experiments/exp1.yaml", cwd);
    assert_int_equal(tempo_study_find_file("exp1.yaml", found, sizeof(found), &err[0]), TEMPO_OK);
    assert_string_equal(found, expected);
    assert_int_equal(tempo_study_find_file("exp1", found, sizeof(found), &err[0]), TEMPO_OK);
    assert_string_equal(found, expected);
    assert_int_equal(tempo_study_find_file("no-such", found, sizeof(found), &err[0]), TEMPO_E_NOTFOUND);
    assert_string_equal(found, "");
    assert_int_equal(tempo_study_find_file("../README.md", found, sizeof(found), &err[1]), TEMPO_E_NOTFOUND);
    assert_int_equal(tempo_study_find_file("exp1", found, 8, &err[2]), TEMPO_E_LIMIT);
    assert_string_equal(found, "");
    test_tmpdir_create(dir);
    test_path(path, dir, "exp1.yaml");
    test_write_file(path, "x", 1);
    setenv("TEMPO_EXPERIMENTS", dir, 1);
    assert_int_equal(tempo_study_find_file("exp1", found, sizeof(found), &err[3]), TEMPO_OK);
    assert_string_equal(found, path);
    assert_int_equal(tempo_study_find_file("exp2", found, sizeof(found), &err[3]),
                     TEMPO_OK); /* not there: ours */
    unsetenv("TEMPO_EXPERIMENTS");
    test_tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_published_keys),
        cmocka_unit_test(test_published_single_mode),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_our_keys),
        cmocka_unit_test(test_arms),
        cmocka_unit_test(test_published_block),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_errors),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_unbuilt),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_published_examples),
        cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_published_files),
        cmocka_unit_test(test_shipped_files),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
