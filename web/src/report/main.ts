// The report as a page of its own: the data stands in the page (docs/server.md, "The report view").
import { mount } from 'svelte';
import '../lib/base.css';
import '../lib/theme.svelte';
import Alone from './Alone.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('report.html has no #app');
let data: unknown = null;
try {
  data = JSON.parse(document.getElementById('tempo-report')?.textContent ?? 'null');
} catch {
  /* Alone says that there is nothing */
}
mount(Alone, { target, props: { data } });
