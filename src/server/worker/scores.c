/* scores.c - log probabilities and the best of them. */
#include <math.h>

#include "metrics/metrics.h"
#include "server/worker/parts.h"

void tempo_score_row(const float *logits, size_t n, double *logprobs)
{
    double greatest = (double)logits[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        greatest = (double)logits[i] > greatest ? (double)logits[i] : greatest;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - greatest);
    const double whole = greatest + log(sum);
    for (size_t i = 0; i < n; i++)
        logprobs[i] = (double)logits[i] - whole;
}

void tempo_score_mixture(const double *q, size_t n, double *logprobs)
{
    for (size_t i = 0; i < n; i++)
        logprobs[i] = q[i] > 0 ? log(q[i]) : -(double)INFINITY;
}

size_t tempo_score_token(const double *logprobs, size_t n, int32_t token, size_t k, int32_t *ids,
                         tempo_token_score *scores)
{
    const size_t best = tempo_top_k(logprobs, n, k, ids);

    scores[0] = (tempo_token_score){token, logprobs[token]};
    for (size_t i = 0; i < best; i++)
        scores[1 + i] = (tempo_token_score){ids[i], logprobs[ids[i]]};
    return 1 + best;
}
