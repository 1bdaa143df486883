// Colours that carry meaning. All are told apart by people with any colour vision, and nothing is told by colour alone.

/**
 * Cividis, t from 0 (dark blue) to 1 (yellow): lightness rises evenly for every kind of colour vision.
 * Polynomial: d3-scale-chromatic's interpolateCividis; the map: Nuñez, Anderton, Renslow (2018).
 */
export function cividisRgb(t: number): [number, number, number] {
  t = Math.max(0, Math.min(1, t));
  const c = (x: number) => Math.max(0, Math.min(255, Math.round(x)));
  return [
    c(-4.54 - t * (35.34 - t * (2381.73 - t * (6402.7 - t * (7024.72 - t * 2710.57))))),
    c(32.49 + t * (170.73 + t * (52.82 - t * (131.46 - t * (176.58 - t * 67.37))))),
    c(81.24 + t * (442.36 - t * (2482.43 - t * (6167.24 - t * (6614.94 - t * 2475.67))))),
  ];
}

export const cividis = (t: number): string => `rgb(${cividisRgb(t).join(' ')})`;

const VIRIDIS = [
  [0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631],
  [0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535],
  [0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832],
] as const;

/** Viridis, t from 0 (violet) to 1 (yellow), by Matt Zucker's polynomial; the map: Smith and van der Walt (2015). */
export function viridis(t: number): string {
  const x = Math.max(0, Math.min(1, t));
  const rgb = VIRIDIS.map((c) => Math.round(255 * Math.max(0, Math.min(1, c.reduceRight<number>((sum, k) => sum * x + k, 0)))));
  return `rgb(${rgb.join(' ')})`;
}

/** Probability p to a colour; the square root spreads the small ones, where most members are. */
export const probabilityColor = (p: number): string => viridis(0.12 + 0.88 * Math.sqrt(p));

/**
 * The arms, after Okabe and Ito; `css` is a variable of lib/base.css (its value depends on the theme),
 * `mark` is how the arm is told apart without colour, `dash` the same for lines.
 */
interface Arm {
  css: string;
  mark: string;
  dash: string;
  label: string;
  help: string;
  /** It computes what the published program did: something else than the method, whatever the mode. */
  replay?: true;
}

export const ARMS: Record<string, Arm> = {
  isolated: { css: 'var(--arm-isolated)', mark: '●', dash: '', label: 'isolated', help: 'members of a set do not see each other' },
  visible: { css: 'var(--arm-visible)', mark: '◆', dash: '7 3', label: 'visible', help: 'members of a set see each other, both ways' },
  causal: { css: 'var(--arm-causal)', mark: '▲', dash: '2 3', label: 'causal', help: 'a member sees itself and the more probable ones before it' },
  published: { css: 'var(--arm-published)', mark: '■', dash: '9 3 2 3', label: 'published', help: 'replay of the published program: only the least probable member of a set enters the context', replay: true },
  'published-nocache': { css: 'var(--arm-published-nocache)', mark: '▼', dash: '4 4', label: 'published-nocache', help: 'the same replay, without the prompt’s last token fed twice', replay: true },
  // What experiments call their replay: the sign of what it replays.
  replay: { css: 'var(--arm-published)', mark: '■', dash: '9 3 2 3', label: 'replay', help: 'replay of the published program: only the least probable member of a set enters the context', replay: true },
};

/** The arms that a request may name. */
export const CHOICES = ['isolated', 'visible', 'causal', 'published', 'published-nocache'] as const;

export const isReplay = (name: string): boolean => ARMS[name]?.replay === true;

/** What was printed in the publication: a text, no run. */
export const PRINTED = { css: 'var(--ink-3)', mark: '¶' };

export const armOf = (name: string): Arm => ARMS[name] ?? { css: 'var(--ink)', mark: '○', dash: '', label: name, help: '' };
