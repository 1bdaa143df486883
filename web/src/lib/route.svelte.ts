// The address after # : a view and its parameters, `#/attention?gen=gen-1&step=3`. It is the page's permanent link.

import type { View } from '../views';

function read(): { view: string; path: string[]; params: URLSearchParams } {
  const hash = location.hash.replace(/^#\/?/, '');
  const question = hash.indexOf('?');
  const path = (question < 0 ? hash : hash.slice(0, question)).split('/').filter(Boolean);
  return { view: path[0] ?? '', path: path.slice(1), params: new URLSearchParams(question < 0 ? '' : hash.slice(question + 1)) };
}

class Route {
  #now = $state.raw(read());
  constructor() {
    addEventListener('hashchange', () => (this.#now = read()));
  }
  /** As the address has it: it may be none. */
  get view(): string {
    return this.#now.view;
  }
  /** What follows the view: `#/runs/ID/report` gives ['ID', 'report']. */
  get path(): string[] {
    return this.#now.path;
  }
  get params(): URLSearchParams {
    return this.#now.params;
  }
  /** Changes the address without a new entry in the browser's history, e.g. while something is adjusted. */
  replace(hash: string): void {
    if (hash === location.hash) return;
    history.replaceState(history.state, '', hash);
    this.#now = read();
  }
  /** Goes to another address; Back returns. */
  go(hash: string): void {
    location.hash = hash;
  }
}

export const route = new Route();

export function hashOf(view: View, path: string[] = [], params?: URLSearchParams | Record<string, string>): string {
  const query = new URLSearchParams(params).toString();
  return `#/${[view, ...path.map(encodeURIComponent)].join('/')}${query ? `?${query}` : ''}`;
}
