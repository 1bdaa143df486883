// Colours of heat maps: from the page's ground to its opposite, lightness falling (or, in the dark, rising) all the
// way, so that order can be read without telling hues apart. Stops are of ColorBrewer's YlGnBu.

const LIGHT = ['#fbfdf3', '#e0f3cf', '#b4e0c0', '#76c5bf', '#3a9fbe', '#2470ae', '#223f8f', '#0c1f55'];
const DARK = ['#131a2c', '#1c2f66', '#24539a', '#2b7fb4', '#41abb8', '#86cfae', '#cfebb5', '#fffde0'];
export const LEVELS = 256;

export interface Ramp {
  /** "#rrggbb" of each level. */
  css: string[];
  /** The same as pixels of an ImageData seen as a Uint32Array on a little-endian machine. */
  pixel: Uint32Array;
  dark: boolean;
}

function channels(hex: string): [number, number, number] {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

function makeRamp(stops: readonly string[], dark: boolean): Ramp {
  const rgb = stops.map(channels);
  const css: string[] = [];
  const pixel = new Uint32Array(LEVELS);
  for (let i = 0; i < LEVELS; i++) {
    const at = (i / (LEVELS - 1)) * (rgb.length - 1);
    const k = Math.min(Math.floor(at), rgb.length - 2);
    const a = rgb[k]!;
    const b = rgb[k + 1]!;
    const [r, g, bl] = a.map((v, c) => Math.round(v + (b[c]! - v) * (at - k))) as [number, number, number];
    css.push(`#${((1 << 24) | (r << 16) | (g << 8) | bl).toString(16).slice(1)}`);
    pixel[i] = (255 << 24) | (bl << 16) | (g << 8) | r;
  }
  return { css, pixel, dark };
}

const ramps = { light: makeRamp(LIGHT, false), dark: makeRamp(DARK, true) };

export function ramp(dark: boolean): Ramp {
  return dark ? ramps.dark : ramps.light;
}

/** Black or white, whichever is easier to read on a level of a ramp. */
export function inkOn(r: Ramp, level: number): string {
  const [red, green, blue] = channels(r.css[level] ?? '#000000').map((v) => {
    const x = v / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? '#000000' : '#ffffff';
}

export type ScaleKind = 'linear' | 'log';

export interface ValueScale {
  kind: ScaleKind;
  low: number;
  high: number;
  /** Level 0..255 of a value; -1 for what is no number, 0 for what lies below the scale. */
  level(x: number): number;
  /** The value in the middle of a share of the scale: 0 low, 1 high. */
  at(share: number): number;
  ticks: number[];
}

/** How many powers of ten a logarithmic scale spans below its top. */
const DECADES = 4;

export function valueScale(kind: ScaleKind, low: number, high: number): ValueScale {
  if (!(high > low)) high = low + 1;
  if (kind === 'log') {
    const bottom = Math.max(low, high * 10 ** -DECADES) || high * 10 ** -DECADES;
    const span = Math.log10(high / bottom) || 1;
    const ticks: number[] = [];
    for (let p = Math.ceil(Math.log10(bottom) - 1e-9); p <= Math.log10(high) + 1e-9; p++) ticks.push(10 ** p);
    return {
      kind, low: bottom, high, ticks,
      level: (x) => (x > bottom ? Math.min(LEVELS - 1, Math.floor((Math.log10(x / bottom) / span) * LEVELS)) : x <= bottom ? 0 : -1),
      at: (share) => bottom * 10 ** (span * share),
    };
  }
  const span = high - low;
  return {
    kind, low, high, ticks: niceTicks(low, high, 5),
    level: (x) => (x > low ? Math.min(LEVELS - 1, Math.floor(((x - low) / span) * LEVELS)) : x <= low ? 0 : -1),
    at: (share) => low + span * share,
  };
}

/** About n round numbers from low to high. */
export function niceTicks(low: number, high: number, n: number): number[] {
  const raw = (high - low) / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 2.5, 5, 10].find((m) => m * power >= raw) ?? 10);
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}
