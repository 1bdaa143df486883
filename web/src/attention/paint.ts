// Draws a head's map: cells, labels of rows and slots, brackets around siblings. Only what is in view is drawn.
import type { HeadMap, Token } from './data.ts';
import { rasterise } from './raster.ts';
import type { Ramp, ValueScale } from './colour.ts';
import { visible, type Extent, type Viewport } from './viewport.ts';

export interface Ink { text: string; faint: string; line: string; ground: string; accent: string; sibling: string; font: string }

export interface Scene {
  map: HeadMap;
  tokens: readonly Token[];
  runs: Map<number, { first: number; last: number; count: number }>;
  means: Float32Array;
  view: Viewport;
  extent: Extent;
  left: number;
  top: number;
  scale: ValueScale;
  ramp: Ramp;
  ink: Ink;
  focus: { row: number; column: number } | null;
  label: (t: Token | undefined) => string;
}

export const TOP = 96;
/** Room for the end of the last slanted label. */
export const RIGHT = 30;
const LABELLED = 13;

export function paint(canvas: HTMLCanvasElement, scratch: HTMLCanvasElement, s: Scene, ratio: number): void {
  const c = canvas.getContext('2d');
  if (!c) return;
  const width = s.left + s.extent.width + RIGHT;
  const height = s.top + s.extent.height;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  paintCells(c, scratch, s);
  paintColumns(c, s);
  paintRows(c, s);
  paintSiblings(c, s);
  if (s.focus) paintFocus(c, s, s.focus);
}

function clipToMap(c: CanvasRenderingContext2D, s: Scene): void {
  c.save();
  c.beginPath();
  c.rect(s.left, s.top, s.extent.width, s.extent.height);
  c.clip();
}

function paintCells(c: CanvasRenderingContext2D, scratch: HTMLCanvasElement, s: Scene): void {
  const unseen = pixelOf(s.ink.ground);
  const r = rasterise(s.map, s.view, s.extent, s.scale, s.ramp, unseen);
  if (r.width === 0 || r.height === 0) return;
  scratch.width = r.width;
  scratch.height = r.height;
  const image = new ImageData(new Uint8ClampedArray(r.pixels.buffer as ArrayBuffer), r.width, r.height);
  scratch.getContext('2d')?.putImageData(image, 0, 0);
  clipToMap(c, s);
  c.imageSmoothingEnabled = false;
  c.drawImage(scratch, s.left + r.left, s.top + r.top, r.drawnWidth, r.drawnHeight);
  if (s.view.cellWidth >= 8 && s.view.cellHeight >= 8) {
    // hair lines between cells that can be told apart
    const { c0, c1, r0, r1 } = visible(s.view, s.extent);
    c.strokeStyle = s.ink.line;
    c.lineWidth = 0.5;
    c.beginPath();
    for (let k = c0; k <= c1; k++) line(c, x(s, k), y(s, r0), x(s, k), y(s, r1));
    for (let k = r0; k <= r1; k++) line(c, x(s, c0), y(s, k), x(s, c1), y(s, k));
    c.stroke();
  }
  c.restore();
}

const x = (s: Scene, column: number) => s.left + (column - s.view.x) * s.view.cellWidth;
const y = (s: Scene, row: number) => s.top + (row - s.view.y) * s.view.cellHeight;

function line(c: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  c.moveTo(x1, y1);
  c.lineTo(x2, y2);
}

/** "#rrggbb" as a pixel; mid grey where a colour is written otherwise. */
function pixelOf(colour: string): number {
  const m = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour.trim());
  const [r, g, b] = m ? m.slice(1).map((h) => Number.parseInt(h, 16)) : [128, 128, 128];
  return ((255 << 24) | (b! << 16) | (g! << 8) | r!) >>> 0;
}

function cut(text: string, n: number): string {
  return text.length > n ? `${text.slice(0, n - 1)}…` : text;
}

function paintColumns(c: CanvasRenderingContext2D, s: Scene): void {
  const { c0, c1 } = visible(s.view, s.extent);
  c.font = `12px ${s.ink.font}`;
  c.textBaseline = 'middle';
  c.textAlign = 'left';
  if (s.view.cellWidth >= LABELLED) {
    for (let k = c0; k < c1; k++) {
      const at = x(s, k) + s.view.cellWidth / 2;
      if (at < s.left || at > s.left + s.extent.width) continue;
      c.save();
      c.translate(at, s.top - 13);
      c.rotate((-62 * Math.PI) / 180);
      c.fillStyle = s.focus?.column === k ? s.ink.accent : s.ink.text;
      c.fillText(cut(s.label(s.tokens[k]), 11), 0, 0);
      c.restore();
    }
    return;
  }
  // too narrow for words: the mean of each slot as a column of light, and slot numbers
  let most = 0;
  for (let k = c0; k < c1; k++) if (s.means[k]! > most) most = s.means[k]!;
  const room = s.top - 34;
  c.fillStyle = s.ink.accent;
  const perPixel = Math.max(1, Math.ceil(1 / s.view.cellWidth));
  for (let k = c0; k < c1; k += perPixel) {
    let m = 0;
    for (let j = k; j < Math.min(c1, k + perPixel); j++) if (s.means[j]! > m) m = s.means[j]!;
    const h = most > 0 ? Math.sqrt(m / most) * room : 0;
    c.fillRect(x(s, k), s.top - 22 - h, Math.max(1, s.view.cellWidth * perPixel - (s.view.cellWidth > 3 ? 1 : 0)), h);
  }
  c.fillStyle = s.ink.faint;
  c.textAlign = 'center';
  const step = niceStep((70 / s.view.cellWidth) | 0);
  for (let k = Math.ceil(c0 / step) * step; k < c1; k += step) {
    const at = x(s, k) + s.view.cellWidth / 2;
    if (at >= s.left + 8 && at <= s.left + s.extent.width - 12) c.fillText(String(k), at, s.top - 12);
  }
}

