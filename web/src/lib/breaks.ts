// Line ends of a text, drawn: a sign for each, and one line for all that follow each other, so that a model that writes nothing
// but line ends does not push everything else away.

export interface Piece {
  text: string;
  /** A line end: its sign is drawn in place of the text. */
  sign: boolean;
}

/** What each part (a token, a prompt) is drawn as. A line ends behind the last sign of a run, which may go through several parts. */
export function withBreaks(parts: readonly string[]): Piece[][] {
  const nextIsBreak = (i: number, at: number): boolean => {
    for (let text = parts[i]!.slice(at); ; text = parts[i]!) {
      if (text) return text[0] === '\n' || text.startsWith('\r\n');
      if (++i >= parts.length) return false;
    }
  };
  return parts.map((part, i) => {
    const pieces: Piece[] = [];
    let at = 0;
    for (const m of part.matchAll(/\r?\n/g)) {
      if (m.index > at) pieces.push({ text: part.slice(at, m.index), sign: false });
      at = m.index + m[0].length;
      pieces.push({ text: nextIsBreak(i, at) ? '' : '\n', sign: true });
    }
    if (at < part.length) pieces.push({ text: part.slice(at), sign: false });
    return pieces;
  });
}
