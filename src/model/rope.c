/* rope.c - RoPE's frequencies, with linear and llama3 scaling.
 *
 * Everything is in double, except that llama3's divisors are rounded to float: GGUF files store them so,
 * and a model must give the same bits from both formats.
 * Source: Su et al. 2021; for llama3 the reference code of Llama 3.1.  */
#include <math.h>

#include "model/files.h"

static const double pi = 3.14159265358979323846;

static double base_frequency(uint32_t i, uint32_t head_dim, double theta)
{
    return pow(theta, -2.0 * (double)i / (double)head_dim);
}

void tempo_rope_frequencies(double *freq, uint32_t head_dim, const tempo_rope *r, const float *factors)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        freq[i] = base_frequency(i, head_dim, r->theta);
        if (factors != NULL)
            freq[i] /= (double)factors[i];
        if (r->kind == TEMPO_ROPE_LINEAR)
            freq[i] /= r->factor;
    }
}

/* Waves longer than the original context are stretched by the factor, those that fit into it `high` times
 * stay, and between the two the frequency is interpolated.  */
void tempo_rope_llama3(float *factors, uint32_t head_dim, const tempo_rope *r)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        const double wavelen = 2.0 * pi / base_frequency(i, head_dim, r->theta);
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
