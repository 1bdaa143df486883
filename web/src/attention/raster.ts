// The visible part of a rows x slots map as pixels, one for each cell; where cells are smaller than a pixel one for
// each pixel, showing the largest weight in it: a thin bright key must not vanish between its neighbours.
import { LEVELS, type Ramp, type ValueScale } from './colour.ts';
import { visible, type Extent, type Viewport } from './viewport.ts';

export interface MapData {
  /** rows x columns, row by row; NaN where a slot did not exist yet. */
  values: Float32Array;
  rows: number;
  columns: number;
}

export interface Raster {
  pixels: Uint32Array;
  width: number;
  height: number;
  /** Where it goes, in pixels from the map's corner. */
  left: number;
  top: number;
  drawnWidth: number;
  drawnHeight: number;
}

/** `unseen` is the pixel of a weight of exactly 0, which a row may not see or gives nothing. */
export function rasterise(m: MapData, v: Viewport, e: Extent, scale: ValueScale, ramp: Ramp, unseen: number): Raster {
  const { c0, c1, r0, r1 } = visible(v, e);
  const perColumn = Math.max(1, 1 / v.cellWidth);
  const perRow = Math.max(1, 1 / v.cellHeight);
  const width = Math.max(0, Math.ceil((c1 - c0) / perColumn));
  const height = Math.max(0, Math.ceil((r1 - r0) / perRow));
  const pixels = new Uint32Array(width * height);
  for (let py = 0; py < height; py++) {
    const ra = Math.floor(r0 + py * perRow);
    const rb = Math.max(ra + 1, Math.min(r1, Math.floor(r0 + (py + 1) * perRow)));
    for (let px = 0; px < width; px++) {
      const ca = Math.floor(c0 + px * perColumn);
      const cb = Math.max(ca + 1, Math.min(c1, Math.floor(c0 + (px + 1) * perColumn)));
      let largest = NaN;
      for (let r = ra; r < rb; r++)
        for (let c = ca; c < cb; c++) {
          const w = m.values[r * m.columns + c]!;
          if (!(w <= largest)) largest = Number.isNaN(w) ? largest : w;
        }
      if (Number.isNaN(largest)) continue;
      pixels[py * width + px] = largest === 0 ? unseen : ramp.pixel[Math.max(0, Math.min(LEVELS - 1, scale.level(largest)))]!;
    }
  }
  return {
    pixels, width, height,
    left: (c0 - v.x) * v.cellWidth,
    top: (r0 - v.y) * v.cellHeight,
    drawnWidth: width * perColumn * v.cellWidth,
    drawnHeight: height * perRow * v.cellHeight,
  };
}

/** The largest finite value, 0 if there is none. */
export function largest(values: Float32Array): number {
  let most = 0;
  for (const w of values) if (w > most && w < Infinity) most = w;
  return most;
}

/** A column's mean over the rows that have it: what the strip under the map shows. */
export function columnMeans(m: MapData): Float32Array {
  const means = new Float32Array(m.columns);
  for (let c = 0; c < m.columns; c++) {
    let sum = 0;
    let n = 0;
    for (let r = 0; r < m.rows; r++) {
      const w = m.values[r * m.columns + c]!;
      if (!Number.isNaN(w)) {
        sum += w;
        n++;
      }
    }
    means[c] = n > 0 ? sum / n : NaN;
  }
  return means;
}

/** The k slots with the largest weights of a row, largest first. */
export function topKeys(m: MapData, row: number, k: number): { slot: number; weight: number }[] {
  const found: { slot: number; weight: number }[] = [];
  for (let slot = 0; slot < m.columns; slot++) {
    const weight = m.values[row * m.columns + slot]!;
    if (!(weight > 0)) continue;
    const last = found[found.length - 1];
    if (found.length === k && last && weight <= last.weight) continue;
    let at = found.length;
    while (at > 0 && found[at - 1]!.weight < weight) at--;
    found.splice(at, 0, { slot, weight });
    if (found.length > k) found.pop();
  }
  return found;
}
