#!/usr/bin/env python3
"""Computes the expected values of test_stats.c with numpy, scipy and R, and prints tests/study/reference_stats.inc.

    python3 tests/study/reference_stats.py > tests/study/reference_stats.inc

Written from docs/statistics.md and the sources named there, not from the C code.  Made with Python 3.11, numpy 1.24.2,
scipy 1.10.1 and R 4.2.2 (Debian 12: python3-scipy, r-base-core).  The tests need none of them."""
import subprocess

import numpy as np
from scipy import integrate, optimize, special, stats

# ---- data
# Differences of height in eighths of an inch of Darwin's 15 pairs of maize: R. A. Fisher, The Design of Experiments (1935), ch. III.
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.])
# Extra hours of sleep, second drug less first: Student (1908); R's `sleep`.
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, .8, 4.6, 1.4])
# The 15 p-values of the example in Benjamini and Hochberg (1995), section 4.
BH = np.array([.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1])
TIED = np.array([.03, .01, .03, .2, .01, .9, .03])
rng = np.random.RandomState(20240611)
SKEWED = np.round(rng.lognormal(-5, 1, 24), 6)   # like divergences of 24 prompts, in nats
COUNTS = np.array([0, 0, 0, 1, 0, 2, 1, 0, 3, 1, 0, 0, 1, 2, 5, 0.])  # resampled means tie with the mean
INFLATED = np.where(rng.rand(40) < .4, 0, np.round(rng.exponential(.01, 40), 6))
SIGNED = np.round(rng.normal(.008, .02, 60), 6)
RANKED = np.round(rng.normal(.3, 1, 50), 9)
FEW = np.array([.31, .25, .44, .28, .05])         # shares of five prompts
SIZES = np.array([3, 1, 4, 2, 5, 2, 1, 3, 6, 2, 4, 3])
CLUSTERED = np.round(np.repeat(rng.normal(1, .5, 12), SIZES) + rng.normal(0, .2, SIZES.sum()), 6)
SECONDS_A = np.round(rng.lognormal(0, .1, 30), 6)
SECONDS_B = np.round(rng.lognormal(.15, .1, 30), 6)

out = []


def put(name, value):
    v = np.atleast_1d(np.asarray(value, float))
    out.append(f"static const double ref_{name}[{len(v)}] = {{{', '.join(repr(float(x)) for x in v)}}};")


def put_sizes(name, value):
    out.append(f"static const size_t ref_{name}[{len(value)}] = {{{', '.join(map(str, value))}}};")


def R(code):
    text = subprocess.run(["Rscript", "-e", f"cat(sprintf('%.17g', {{{code}}}))"], capture_output=True, text=True, check=True)
    return [float(x) for x in text.stdout.split()]


def rlist(x):
    return "c(" + ",".join(repr(float(v)) for v in x) + ")"


def t_quantile(p, df):  # scipy 1.10's own keeps 9 digits only
    return optimize.brentq(lambda t: stats.t.cdf(t, df) - p, -1e3, 1e3, xtol=1e-14, rtol=1e-14)


# ---- a mean against a bound
def hall(s, g, n):
    return np.sqrt(n) * (s + g * s**2 / 3 + g**2 * s**3 / 27 + g / (6 * n))


def skews(x):
    g = stats.skew(x, bias=False)
    return (1.5 * g if g > 0 else 0), (1.5 * g if g < 0 else 0)


def bound_test(x, bound):
    n, s = len(x), (x.mean() - bound) / x.std(ddof=1)
    below, above = skews(x)
    return stats.t.cdf(hall(s, below, n), n - 1), stats.t.sf(hall(s, above, n), n - 1)


def interval(x, level):  # by solving for the bounds that the tests just reject
    a, m, w = (1 - level) / 2, x.mean(), x.std(ddof=1)
    lo = optimize.brentq(lambda b: bound_test(x, b)[1] - a, m - 3 * w, m, xtol=1e-16)
    hi = optimize.brentq(lambda b: bound_test(x, b)[0] - a, m, m + 3 * w, xtol=1e-16)
    return lo, hi


def zero_test(x):
    return min(1, 2 * min(bound_test(x[x != 0], 0)))


# ---- few values with limits: Kaplan's products
def limited(x, lo, hi, bound):
    return min(1, np.prod((hi - bound) / (hi - x))), min(1, np.prod((bound - lo) / (x - lo)))


