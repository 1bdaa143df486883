// What the cells of the lens can be coloured by.
import { valueScale, type ValueScale } from '../attention/colour.ts';
import { percent, short } from '../lib/text.ts';
import type { LensAnswer, LensPoint } from '../lib/types.ts';

export interface Measure {
  id: string;
  label: string;
  help: string;
  of: (p: LensPoint) => number;
  format: (x: number) => string;
  /** The highest value there can be; null: the highest there is. */
  high: number | null;
}

/** Those of every lens, and one for each token that is watched. */
export function measuresOf(tokens: readonly { name: string }[]): Measure[] {
  return [
    { id: 'top', label: 'first token', help: 'Probability of the most probable token there.', of: (p) => p.top[0]?.probability ?? NaN, format: percent, high: 1 },
    { id: 'kl', label: 'distance', help: 'KL divergence from the last layer’s distribution, in nats: 0 where the answer stands.', of: (p) => p.kl, format: (x) => short(x, 3), high: null },
    { id: 'entropy', label: 'spread', help: 'Entropy in nats: 0 if one token has all probability.', of: (p) => p.entropy, format: (x) => short(x, 3), high: null },
    ...tokens.map((t, i) => ({
      id: `token${i}`, label: t.name, help: `Probability of ${t.name}.`, of: (p: LensPoint) => p.tokens[i]?.probability ?? NaN, format: percent, high: 1,
    })),
  ];
}

export function scaleOf(m: Measure, answer: LensAnswer): ValueScale {
  const most = m.high ?? Math.max(0, ...answer.rows.flatMap((r) => r.points.map(m.of)).filter(Number.isFinite));
  return valueScale('linear', 0, most || 1);
}

/** "input", "0", "1", ...: names of taps as the table has them. */
export function pointName(tap: string): string {
  const m = /^blocks\.(\d+)\.hook_resid_(pre|post)$/.exec(tap);
  return m === null ? tap : m[2] === 'pre' ? 'input' : m[1]!;
}

export const pointWords = (tap: string): string => (pointName(tap) === 'input' ? 'before the first layer' : `after layer ${pointName(tap)}`);
