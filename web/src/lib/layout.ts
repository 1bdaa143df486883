// Where the columns of sets stand: broken into lines like words of a text. Pure arithmetic, so that arcs can be drawn to
// members that are far off the screen, and only the lines on the screen have to exist as elements.
import { short } from './text';
import type { Member, SetEvent } from './types';

export const ROW = 28;
export const HEAD = 24;
export const GAP_X = 10;
export const GAP_Y = 26;
export const GAP_ARM = 10;
/** A mark below a stack: one line, with the space above it. */
export const MARK = 21;
/** Members that a column shows before it is opened. */
export const FOLD = 12;

export interface Token {
  text: string;
  bytes?: number[] | undefined;
}

/** What is said below a stack. */
export interface Mark {
  text: string;
  help: string;
  warn: boolean;
}

export function marksOf(set: SetEvent): Mark[] {
  const marks: Mark[] = [];
  const threshold = `${short(100 * set.threshold)}%`;
  if (set.reached === 0 && !set.given && set.members.length > 0)
    marks.push({ text: `none ≥ ${threshold}`, help: `No token reached the threshold of ${threshold}: the most probable one stands in`, warn: false });
  if (set.eos) marks.push({ text: '■ end', help: 'An end-of-sequence token is in this set', warn: false });
  if (set.capped) marks.push({ text: `✂ ${set.members.length} of ${set.reached}`, help: `${set.reached} tokens reached the threshold; max-set keeps ${set.members.length}`, warn: true });
  return marks;
}

/** One column: the same step of every arm, one stack below the other. */
export interface Column {
  kind: 'prompt' | 'set';
  /** The step, or the prompt token's index. */
  index: number;
  x: number;
  width: number;
  /** For each arm the set, or null where that arm took no such step. */
  sets: (SetEvent | null)[];
  /** How many members each stack shows, and how many it hides. */
  rows: number[];
  more: number[];
  marks: Mark[][];
  token?: Token;
}

export interface Line {
  y: number;
  height: number;
  columns: Column[];
  /** The top of each arm's stacks, from the line's top. */
  tops: number[];
}

export interface Layout {
  lines: Line[];
  height: number;
  /** lineOf[step] is the index of the line that has the step. */
  lineOf: number[];
  promptLineOf: number[];
}

export interface Input {
  prompt: readonly Token[];
  arms: readonly string[];
  sets: Record<string, SetEvent[]>;
  /** Steps whose columns are open. */
  open: ReadonlySet<number>;
  width: number;
  measure: (text: Token, top: boolean) => number;
  /** What a reader's own style adds to each small letter and word, in px. */
  spacing?: { letter: number; small: number; word: number };
  /** What stands in the head of a step's column. */
  head?: (step: number) => string;
}

/** What a member's row needs besides its text: padding, the gap and the share. */
const EXTRA = 64;
const MIN = 76;
const MAX = 230;
/** Beside each other arms need more: the sign of a difference, the divergence in the head, a sign for the arm at the left. */
const EXTRA_ARMS = 84;
const MIN_ARMS = 140;
const INDENT_ARMS = 20;
const PROMPT_PAD = 8;
/** Upper bounds for a mark's small letters and its padding. */
const MARK_LETTER = 6.6;
const MARK_PAD = 14;
/** Letters of a share, ">99.9%", and how wide an ordinary letter of a token is. */
const SHARE_LETTERS = 6;
const LETTER = 8;

const shownRows = (members: readonly Member[], open: boolean) =>
  open || members.length <= FOLD + 1 ? members.length : FOLD;

