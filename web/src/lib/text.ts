// How tokens and numbers are written.

interface Token {
  text: string;
  bytes?: number[] | undefined;
}

const encoder = new TextEncoder();

export const bytesOf = (t: Token): number[] => t.bytes ?? [...encoder.encode(t.text)];

export const hex = (bytes: readonly number[]): string => bytes.map((b) => b.toString(16).padStart(2, '0')).join(' ');

/** Text of tokens one after another; a character that is spread over several becomes whole. */
export function joined(tokens: readonly Token[]): string {
  if (tokens.every((t) => !t.bytes)) return tokens.map((t) => t.text).join('');
  return new TextDecoder().decode(Uint8Array.from(tokens.flatMap(bytesOf)));
}

/** A token's text with what is invisible made visible: a space as ·, a line end as ↵, bytes that are no text in hexadecimal. */
export function shown(token: Token): string {
  if (token.bytes) return `‹${hex(token.bytes)}›`;
  if (token.text === '') return '∅';
  return token.text.replaceAll(' ', '·').replaceAll('\n', '↵').replaceAll('\r', '␍').replaceAll('\t', '⇥');
}

/** A token as it is read aloud: line ends and spaces have names. */
export function spoken(token: Token): string {
  if (token.bytes) return `bytes ${hex(token.bytes)}`;
  const plain = token.text.trim();
  if (plain) return plain;
  if (token.text === '') return 'empty token';
  return token.text.includes('\n') ? 'line end' : 'space';
}

/** 0.2549 -> "25%", 0.0312 -> "3.1%", 0.00012 -> "0.012%". */
export function percent(p: number): string {
  if (!Number.isFinite(p)) return '–';
  const x = 100 * p;
  if (x === 0) return '0%';
  if (x >= 99.95) return x >= 100 ? '100%' : '>99.9%';
  if (x >= 9.95) return `${x.toFixed(0)}%`;
  if (x >= 0.995) return `${x.toFixed(1)}%`;
  return `${x.toPrecision(2)}%`;
}

/** A number with `digits` significant digits, without an exponent where that can be read. */
export function short(x: number, digits = 3): string {
  if (!Number.isFinite(x)) return '–';
  if (x === 0) return '0';
  const a = Math.abs(x);
  if (a >= 1e-4 && a < 1e6) return String(Number(x.toPrecision(digits)));
  return x.toExponential(digits - 1);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** The server's words as a sentence. */
export const whole = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? '' : '.');

/** How much of a run's attention the server has; `of` counts the steps that selected a set. */
export const keptWords = (kept: number, of: number): string => `${Math.min(kept, of).toLocaleString('en')} of ${plural(of, 'step')} kept.`;
