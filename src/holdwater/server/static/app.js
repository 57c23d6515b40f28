// The module of every page: keyboard, display, copying, dialogs, selection, live lists.

import { all, copy, dialogOpen, fetchFragment, isTyping, keyOf, morph, one, openStream, say, throttle, tick } from './lib.js';

const html = document.documentElement, { base, root, stream } = document.body.dataset;

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
  requestAnimationFrame(() => all('button:not([type=button])', event.target).forEach((b) => { b.disabled = true; }));
});
addEventListener('pageshow', () => all('form button[disabled]:not([data-off])').forEach((b) => { b.disabled = false; }));

// Filters act when they are changed.
document.addEventListener('change', (event) => {
  if (event.target.closest('[data-auto-submit]') && event.target.type !== 'search') event.target.form.requestSubmit();
});
// An empty filter is no part of the URL.
document.addEventListener('formdata', (event) => {
  if (event.target.method !== 'get') return;
  for (const [name, value] of [...event.formData]) if (value === '') event.formData.delete(name);
});

// -- rows: a place that j and k move; selection

const rows = () => all('[data-row]');
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
  const found = rows(), at = found.indexOf(here);
  moveTo(found[at < 0 ? (by > 0 ? 0 : found.length - 1) : Math.max(0, Math.min(found.length - 1, at + by))]);
}

const bulk = one('[data-bulk]');
function showSelection() {
  const boxes = all('input[data-select]', bulk), chosen = boxes.filter((box) => box.checked);
  const every = one('[data-select-all]', bulk), bar = one('[data-bulk-bar]', bulk);
  if (every) {
    every.checked = chosen.length > 0 && chosen.length === boxes.length;
    every.indeterminate = chosen.length > 0 && !every.checked;
  }
  for (const place of all('[data-chosen-count]', bulk)) place.textContent = chosen.length.toLocaleString('en');
  for (const scope of all('[data-scope]', bulk)) scope.checked = (scope.value === 'selected') === chosen.length > 0;
  if (!bar) return;
  one('[data-chosen]', bar).hidden = chosen.length === 0;
  one('[data-nothing-chosen]', bar).hidden = chosen.length > 0;
}
if (bulk) {
  bulk.addEventListener('change', ({ target }) => {
    if (target.matches('[data-select-all]')) all('input[data-select]', bulk).forEach((box) => { box.checked = target.checked; });
    if (target.matches('[data-select], [data-select-all]')) showSelection();
  });
  showSelection();
}

// -- keyboard

const GO = { r: 'runs', w: 'workflows', s: 'schedules', q: 'questions', o: 'ops' };
let afterG = 0;

const KEYS = {
  '/': () => { const box = one('.search input'); box.focus(); box.select(); },
  '?': () => one('#help').showModal(),
  j: () => step(1),
  k: () => step(-1),
  x: () => {
    const box = here && one('input[data-select]', here);
    if (box) box.click();
  },
  '.': () => {
    const menu = (here && one('details.menu', here)) || one('main details.menu');
    if (menu) { menu.open = true; one('a, button:not(:disabled)', one('div', menu))?.focus(); return; }
    (one('main .run-acts .button') ?? one('main .head .button, main .head button'))?.focus();
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

// -- live: parts of the page say by which events they change (`data-live="run question"`), and are fetched again

const parts = () => all('[data-live]');

async function refresh(part) {
  const fresh = await fetchFragment(part.dataset.fragment, part.dataset.url);
  if (!fresh) return;
  const isHeld = part.dataset.offer !== undefined && (part.matches(':hover') || scrollY > 40 || one(':checked', part));
  if (!isHeld) { morph(part, fresh); settle(); return; }
  const known = new Map(all('[data-row]', part).map((row) => [keyOf(row), row]));
  let more = 0;
  for (const row of all('[data-row]', fresh)) {
    if (known.has(keyOf(row))) morph(known.get(keyOf(row)), row);
    else more += 1;
  }
  const offer = one(`[data-offer-for="${part.dataset.fragment}"]`);
  offer.hidden = more === 0;
  offer.textContent = `${more} new`;
  offer.onclick = () => { offer.hidden = true; morph(part, fresh); scrollTo(0, 0); settle(); };
  settle();
}

function settle() {
  tick();
  if (here && !here.isConnected) here = null;
  here?.classList.add('here');
  if (bulk) showSelection();
}

if (parts().length && stream) {
  const refreshers = new Map();
  const onEvent = (name) => {
    for (const part of parts()) {
      const { fragment, live } = part.dataset;
      if (name !== 'resync' && !live.split(' ').includes(name)) continue;
      if (!refreshers.has(fragment)) refreshers.set(fragment, throttle(() => refresh(one(`[data-fragment="${fragment}"]`)), +part.dataset.pause || 500));
      refreshers.get(fragment)();
    }
  };
  openStream(stream, ['run', 'question', 'schedule', 'runner', 'release'], onEvent);
}

// -- forms that preview while one types: `data-preview` names the part of the page to fetch with the form's values

for (const form of all('form[data-preview]')) {
  const name = form.dataset.preview;
  const show = throttle(async () => {
    const url = new URL(location.href);
    for (const [key, value] of new FormData(form)) if (key !== 'csrf_token') url.searchParams.set(key, value);
    morph(one(`[data-fragment="${name}"]`), await fetchFragment(name, url));
    tick();
  }, 250);
  form.addEventListener('input', show);
}

// A part that says `data-again` is fetched again after so many milliseconds, as long as it says so.
for (const part of all('[data-again]')) {
  const again = async () => {
    if (!document.hidden) await refresh(part).catch(console.warn);
    if (part.dataset.again) setTimeout(again, +part.dataset.again);
  };
  setTimeout(again, +part.dataset.again);
}

// A field with `data-same` has the value of the field it names.
document.addEventListener('input', ({ target }) => {
  for (const field of all(`[data-same="${target.id}"]`)) field.value = target.value;
});

if (one('.notice')) say(one('.notice').textContent.trim());
