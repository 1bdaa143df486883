// Light, dark, or as the system says: kept in this browser.

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'tempo-theme';

function stored(): Theme {
  try {
    const t = localStorage.getItem(KEY);
    return t === 'light' || t === 'dark' ? t : 'system';
  } catch {
    return 'system';
  }
}

class ThemeState {
  choice = $state<Theme>(stored());
  #system = $state(false);

  constructor() {
    const media = matchMedia('(prefers-color-scheme: dark)');
    this.#system = media.matches;
    media.addEventListener('change', (e) => {
      this.#system = e.matches;
      this.apply();
    });
    this.apply();
  }

  /** Whether dark is shown now; canvases redraw when it changes. */
  get dark(): boolean {
    return this.choice === 'system' ? this.#system : this.choice === 'dark';
  }

  set(choice: Theme): void {
    this.choice = choice;
    try {
      if (choice === 'system') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, choice);
    } catch {
      /* lasts as long as the page then */
    }
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset.theme = this.dark ? 'dark' : 'light';
  }
}

export const theme = new ThemeState();
