// The views of the page: a row each. What an address names that is none of them shows the first.
import type { Component } from 'svelte';
import Playground from './playground/Playground.svelte';

interface Row {
  /** What stands in addresses. */
  view: string;
  label: string;
  /** Part of the page's first load; or else fetched when it is opened. */
  component?: Component;
  load?: () => Promise<{ default: Component }>;
}

export const VIEWS = [
  { view: 'play', label: 'Playground', component: Playground },
  { view: 'compare', label: 'Compare', load: () => import('./compare/Compare.svelte') },
  { view: 'attention', label: 'Attention', load: () => import('./attention/Attention.svelte') },
  { view: 'lens', label: 'Lens', load: () => import('./lens/Lens.svelte') },
  { view: 'patch', label: 'Patching', load: () => import('./patch/Patch.svelte') },
  { view: 'runs', label: 'Runs', load: () => import('./report/Runs.svelte') },
] as const satisfies readonly Row[];

export type View = (typeof VIEWS)[number]['view'];

export function rowOf(view: string): Row {
  return VIEWS.find((v) => v.view === view) ?? VIEWS[0];
}