function niceStep(n: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, n)));
  return power * ([1, 2, 5, 10].find((m) => m * power >= n) ?? 10);
}

function paintRows(c: CanvasRenderingContext2D, s: Scene): void {
  const { r0, r1 } = visible(s.view, s.extent);
  c.font = `12px ${s.ink.font}`;
  c.textBaseline = 'middle';
  c.textAlign = 'right';
  const stacked = s.map.rowsOf[0]?.step !== s.map.rowsOf[s.map.rows - 1]?.step;
  const every = Math.max(1, Math.ceil(13 / s.view.cellHeight));
  const letters = Math.max(3, Math.floor((s.left - (stacked ? 34 : 12)) / 7));
  for (let r = r0; r < r1; r++) {
    const info = s.map.rowsOf[r]!;
    const middle = y(s, r) + s.view.cellHeight / 2;
    if (middle < s.top || middle > s.top + s.extent.height) continue;
    const begins = r === 0 || s.map.rowsOf[r - 1]!.step !== info.step;
    if (stacked && begins) {
      c.strokeStyle = s.ink.line;
      c.lineWidth = 1;
      c.beginPath();
      line(c, s.left, y(s, r), s.left + s.extent.width, y(s, r));
      if (s.view.cellHeight >= 4) c.stroke();
    }
    if (r % every !== 0 && every > 1) continue;
    c.fillStyle = s.focus?.row === r ? s.ink.accent : s.ink.text;
    c.fillText(cut(s.label(s.tokens[info.slot]), letters), s.left - 6, middle);
    if (stacked && (begins || every > 1)) {
      c.fillStyle = s.ink.faint;
      c.textAlign = 'left';
      c.fillText(String(info.step), 2, middle);
      c.textAlign = 'right';
    }
  }
}

function paintSiblings(c: CanvasRenderingContext2D, s: Scene): void {
  const { c0, c1, r0, r1 } = visible(s.view, s.extent);
  c.strokeStyle = s.ink.sibling;
  // brackets over the slots of each set
  c.lineWidth = 2;
  c.beginPath();
  for (const run of s.runs.values()) {
    if (run.last < c0 || run.first >= c1 || s.view.cellWidth * run.count < 4) continue;
    const a = Math.max(s.left, x(s, run.first) + 1.5);
    const b = Math.min(s.left + s.extent.width, x(s, run.last + 1) - 1.5);
    if (b <= a) continue;
    c.moveTo(a, s.top - 2);
    c.lineTo(a, s.top - 6);
    c.lineTo(b, s.top - 6);
    c.lineTo(b, s.top - 2);
  }
  c.stroke();
  // outlines where a row's siblings (and it) are
  clipToMap(c, s);
  c.lineWidth = 2;
  for (let r = r0; r < r1; ) {
    const info = s.map.rowsOf[r]!;
    let end = r + 1;
    while (end < s.map.rows && s.map.rowsOf[end]!.step === info.step) end++;
    let begin = r;
    while (begin > 0 && s.map.rowsOf[begin - 1]!.step === info.step) begin--;
    const set = s.tokens[info.slot]?.set;
    const run = set === null || set === undefined ? undefined : s.runs.get(set);
    if (run && s.view.cellHeight >= 2) {
      const w = Math.max(2, (run.last + 1 - run.first) * s.view.cellWidth);
      c.strokeRect(x(s, run.first), y(s, begin), w, (end - begin) * s.view.cellHeight);
    }
    r = end;
  }
  c.restore();
}

function paintFocus(c: CanvasRenderingContext2D, s: Scene, f: { row: number; column: number }): void {
  clipToMap(c, s);
  const w = Math.max(6, s.view.cellWidth);
  const h = Math.max(6, s.view.cellHeight);
  const left = x(s, f.column) + s.view.cellWidth / 2 - w / 2;
  const top = y(s, f.row) + s.view.cellHeight / 2 - h / 2;
  c.lineWidth = 4;
  c.strokeStyle = s.ink.ground;
  c.strokeRect(left, top, w, h);
  c.lineWidth = 2;
  c.strokeStyle = s.ink.text;
  c.strokeRect(left, top, w, h);
  c.restore();
}
