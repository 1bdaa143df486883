// The report as ONE file that needs neither a server nor a network: script and styles stand in the HTML.
import { defineConfig } from 'vite';
import { svelte } from '@sveltejs/vite-plugin-svelte';

function oneFile() {
  return {
    name: 'one-file',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const page = bundle['report.html'];
        let html = String(page.source);
        for (const [name, part] of Object.entries(bundle)) {
          if (part === page) continue;
          const at = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
          let tag;
          let whole;
          if (part.type === 'chunk') {
            tag = new RegExp(`<script[^>]*src="[^"]*${at}"[^>]*></script>`);
            whole = `<script type="module">${part.code.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')}</script>`;
          } else if (name.endsWith('.css')) {
            tag = new RegExp(`<link[^>]*href="[^"]*${at}"[^>]*>`);
            whole = `<style>${String(part.source).trim().replaceAll('</style', '<\\/style')}</style>`;
          } else {
            this.error(`${name} cannot stand inside report.html`);
          }
          if (!tag.test(html)) this.error(`report.html does not mention ${name}`);
          html = html.replace(tag, () => whole);
          delete bundle[name];
        }
        page.source = html;
      },
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), oneFile()],
  build: {
    target: 'es2022',
    emptyOutDir: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    rolldownOptions: { checks: { pluginTimings: false }, input: 'report.html', output: { codeSplitting: false } },
  },
});
