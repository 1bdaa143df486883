/* rope.c - RoPE's frequencies and their scalings, and ALiBi's slopes.
 *
 * Everything is in double, except that llama3's divisors are rounded to float: GGUF files store them so,
 * and a model must give the same bits from both formats.
 * Sources: Su et al. 2021; for llama3 the reference code of Llama 3.1; for yarn Peng et al. 2023.  */
#include <inttypes.h>
#include <math.h>

#include "model/files.h"

static const double pi = 3.14159265358979323846;

static double base_frequency(uint32_t i, uint32_t n, double theta)
{
    return pow(theta, -2.0 * (double)i / (double)n);
}

/* The dimension that turns so many times in the context before scaling. */
static double yarn_dimension(double turns, uint32_t n, const tempo_rope *r)
{
    return (double)n * log(r->context / (turns * 2.0 * pi)) / (2.0 * log(r->theta));
}

/* Fast dimensions stay, slow ones are divided by the factor, between the two both are mixed. */
static void yarn(double *freq, uint32_t n, const tempo_rope *r)
{
    double low = yarn_dimension(r->fast, n, r), high = yarn_dimension(r->slow, n, r);

    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, (double)n - 1.0);
    if (low == high)
        high += 0.001;
    for (uint32_t i = 0; i < n / 2; i++) {
        const double slow = fmin(fmax(((double)i - low) / (high - low), 0.0), 1.0);
        freq[i] = freq[i] / r->factor * slow + freq[i] * (1.0 - slow);
    }
}

void tempo_rope_frequencies(double *freq, uint32_t n, const tempo_rope *r, const float *factors)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        freq[i] = base_frequency(i, n, r->theta);
        if (factors != NULL)
            freq[i] /= (double)factors[i];
        if (r->kind == TEMPO_ROPE_LINEAR)
            freq[i] /= r->factor;
    }
    if (r->kind == TEMPO_ROPE_YARN)
        yarn(freq, n, r);
}

/* Waves longer than the original context are stretched by the factor, those that fit into it `high` times
 * stay, and between the two the frequency is interpolated.  */
void tempo_rope_llama3(float *factors, uint32_t n, const tempo_rope *r)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        const double wavelen = 2.0 * pi / base_frequency(i, n, r->theta);
        double factor = 1.0;

        if (wavelen > r->context / r->low) {
            factor = r->factor;
        } else if (wavelen >= r->context / r->high) {
            const double smooth = (r->context / wavelen - r->low) / (r->high - r->low);
            factor = 1.0 / ((1.0 - smooth) / r->factor + smooth);
        }
        factors[i] = (float)factor;
    }
}

double tempo_rope_scale(const tempo_rope *r)
{
    if (r->scale != 0.0)
        return r->scale;
    return r->kind == TEMPO_ROPE_YARN && r->factor > 1.0 ? 0.1 * log(r->factor) + 1.0 : 1.0;
}

/* ---- what a model takes of them ---- */

/* A GGUF's divisors of frequencies. */
static tempo_status take_factors(tempo_loader *ld, const char *name, const float **factors)
{
    const uint64_t n = ld->facts.recipe.n_rot / 2;
    const tempo_cut whole = {.run = n, .stride = n};
    tempo_tensor *t;
    tempo_status st = tempo_take(ld, name, 1, &n, false, &t);

    if (st != TEMPO_OK || t == NULL || (st = tempo_take_vector(ld, t, &whole, n, 0.0f, factors)) != TEMPO_OK)
        return st;
    for (uint32_t i = 0; *factors != NULL && i < n; i++)
        if ((*factors)[i] <= 0.0f)
            return tempo_fail(ld->err, TEMPO_E_FORMAT, t->offset,
                              "%s: element %" PRIu32 " is %g, expected a number above 0", name, i,
                              (double)(*factors)[i]);
    return TEMPO_OK;
}

static tempo_status find_factors(tempo_loader *ld, const float **factors)
{
    const float *unused = NULL;
    tempo_status st;

    *factors = ld->facts.rope.factors;
    if (!ld->f->is_gguf)
        return TEMPO_OK;
    if (ld->facts.rope.kind == TEMPO_ROPE_LONG) {
        const bool other = ld->facts.rope.for_long;
        st = take_factors(ld, "rope_factors_short.weight", other ? &unused : factors);
        return st == TEMPO_OK ? take_factors(ld, "rope_factors_long.weight", other ? factors : &unused) : st;
    }
    st = take_factors(ld, "rope_freqs.weight", factors);
    if (*factors != NULL && ld->facts.rope.kind == TEMPO_ROPE_NONE)
        ld->m->info.rope_scaling = "llama3"; /* what such a file calls nothing */
    return st;
}

static tempo_status make_frequencies(tempo_loader *ld, unsigned set, const tempo_rope *r,
                                     const float *factors)
{
    const uint32_t n = ld->facts.recipe.n_rot;
    double *freq = tempo_files_alloc(ld, n / 2 * sizeof(*freq));

    if (freq == NULL)
        return TEMPO_E_NOMEM;
    tempo_rope_frequencies(freq, n, r, factors);
    for (uint32_t i = 0; i < n / 2; i++)
        if (!(freq[i] < 1e300)) /* times a position it must stay finite */
            return tempo_fail(ld->err, TEMPO_E_FORMAT, ld->facts.rope_at, "rope frequency %" PRIu32 " is %g",
                              i, freq[i]);
    ld->m->rope_freq[set] = freq;
    ld->m->recipe.rope_scale[set] = (float)tempo_rope_scale(r);
    return TEMPO_OK;
}

tempo_status tempo_bind_rope(tempo_loader *ld)
{
    const tempo_rope *r = &ld->facts.rope;
    const tempo_rope second = {.theta = r->theta_2};
    const float *factors = NULL;
    float from_config[TEMPO_MAX_HEAD_DIM / 2];
    tempo_status st;

    if (ld->facts.recipe.n_rot == 0)
        return TEMPO_OK;
    if ((st = find_factors(ld, &factors)) != TEMPO_OK)
        return st;
    if (r->kind == TEMPO_ROPE_LLAMA3) {
        tempo_rope_llama3(from_config, ld->facts.recipe.n_rot, r);
        factors = from_config;
    }
    st = make_frequencies(ld, 0, r, factors);
    return st == TEMPO_OK && r->theta_2 != 0 ? make_frequencies(ld, 1, &second, NULL) : st;
}

/* ALiBi's: 2^(-8 h / n) for a power of two n; other numbers of heads take those of the next smaller one, then
 * every other of the next larger one's.  Source: Press et al. 2021.  */
tempo_status tempo_bind_slopes(tempo_loader *ld)
{
    const uint32_t n = ld->facts.hp.n_heads;
    uint32_t power = 1;
    float *slopes;

    if (!ld->facts.recipe.alibi)
        return TEMPO_OK;
    if ((slopes = tempo_files_alloc(ld, n * sizeof(*slopes))) == NULL)
        return TEMPO_E_NOMEM;
    while (2 * power <= n)
        power *= 2;
    for (uint32_t h = 0; h < n; h++)
        slopes[h] = (float)(h < power ? pow(2.0, -8.0 * (h + 1.0) / power)
                                      : pow(2.0, -4.0 * (2.0 * (h - power) + 1.0) / power));
    ld->m->slopes = slopes;
    return TEMPO_OK;
}