def limited_interval(x, lo, hi, level):  # by solving for the bounds that the tests just reject
    a = (1 - level) / 2
    return (optimize.brentq(lambda b: np.log(np.prod((b - lo) / (x - lo)) / a), lo + 1e-9, hi - 1e-9, xtol=1e-15),
            optimize.brentq(lambda b: np.log(np.prod((hi - b) / (hi - x)) / a), lo + 1e-9, hi - 1e-9, xtol=1e-15))


# ---- random draws as docs/statistics.md describes them
def words(seed, count):
    bits = np.random.MT19937()
    bits._legacy_seeding(seed)
    return bits.random_raw(count).astype(np.uint64)


def indices(seed, rows, n):
    return (words(seed, rows * n) * np.uint64(n) >> np.uint64(32)).astype(int).reshape(rows, n)


def bca(means, estimate, jack, level):
    z0 = stats.norm.ppf(((means < estimate).sum() + .5 * (means == estimate).sum()) / len(means))
    d = jack.mean() - jack
    a = (d**3).sum() / (6 * (d**2).sum()**1.5)
    z = z0 + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    return [*np.quantile(means, stats.norm.cdf(z0 + z / (1 - a * z))), z0, a]


def boot_mean(x, level, resamples, seed):
    n = len(x)
    return bca(x[indices(seed, resamples, n)].mean(1), x.mean(), (x.sum() - x) / (n - 1), level)


def boot_clusters(x, sizes, level, resamples, seed):
    sums = np.array([p.sum() for p in np.split(x, np.cumsum(sizes)[:-1])])
    i = indices(seed, resamples, len(sizes))
    jack = (x.sum() - sums) / (len(x) - sizes)
    return bca(sums[i].sum(1) / sizes[i].sum(1), x.mean(), jack, level)


