// A region that scrolls must be reachable with the keyboard: it is a tab stop for as long as its content is larger than it is.

const overflows = (n: HTMLElement): boolean => {
  const style = getComputedStyle(n);
  const able = (v: string) => v === 'auto' || v === 'scroll';
  return (able(style.overflowY) && n.scrollHeight > n.clientHeight + 1) || (able(style.overflowX) && n.scrollWidth > n.clientWidth + 1);
};

/** `use:scrolls={'its name'}`: the name is what a screen reader says when it is a tab stop. */
export function scrolls(node: HTMLElement, name: string) {
  const role = node.getAttribute('role') ?? (['DIV', 'P', 'PRE'].includes(node.tagName) ? null : 'its own');
  const label = node.getAttribute('aria-label');
  const look = () => {
    const on = overflows(node);
    if (on === node.hasAttribute('tabindex')) return;
    if (on) {
      node.tabIndex = 0;
      if (!role) node.setAttribute('role', 'region');
      if (!label) node.setAttribute('aria-label', name);
    } else if (document.activeElement !== node) {
      node.removeAttribute('tabindex');
      if (!role) node.removeAttribute('role');
      if (!label) node.removeAttribute('aria-label');
    }
  };
  const sizes = new ResizeObserver(look);
  const watch = () => {
    sizes.disconnect();
    sizes.observe(node);
    for (const child of node.children) sizes.observe(child);
    look();
  };
  const content = new MutationObserver(watch);
  content.observe(node, { childList: true, characterData: true, subtree: true });
  node.addEventListener('blur', look);
  watch();
  return {
    update(next: string) {
      name = next;
      if (!label && node.hasAttribute('tabindex')) node.setAttribute('aria-label', name);
    },
    destroy() {
      sizes.disconnect();
      content.disconnect();
      node.removeEventListener('blur', look);
    },
  };
}
