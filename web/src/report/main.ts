// Entry of report.html: draws the report that stands in #tempo-report.
import '../lib/base.css';
import '../lib/theme.svelte';

const at = document.getElementById('tempo-report');
const app = document.getElementById('app');
if (app) app.textContent = at && at.textContent !== 'null' ? 'a report' : 'This page holds no report.';