def sign_flip(x, permutations, seed):
    n, per = len(x), -(-len(x) // 32)
    w = words(seed, permutations * per).reshape(permutations, per)
    bits = (w[:, :, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1)).reshape(permutations, -1)[:, :n]
    s = ((1 - 2 * bits.astype(float)) * x).sum(1)
    return (1 + (abs(s) >= abs(x.sum()) - 1e-12 * abs(x).sum()).sum()) / (1 + permutations)


def sign_flip_exact(x):
    n = len(x)
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return (abs(((1 - 2 * bits) * x).sum(1)) >= abs(x.sum()) - 1e-9).mean()


def shifts(x, alpha, resamples, seed):  # of the mean beyond the bound, for each resample's test to reject
    n, q, y = len(x), t_quantile(1 - alpha, len(x) - 1), x[indices(seed, resamples, len(x))]
    m, s, g = y.mean(1), y.std(1, ddof=1), stats.skew(y, axis=1, bias=False)
    s = s * x.std(ddof=1) / s.mean()
    g = g * min(3, max(1, stats.skew(x, bias=False) / g.mean()))
    up = [optimize.brentq(lambda v: hall(v, min(0, 1.5 * k), n) - q, -50, 50, xtol=1e-14) for k in g]
    dn = [optimize.brentq(lambda v: hall(v, max(0, 1.5 * k), n) + q, -50, 50, xtol=1e-14) for k in g]
    return s * up - (m - x.mean()), m - x.mean() - s * dn


def effect(x, reference, level):
    n, d = len(x), (x.mean() - reference) / x.std(ddof=1)
    t, m = d * np.sqrt(n), n - 1
    j = np.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / np.sqrt(m / 2)
    ci = [optimize.brentq(lambda nc: stats.nct.cdf(t, m, nc) - p, t - 10, t + 10, xtol=1e-13) / np.sqrt(n)
          for p in ((1 + level) / 2, (1 - level) / 2)]
    return [d, j * d, *ci, j * ci[0], j * ci[1]]


def main():
    for name in ("DARWIN", "SLEEP", "BH", "TIED", "COUNTS", "SKEWED", "INFLATED", "SIGNED", "RANKED", "CLUSTERED", "SECONDS_A", "SECONDS_B"):
        put(name.lower(), globals()[name])
    put_sizes("sizes", SIZES)
    x = SKEWED
    # mean, sd, skewness (population), min, quartiles type 7, max: numpy, scipy.stats.skew
    put("summary", [x.mean(), x.std(ddof=1), stats.skew(x), x.min(), *np.quantile(x, [.25, .5, .75]), x.max()])
    put("deciles", R(f"quantile({rlist(x)}, (0:10)/10, type=7)"))
    bounds = [.004, .01, .02]
    put("bounds", bounds)
    put("bound_skewed", np.ravel([bound_test(x, b) for b in bounds]))
    put("bound_inflated", np.ravel([bound_test(INFLATED, b) for b in bounds]))
    put("bound_mirrored", np.ravel([bound_test(-x, -b) for b in bounds]))
    put("interval90", interval(x, .9))
    put("interval95_signed", interval(SIGNED, .95))
    put("zero", [zero_test(SIGNED), zero_test(SIGNED[SIGNED > 0]), zero_test(np.concatenate([np.zeros(30), SIGNED]))])
    put("few", FEW)
    put("limited", np.ravel([limited(FEW, 0, 1, b) for b in (.1, .25, .6)] + [limited(FEW, -1, 1, 0)]))
    put("limited_interval", np.ravel([limited_interval(FEW, 0, 1, .9), limited_interval(FEW, -1, 1, .95)]))
    put("within", [bound_test(SIGNED, .01)[0], bound_test(SIGNED, -.01)[1]])
    put("boot", boot_mean(x, .95, 2000, 7))
    put("boot_counts", boot_mean(COUNTS, .9, 1000, 2))
    put("boot_scipy", stats.bootstrap((x,), np.mean, n_resamples=200000, batch=20000, random_state=1).confidence_interval)
    put("boot_clusters", boot_clusters(CLUSTERED, SIZES, .9, 2000, 9 ^ 5))  # seed 5 * 2^32 + 9, folded
    put("flip", [sign_flip(SIGNED, 5000, 3), sign_flip_exact(DARWIN)])
    put("wilcoxon_darwin", [stats.wilcoxon(DARWIN).statistic, stats.wilcoxon(DARWIN).pvalue])
    put("wilcoxon_sleep", [stats.wilcoxon(SLEEP, mode="approx").statistic, stats.wilcoxon(SLEEP, mode="approx").pvalue])
    put("wilcoxon_ranked", [stats.wilcoxon(RANKED, mode="exact").pvalue, R(f"wilcox.test({rlist(RANKED)}, exact=TRUE)$p.value")[0]])
    put("wilcoxon_signed", stats.wilcoxon(SIGNED, mode="approx").pvalue)
    put("bh_bh", R(f"p.adjust({rlist(BH)}, 'BH')"))
    put("bh_holm", R(f"p.adjust({rlist(BH)}, 'holm')"))
    put("tied_bh", R(f"p.adjust({rlist(TIED)}, 'BH')"))
    put("tied_holm", R(f"p.adjust({rlist(TIED)}, 'holm')"))
    put("effect_signed", effect(SIGNED, 0, .95))
    put("effect_skewed", effect(SKEWED, .01, .9))
    put("shares", np.ravel([R(f"binom.test({k}, {n}, conf.level={c})$conf.int") for k, n, c in
                            ((0, 20, .95), (20, 20, .95), (7, 120, .95), (60, 120, .9), (1, 1, .95))]))
    ratio = np.log(SECONDS_A / SECONDS_B)
    half = t_quantile(.975, 29) * ratio.std(ddof=1) / np.sqrt(30)
    put("ratio", [*np.exp([ratio.mean(), ratio.mean() - half, ratio.mean() + half]), stats.ttest_1samp(ratio, 0).pvalue])
    grid = [(t, df, d) for t in (-3, -.5, 0, 1, 2.5, 8) for df in (1, 4, 29, 119) for d in (-2, .5, 2.8, 9)]
    put("noncentral", np.ravel([(*g, R(f"pt({g[0]}, {g[1]}, {g[2]})")[0]) for g in grid]))
    put("student", R("c(pt(sqrt(3), 7, lower.tail=FALSE), qt(.975, 9))"))
    far = [(1000, 119, 1010), (-300, 9, -280), (60, 59, 55)]  # beyond R's pt: P(T <= t) as an integral over chi
    put("noncentral_far", np.ravel([(*f, integrate.quad(lambda w: stats.norm.cdf(f[0] * w / np.sqrt(f[1]) - f[2]) * stats.chi.pdf(w, f[1]),
                                                        0, 3 * np.sqrt(f[1]), points=[f[2] / f[0] * np.sqrt(f[1])], epsabs=1e-13, limit=500)[0])
                                    for f in far]))
    above, below = shifts(x, .0125, 300, 11)
    put("bound_power", [(above < .006).mean(), (below < .006).mean(), np.quantile(above, .9), np.quantile(below, .9)])
    print("/* Made by tests/study/reference_stats.py, which names the sources. */")
    print("\n".join(out))


main()
