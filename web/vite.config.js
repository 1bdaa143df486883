// How the page is developed and built. The report, a page of its own in one file, has vite.report.js.
import { defineConfig } from 'vite';
import { svelte } from '@sveltejs/vite-plugin-svelte';

// `npm run dev` shows the answers of a `tempo serve` that runs beside it.
const server = process.env.TEMPO_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  plugins: [svelte()],
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(['/v1', '/health', '/tokenize', '/detokenize'].map((p) => [
      // The server answers its own page only.
      p, { target: server, changeOrigin: true, headers: { origin: server } },
    ])),
  },
  build: {
    target: 'es2022',
    cssCodeSplit: false, // a view that is loaded later needs no styles of its own, which a browser would not ask for twice
    assetsInlineLimit: 0, // the page's Content-Security-Policy has no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 300,
    rolldownOptions: {
      checks: { pluginTimings: false },
      // Names that stay: a change of the page is a change of these files, not new ones. Browsers ask by ETag.
      output: { entryFileNames: 'assets/[name].js', chunkFileNames: 'assets/[name].js', assetFileNames: 'assets/[name][extname]' },
    },
  },
});
