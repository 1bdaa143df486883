// On a narrow window a run's result begins below the form: go there, unless it is in sight already.

export function bringIntoSight(element: HTMLElement | undefined): void {
  if (!element) return;
  const { top } = element.getBoundingClientRect();
  if (top >= 0 && top < innerHeight * 0.6) return;
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
}
