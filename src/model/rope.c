/* rope.c - RoPE's frequencies and their scalings.
 *
 * Everything is in double, except that llama3's divisors are rounded to float: GGUF files store them so,
 * and a model must give the same bits from both formats.
 * Sources: Su et al. 2021; for llama3 the reference code of Llama 3.1; for yarn Peng et al. 2023.  */
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
