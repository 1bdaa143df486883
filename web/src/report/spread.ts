// Places of dots and boxes in pictures of distributions.

/** Quantile by linear interpolation (R's type 7) of a sorted list. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return NaN;
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const a = sorted[low] ?? NaN;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return a + (b - a) * (at - low);
}

export interface Box { low: number; q1: number; median: number; q3: number; high: number }

/** Tukey's box: whiskers reach the last value within 1.5 interquartile ranges. */
export function box(values: readonly number[]): Box | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const q1 = quantile(sorted, 0.25);
  const q3 = quantile(sorted, 0.75);
  const reach = 1.5 * (q3 - q1);
  return {
    q1, q3,
    median: quantile(sorted, 0.5),
    low: sorted.find((v) => v >= q1 - reach) ?? q1,
    high: sorted.findLast((v) => v <= q3 + reach) ?? q3,
  };
}

/**
 * Dots of radius r at the places xs, moved up or down so that none covers another: each takes the free place that is
 * nearest to the middle, but never goes further than `reach` from it.
 */
export function swarm(xs: readonly number[], r: number, reach: number): number[] {
  const ys = new Array<number>(xs.length).fill(0);
  const order = xs.map((_, i) => i).sort((a, b) => (xs[a] ?? 0) - (xs[b] ?? 0));
  const placed: number[] = [];
  for (const i of order) {
    const x = xs[i] ?? 0;
    const near = placed.filter((j) => x - (xs[j] ?? 0) < 2 * r);
    const tries = [0];
    for (const j of near) {
      const dx = x - (xs[j] ?? 0);
      const dy = Math.sqrt(Math.max(0, 4 * r * r - dx * dx)) + 0.01;
      tries.push((ys[j] ?? 0) + dy, (ys[j] ?? 0) - dy);
    }
    tries.sort((a, b) => Math.abs(a) - Math.abs(b));
    const free = (y: number) => near.every((j) => (x - (xs[j] ?? 0)) ** 2 + (y - (ys[j] ?? 0)) ** 2 >= 4 * r * r - 0.001);
    const y = tries.find((t) => Math.abs(t) <= reach && free(t));
    ys[i] = y ?? tries.find((t) => Math.abs(t) <= reach) ?? 0;
    placed.push(i);
  }
  return ys;
}

/** Centres of labels that want to be at `wanted`, kept `gap` apart and within [low, high]; the order is kept. */
export function spaceOut(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const at = new Array<number>(wanted.length).fill(0);
  let last = low - gap;
  for (const i of order) {
    last = Math.max(wanted[i] ?? 0, last + gap);
    at[i] = last;
  }
  let next = high + gap;
  for (const i of order.reverse()) {
    next = Math.min(at[i] ?? 0, next - gap);
    at[i] = next;
  }
  return at;
}
