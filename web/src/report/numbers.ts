// Numbers as text. What is not a finite number is a dash, never 'null' or 'NaN'.

const SUPERSCRIPT: Record<string, string> = {
  '-': '⁻', '0': '⁰', '1': '¹', '2': '²', '3': '³', '4': '⁴', '5': '⁵', '6': '⁶', '7': '⁷', '8': '⁸', '9': '⁹',
};
export const DASH = '–';
const MINUS = '−';

export function isNumber(x: unknown): x is number {
  return typeof x === 'number' && Number.isFinite(x);
}

function withMinus(text: string): string {
  return text.replace(/^-/, MINUS);
}

/** `digits` significant digits; below 1e-4 and from 1e6 as a power of ten. */
export function number(x: unknown, digits = 3): string {
  if (!isNumber(x)) return DASH;
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size < 1e-4 || size >= 1e6) {
    const [mantissa, power] = x.toExponential(Math.max(0, Math.min(digits, 2) - 1)).split('e');
    const raised = String(Number(power)).replace(/[-0-9]/g, (c) => SUPERSCRIPT[c] ?? c);
    return `${withMinus(mantissa ?? '')}\u00a0×\u00a010${raised}`;
  }
  // toPrecision would print 123456 as 1.23e+5; whole digits are never rounded away
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return withMinus(x.toFixed(decimals));
}

/** As `number` but without the zeros at the end: axes, bounds, and what was set by hand. */
export function plain(x: unknown, digits = 3): string {
  const text = number(x, digits);
  return /^[^×]*\.[0-9]*$/.test(text) ? text.replace(/\.?0+$/, '') : text;
}

/** A step, which data count from 0, as people count sets: from 1. */
export function setNumber(step: unknown): string {
  return isNumber(step) ? integer(step + 1) : DASH;
}

export function integer(x: unknown): string {
  return isNumber(x) ? withMinus(Math.round(x).toLocaleString('en-GB')) : DASH;
}

/** A share of 1 as a percentage. */
export function percent(x: unknown, digits = 2): string {
  if (!isNumber(x)) return DASH;
  const y = 100 * x;
  return `${Math.abs(y) >= 99.95 ? y.toFixed(0) : plain(y, digits)}%`;
}

/** What is a percentage already, with its sign. */
export function signedPercent(x: unknown, decimals = 1): string {
  if (!isNumber(x)) return DASH;
  const text = Math.abs(x).toFixed(decimals);
  return `${Number(text) === 0 ? '' : x < 0 ? MINUS : '+'}${text}%`;
}

/** How much faster, as people say it: "6.5% slower", never "-6.5% faster". */
export function faster(x: unknown, decimals = 1): string {
  if (!isNumber(x)) return DASH;
  const text = Math.abs(x).toFixed(decimals);
  return Number(text) === 0 ? 'as fast' : `${text}% ${x < 0 ? 'slower' : 'faster'}`;
}

export function interval(pair: unknown, format: (x: unknown) => string = number): string {
  if (!Array.isArray(pair) || pair.length !== 2) return DASH;
  return `${format(pair[0])} to ${format(pair[1])}`;
}

export function pValue(p: unknown): string {
  if (!isNumber(p)) return DASH;
  if (p < 0.001) return '< 0.001';
  return p > 0.999 ? '> 0.999' : p.toFixed(p < 0.1 ? 3 : 2);
}

export function seconds(s: unknown): string {
  if (!isNumber(s)) return DASH;
  if (s === 0) return '0 s';
  if (s < 1e-3) return `${plain(s * 1e6)} µs`;
  if (s < 1) return `${plain(s * 1e3)} ms`;
  return `${number(s)} s`;
}

export function bytes(n: unknown): string {
  if (!isNumber(n)) return DASH;
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${number(n / 1e3)} KB`;
  return n < 1e9 ? `${number(n / 1e6)} MB` : `${number(n / 1e9)} GB`;
}

/** 2026-11-24T20:30:15Z as '24 Nov 2026, 20:30' (UTC); anything else as it is. */
export function date(text: unknown): string {
  const m = typeof text === 'string' ? /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)/.exec(text) : null;
  if (!m) return typeof text === 'string' ? text : DASH;
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  return `${Number(m[3])} ${months[Number(m[2]) - 1] ?? m[2]} ${m[1]}, ${m[4]}`;
}

/** A token's text with what cannot be seen made visible. */
export function tokenText(text: unknown): string {
  if (typeof text !== 'string') return DASH;
  if (text === '') return '∅';
  return text.replace(/\n/g, '⏎').replace(/\t/g, '⇥').replace(/\r/g, '␍').replace(/^ +| +$/g, (s) => '·'.repeat(s.length));
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${integer(n)} ${n === 1 ? one : many}`;
}
