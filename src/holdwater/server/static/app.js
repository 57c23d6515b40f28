// The module of every page: keyboard, display, copying, dialogs.

import { all, copy, dialogOpen, isTyping, one, say, tick } from './lib.js';

const html = document.documentElement, { base, root } = document.body.dataset;

// -- times tick; once a second is enough

tick();
setInterval(() => { if (!document.hidden) tick(); }, 1000);

// -- display: theme and times are kept in cookies, so that the server paints the next page right

one('[data-preferences]')?.addEventListener('change', ({ target: { name, value } }) => {
  document.cookie = `holdwater_${name}=${value}; path=${root || '/'}; max-age=${400 * 86400}; samesite=strict`;
  if (name === 'times') html.dataset.times = value;
  else if (value === 'auto') delete html.dataset.theme;
  else html.dataset.theme = value;
  tick();
});

// -- clicks: copying, dismissing, menus; dialogs in browsers without the `command` attribute

document.addEventListener('click', (event) => {
  const button = event.target.closest('button, summary, a');
  for (const menu of all('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button.dataset.copy || button.closest('[data-run]').dataset.run, button);
  if (button.dataset.dismiss !== undefined) button.closest('.notice').remove();
  if (button.getAttribute('command') && !('commandForElement' in button)) {
    const dialog = document.getElementById(button.getAttribute('commandfor'));
    if (button.getAttribute('command') === 'close') dialog.close();
    else dialog.showModal();
  }
});

document.addEventListener('submit', (event) => {
  if (event.target.method === 'dialog') return;
  const buttons = all('button:not([type=button], :disabled)', event.target);
  requestAnimationFrame(() => buttons.forEach((button) => { button.disabled = true; button.dataset.busy = ''; }));
});
addEventListener('pageshow', () => all('[data-busy]').forEach((button) => { button.disabled = false; }));

// Filters act when they are changed.
document.addEventListener('change', (event) => {
  if (event.target.closest('[data-auto-submit]') && event.target.type !== 'search') event.target.form.requestSubmit();
});
// An empty filter is no part of the URL.
document.addEventListener('formdata', (event) => {
  if (event.target.method !== 'get') return;
  for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
});

// -- the switch of tenants

const tenants = one('[data-tenants]');
tenants?.addEventListener('toggle', () => {
  if (!tenants.open) return;
  one('[type=search]', tenants).focus();
  import('./tenants.js').then(({ findTenants }) => findTenants());
});

// -- rows: a place that j and k move

let here = null;

function moveTo(row) {
  here?.classList.remove('here');
  here = row;
  if (!row) return;
  row.classList.add('here');
  row.scrollIntoView({ block: 'nearest' });
  one('a[href]', row)?.focus({ preventScroll: true });
}

function step(by) {
  const found = all('[data-row]'), at = found.indexOf(here);
  moveTo(found[at < 0 ? (by > 0 ? 0 : found.length - 1) : Math.max(0, Math.min(found.length - 1, at + by))]);
}

// -- keyboard

const GO = { r: 'runs', w: 'workflows', s: 'schedules', q: 'questions', p: 'packages', o: 'ops' };
let afterG = 0;

const KEYS = {
  '/': () => { const box = one('.search input'); box.focus(); box.select(); },
  t: () => { if (tenants) tenants.open = true; },
  '?': () => one('#help').showModal(),
  j: () => step(1),
  k: () => step(-1),
  x: () => { if (here) one('input[name=run]', here)?.click(); },
  '.': () => {
    const acts = ['[data-bulk-bar] button:not(:disabled)', '.run-acts .button', '.head .primary', '.head button'];
    acts.map((selector) => one(`main ${selector}`)).find(Boolean)?.focus();
  },
  Enter: (event) => {
    if (event.target.closest('a, button, summary, input')) return false;
    const link = here && one('a[href]', here);
    if (link) link.click();
    return Boolean(link);
  },
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    const menu = one('details.menu[open]');
    if (menu) { menu.open = false; one('summary', menu).focus(); }
    else if (isTyping(event)) event.target.blur();
    else moveTo(null);
    return;
  }
  if (isTyping(event) || dialogOpen()) return;
  if (event.key === 'g') { afterG = Date.now(); return; }
  if (Date.now() - afterG < 1500 && GO[event.key]) {
    location.href = `${base}/${GO[event.key]}`;
    event.preventDefault();
  } else if (KEYS[event.key] && KEYS[event.key](event) !== false) event.preventDefault();
  afterG = 0;
});

if (one('.notice')) say(one('.notice').textContent.trim());
