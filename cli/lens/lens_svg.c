/* lens_svg.c - the lens as a picture: layers by rows, the most probable token in each cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lens/lens.h"
#include "cli/message.h"
#include "draw/grid.h"
#include "files/json_out.h"

enum { MAX_CELLS = 1 << 18 };

/* Labels and texts of a picture; all of them for free(). */
typedef struct labels {
    char **rows, **columns, **texts; /* [points], [rows], [points, rows] */
    double *values;
    bool failed;
} labels;

static char *label_of(const lens_view *v, size_t row)
{
    tempo_text t = {0};

    tempo_text_add(&t, "%zu ", v->rows[row].slot);
    if (v->rows[row].token >= 0)
        lens_token(&t, v->s, v->rows[row].token, 0);
    return tempo_text_take(&t);
}

static labels make_labels(const lens_view *v)
{
    const size_t points = v->lens->n_points, cells = points * v->n_rows;
    labels l = {.rows = calloc(points, sizeof(char *)),
                .columns = calloc(v->n_rows, sizeof(char *)),
                .texts = calloc(cells, sizeof(char *)),
                .values = calloc(cells, sizeof(double))};
    char name[16];

    l.failed = l.rows == NULL || l.columns == NULL || l.texts == NULL || l.values == NULL;
    for (size_t p = 0; p < points && !l.failed; p++)
        l.failed = (l.rows[p] = strdup(lens_point(v->lens->layers[p], name))) == NULL;
    for (size_t r = 0; r < v->n_rows && !l.failed; r++)
        l.failed = (l.columns[r] = label_of(v, r)) == NULL;
    for (size_t i = 0; i < cells && !l.failed; i++) {
        const size_t at = i % v->n_rows * points + i / v->n_rows; /* the lens has rows first */
        l.texts[i] = lens_token_text(v->s, v->lens->top_ids[at * v->lens->n_top]);
        l.values[i] =
            v->n_tokens > 0 ? v->lens->token_q[at * v->n_tokens] : v->lens->top_q[at * v->lens->n_top];
        l.failed = l.texts[i] == NULL;
    }
    return l;
}

static void free_all(char **s, size_t n)
{
    for (size_t i = 0; i < n && s != NULL; i++)
        free(s[i]);
    free(s);
}

static void free_labels(const lens_view *v, labels *l)
{
    free_all(l->rows, v->lens->n_points);
    free_all(l->columns, v->n_rows);
    free_all(l->texts, v->lens->n_points * v->n_rows);
    free(l->values);
}

static char *draw(const lens_view *v, const labels *l)
{
    tempo_text t = {0}, note = {0};

    tempo_text_add(&note, "in each cell the most probable next token; colour: the probability of ");
    if (v->n_tokens > 0)
        lens_token(&note, v->s, v->tokens[0], 0);
    else
        tempo_text_add(&note, "that token");
    char *said = tempo_text_take(&note), title[160];
    (void)snprintf(title, sizeof(title), "Logit lens, %.120s", tempo_model_get_info(v->s->model)->name);
    const tempo_grid g = {.title = title,
                          .note = said,
                          .row_name = "layer",
                          .column_name = "row: slot and token",
                          .value_name = "probability",
                          .n_rows = v->lens->n_points,
                          .n_columns = v->n_rows,
                          .rows = (const char *const *)l->rows,
                          .columns = (const char *const *)l->columns,
                          .texts = (const char *const *)l->texts,
                          .values = l->values,
                          .high = 1,
                          .upwards = true};
    tempo_grid_svg(&t, &g);
    free(said);
    return tempo_text_take(&t);
}

int lens_svg(const lens_view *v)
{
    tempo_err err = {0};
    int code = EXIT_OK;

    if (v->lens->n_points * v->n_rows > MAX_CELLS) {
        say("--svg: %zu layers of %zu rows are more cells than a picture can have, %d: choose rows with "
            "--row",
            v->lens->n_points, v->n_rows, MAX_CELLS);
        return EXIT_USAGE;
    }
    labels l = make_labels(v);
    char *text = l.failed ? NULL : draw(v, &l);
    if (text == NULL) {
        say("out of memory for the picture");
        code = EXIT_FAILED;
    } else if (tempo_text_save(v->o->svg, text, strlen(text), &err) != TEMPO_OK) {
        code = say_error(&err);
    }
    free(text);
    free_labels(v, &l);
    return code;
}
