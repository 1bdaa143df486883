// Axes of the report's pictures.
import { scaleLinear, scaleLog } from 'd3-scale';

export type Kind = 'linear' | 'log';

export interface AxisScale {
  at: (x: number) => number;
  ticks: number[];
  low: number;
  high: number;
}

/** An axis over values and what must be seen beside them; linear ones of nothing below 0 start at 0. */
export function axis(kind: Kind, values: readonly number[], range: [number, number], ticks: number): AxisScale {
  const finite = values.filter(Number.isFinite);
  if (kind === 'log') {
    const positive = finite.filter((v) => v > 0);
    const low = Math.min(...positive, 1) / 1.3;
    const high = Math.max(...positive, low * 10) * 1.3;
    const s = scaleLog([low, high], range).clamp(true);
    const powers: number[] = [];
    for (let p = Math.ceil(Math.log10(low)); p <= Math.floor(Math.log10(high)); p++) powers.push(10 ** p);
    const every = Math.max(1, Math.ceil(powers.length / Math.max(1, ticks)));
    const shown = powers.length < 2 ? s.ticks(ticks).filter((_, i, all) => i === 0 || i === all.length - 1) : powers.filter((_, i) => i % every === 0);
    return { at: (x) => s(Math.max(x, low)), ticks: shown, low, high };
  }
  const low = Math.min(0, ...finite);
  const high = Math.max(...finite, low);
  const pad = (high - low) * 0.04 || 1;
  const s = scaleLinear([low < 0 ? low - pad : 0, high + pad], range).clamp(true);
  return { at: (x) => s(x), ticks: s.ticks(ticks), low, high };
}