/** Lines of columns no wider than `width`. A prompt's tokens stand as columns of their own, without stacks. */
export function arrange(input: Input): Layout {
  const { arms, sets, open, measure, prompt } = input;
  const spacing = input.spacing ?? { letter: 0, small: 0, word: 0 };
  const small = (text: string) => (MARK_LETTER + spacing.small) * text.length + spacing.word * (text.split(' ').length - 1) + MARK_PAD;
  const wider = SHARE_LETTERS * spacing.small + (input.arms.length > 1 ? 2 * spacing.letter : 0);
  const most = MAX * (1 + spacing.letter / LETTER);
  const layout: Layout = { lines: [], height: 0, lineOf: [], promptLineOf: [] };
  const width = Math.max(120, input.width);
  const several = arms.length > 1;
  const indent = several ? INDENT_ARMS : 0;
  let x = indent;
  let columns: Column[] = [];

  const close = () => {
    if (columns.length === 0) return;
    const tops: number[] = [];
    const onlyPrompt = columns.every((c) => c.kind === 'prompt');
    let y = HEAD;
    arms.forEach((_, a) => {
      tops.push(y);
      if (onlyPrompt) return;
      const heights = columns.map((c) => (c.kind === 'set' ? (c.rows[a]! + (c.more[a]! > 0 || isOpen(c, a) ? 1 : 0)) * ROW + c.marks[a]!.length * MARK : ROW));
      y += Math.max(ROW, ...heights) + (a + 1 < arms.length ? GAP_ARM : 0);
    });
    if (onlyPrompt) y += ROW;
    const y0 = layout.lines.length ? layout.height + GAP_Y : 0;
    layout.lines.push({ y: y0, height: y, columns, tops });
    layout.height = y0 + y;
    columns = [];
    x = indent;
  };
  const isOpen = (c: Column, a: number) => open.has(c.index) && (c.sets[a]?.members.length ?? 0) > FOLD + 1;
  const place = (c: Column, gap: number) => {
    const need = Math.min(c.width, width - indent);
    if (columns.length > 0 && x + need > width) close();
    c.x = x;
    c.width = need;
    columns.push(c);
    x += need + gap;
    (c.kind === 'set' ? layout.lineOf : layout.promptLineOf)[c.index] = layout.lines.length;
  };

  prompt.forEach((token, index) =>
    place({ kind: 'prompt', index, x: 0, width: measure(token, false) + PROMPT_PAD, sets: [], rows: [], more: [], marks: [], token }, index + 1 === prompt.length ? GAP_X : 1),
  );
  const steps = Math.max(0, ...arms.map((a) => sets[a]?.length ?? 0));
  for (let t = 0; t < steps; t++) {
    const here = arms.map((a) => sets[a]?.[t] ?? null);
    const rows = here.map((s) => (s ? shownRows(s.members, open.has(t)) : 0));
    let w = (several ? MIN_ARMS : MIN) + wider;
    here.forEach((s, a) => s?.members.slice(0, rows[a]).forEach((m, i) => (w = Math.max(w, measure(m, i === 0) + (several ? EXTRA_ARMS : EXTRA) + wider))));
    const marks = here.map((s) => (s ? marksOf(s) : []));
    marks.flat().forEach((m) => (w = Math.max(w, small(m.text))));
    const head = input.head?.(t) ?? '';
    if (head) w = Math.max(w, small(head));
    place(
      {
        kind: 'set',
        index: t,
        x: 0,
        width: Math.min(most, Math.ceil(w)),
        sets: here,
        rows,
        marks,
        more: here.map((s, a) => (s ? s.members.length - rows[a]! : 0)),
      },
      GAP_X,
    );
  }
  close();
  return layout;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Where member `row` of an arm's set stands; null when its column does not exist or hides it. */
export function memberBox(layout: Layout, step: number, arm: number, row: number): Box | null {
  const line = layout.lines[layout.lineOf[step] ?? -1];
  const column = line?.columns.find((c) => c.kind === 'set' && c.index === step);
  if (!line || !column || row >= (column.rows[arm] ?? 0)) return null;
  return { x: column.x, y: line.y + line.tops[arm]! + row * ROW, width: column.width, height: ROW };
}

export function promptBox(layout: Layout, index: number): Box | null {
  const line = layout.lines[layout.promptLineOf[index] ?? -1];
  const column = line?.columns.find((c) => c.kind === 'prompt' && c.index === index);
  return line && column ? { x: column.x, y: line.y + (line.tops[0] ?? HEAD), width: column.width, height: ROW } : null;
}

/** The lines that touch the range from `top` to `bottom`: [first, last + 1]. */
export function visibleLines(layout: Layout, top: number, bottom: number): [number, number] {
  let first = layout.lines.findIndex((l) => l.y + l.height >= top);
  if (first < 0) first = layout.lines.length;
  let end = first;
  while (end < layout.lines.length && layout.lines[end]!.y <= bottom) end++;
  return [first, end];
}
