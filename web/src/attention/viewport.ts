// Which cells of a rows x slots map a rectangle of the screen shows. x and y are in cells, sizes in CSS pixels. Every
// function returns a new viewport that lies inside the map; nothing here knows of canvases or events.

export interface Extent { columns: number; rows: number; width: number; height: number }

export interface Viewport {
  /** First column and row at the left and top edge; fractions allowed. */
  x: number;
  y: number;
  /** Pixels a cell. */
  cellWidth: number;
  cellHeight: number;
}

const LARGEST_WIDTH = 64;
const LARGEST_HEIGHT = 30;
const FIT_WIDTH = 44;
const FIT_HEIGHT = 26;

export function fit(e: Extent): Viewport {
  return { x: 0, y: 0, cellWidth: smallestWidth(e), cellHeight: smallestHeight(e) };
}

function smallestWidth(e: Extent): number {
  return Math.min(FIT_WIDTH, e.width / Math.max(1, e.columns));
}

function smallestHeight(e: Extent): number {
  return Math.min(FIT_HEIGHT, e.height / Math.max(1, e.rows));
}

const clamp = (x: number, low: number, high: number) => Math.max(low, Math.min(high, x));

export function inside(v: Viewport, e: Extent): Viewport {
  const cellWidth = clamp(v.cellWidth, smallestWidth(e), Math.max(LARGEST_WIDTH, smallestWidth(e)));
  const cellHeight = clamp(v.cellHeight, smallestHeight(e), Math.max(LARGEST_HEIGHT, smallestHeight(e)));
  return {
    cellWidth, cellHeight,
    x: clamp(v.x, 0, Math.max(0, e.columns - e.width / cellWidth)),
    y: clamp(v.y, 0, Math.max(0, e.rows - e.height / cellHeight)),
  };
}

/** Zooms by a factor; the cell under pixel (px, py) stays there as far as the edges allow. */
export function zoom(v: Viewport, e: Extent, factor: number, px: number, py: number): Viewport {
  const column = v.x + px / v.cellWidth;
  const row = v.y + py / v.cellHeight;
  const next = inside({ ...v, cellWidth: v.cellWidth * factor, cellHeight: v.cellHeight * factor }, e);
  return inside({ ...next, x: column - px / next.cellWidth, y: row - py / next.cellHeight }, e);
}

export function pan(v: Viewport, e: Extent, dxPixels: number, dyPixels: number): Viewport {
  return inside({ ...v, x: v.x + dxPixels / v.cellWidth, y: v.y + dyPixels / v.cellHeight }, e);
}

/** The least pan after which a cell is wholly in view. */
export function reveal(v: Viewport, e: Extent, row: number, column: number): Viewport {
  const across = e.width / v.cellWidth;
  const down = e.height / v.cellHeight;
  const x = column < v.x ? column : column + 1 > v.x + across ? column + 1 - across : v.x;
  const y = row < v.y ? row : row + 1 > v.y + down ? row + 1 - down : v.y;
  return inside({ ...v, x, y }, e);
}

/** The cells that can be seen: [from, to) of columns and rows. */
export function visible(v: Viewport, e: Extent): { c0: number; c1: number; r0: number; r1: number } {
  return {
    c0: Math.max(0, Math.floor(v.x)),
    c1: Math.min(e.columns, Math.ceil(v.x + e.width / v.cellWidth)),
    r0: Math.max(0, Math.floor(v.y)),
    r1: Math.min(e.rows, Math.ceil(v.y + e.height / v.cellHeight)),
  };
}

/** The cell under a pixel, null outside the map. */
export function cellAt(v: Viewport, e: Extent, px: number, py: number): { row: number; column: number } | null {
  const column = Math.floor(v.x + px / v.cellWidth);
  const row = Math.floor(v.y + py / v.cellHeight);
  if (px < 0 || py < 0 || px >= e.width || py >= e.height) return null;
  return column >= 0 && column < e.columns && row >= 0 && row < e.rows ? { row, column } : null;
}

export function isFitted(v: Viewport, e: Extent): boolean {
  return v.cellWidth <= smallestWidth(e) * 1.001 && v.cellHeight <= smallestHeight(e) * 1.001;
}
