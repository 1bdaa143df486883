// Builds dist/: the page, the report, and the notices of the packages whose code is in them.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);
process.env.NODE_ENV = 'production';

const packages = new Set();

/** Remembers the packages that gave code to a chunk. */
const remember = {
  name: 'remember-packages',
  generateBundle(_options, bundle) {
    for (const part of Object.values(bundle))
      for (const [id, m] of Object.entries(part.modules ?? {})) {
        const found = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id);
        if (found && m.renderedLength > 0) packages.add(found[1]);
      }
  },
};

for (const configFile of ['vite.config.js', 'vite.report.js'])
  await build({ configFile, plugins: [remember], logLevel: 'warn' });

packages.add('svelte'); // its compiler writes code into every component
let text = 'The page contains code of the packages below, under the licences that follow their names.\n';
for (const name of [...packages].sort()) {
  const folder = join('node_modules', name);
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
  if (!file) throw new Error(`${name} has no licence file`);
  text += `\n${'-'.repeat(80)}\n${name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim()}\n`;
}
writeFileSync('dist/LICENSES.txt', text);
if (!existsSync('dist/report.html')) throw new Error('no report.html');
