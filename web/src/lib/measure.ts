// Widths of tokens as the page writes them, without asking the browser to lay anything out.
import { shown } from './text';

export const TOKEN_FONT = '16px';
/** Names of special tokens are set smaller. */
export const isSpecial = (text: string): boolean => /^<[|\w].*>$/.test(text) && text.length > 3;
const SPECIAL_FONT = '400 11.5px';
let context: CanvasRenderingContext2D | null = null;
let family = '';
const known = [new Map<string, number>(), new Map<string, number>()];

/** The width of a token in px; `top` for the heavier letters of the most probable member. */
export function measure(token: { text: string; bytes?: number[] | undefined }, top: boolean): number {
  const text = shown(token);
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
