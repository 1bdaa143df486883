// One polite live region for the whole page (App.svelte shows it): what happened, for those who do not see it.

class Announcer {
  text = $state('');
}

export const announcer = new Announcer();

export function announce(text: string): void {
  announcer.text = text;
}
