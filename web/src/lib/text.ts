// How tokens and numbers are written.

/** A token's text with what is invisible made visible: a leading space as ·, line ends as ↵. */
export function shown(token: { text: string; bytes?: string | undefined; id?: number }): string {
  if (token.text === '') return token.bytes ? `‹${token.bytes}›` : '∅';
  return token.text.replaceAll(' ', '·').replaceAll('\n', '↵').replaceAll('\r', '␍').replaceAll('\t', '⇥');
}

/** A token as it is read aloud: line ends and spaces have names. */
export function spoken(token: { text: string; bytes?: string | undefined }): string {
  const plain = token.text.trim();
  if (plain) return plain;
  if (token.text === '') return token.bytes ? `bytes ${token.bytes}` : 'empty token';
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
