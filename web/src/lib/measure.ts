// Widths of tokens as the page writes them, without asking the browser to lay anything out.
import { shown } from './text';

export const TOKEN_FONT = '16px';
/** Names of special tokens are set smaller. */
export const isSpecial = (text: string): boolean => /^<[|\w].*>$/.test(text) && text.length > 3;
const SPECIAL_FONT = '400 11.5px';
let context: CanvasRenderingContext2D | null = null;
let family = '';
const known = [new Map<string, number>(), new Map<string, number>()];

/** What a reader's own style adds to letters and words, in px: at the size of tokens, and at that of the small print. */
export interface Spacing {
  letter: number;
  small: number;
  word: number;
}
export const NO_SPACING: Spacing = { letter: 0, small: 0, word: 0 };

/** As an element of each size has it. */
export function spacingOf(token: Element, small: Element): Spacing {
  const px = (v: string) => Number.parseFloat(v) || 0; // "normal" is none
  const [a, b] = [getComputedStyle(token), getComputedStyle(small)];
  return { letter: px(a.letterSpacing), small: px(b.letterSpacing), word: px(b.wordSpacing) };
}

type Token = { text: string; bytes?: number[] | undefined };

/** The width of a token in px; `top` for the heavier letters of the most probable member. */
export const measureWith = (spacing: Spacing) => (token: Token, top: boolean): number => {
  const text = shown(token);
  return bare(text, top) + [...text].length * (isSpecial(token.text) ? spacing.small : spacing.letter);
};

function bare(text: string, top: boolean): number {
  const cache = known[top ? 1 : 0]!;
  const before = cache.get(text);
  if (before !== undefined) return before;
  context ??= document.createElement('canvas').getContext('2d');
  family ||= getComputedStyle(document.documentElement).getPropertyValue('--serif') || 'serif';
  let width = 9 * text.length;
  if (context) {
    context.font = `${isSpecial(text) ? SPECIAL_FONT : `${top ? '700' : '400'} ${TOKEN_FONT}`} ${family}`;
    width = context.measureText(text).width;
  }
  cache.set(text, width);
  return width;
}
