// The module of a run's page: moving within it without loading it again, and live changes.

import { all, copy, dialogOpen, fetchFragment, isHere, isTyping, morph, one, openStream, say, throttle, tick } from './lib.js';

const html = document.documentElement;
html.dataset.script = '';
const page = () => one('#run');
const acts = () => import('./acts.js'); // most visits do nothing to a run

// -- moving: links and filters of this page change only what differs, and the URL

let visits = 0, timeline = null;

async function show(url, { push = false, replace = false, focus = false } = {}) {
  const number = ++visits;
  const fresh = await fetchFragment('run', url);
  if (number !== visits || !fresh || !page()) return;
  await loadStyles(fresh);
  if (push) history[replace ? 'replaceState' : 'pushState'](null, '', url);
  const log = one('[data-log]'), isAtEnd = log && log.scrollTop + log.clientHeight > log.scrollHeight - 24;
  morph(page(), fresh);
  tick();
  settle();
  showTab();
  follow();
  const tail = one('[data-log]');
  if (tail && (tail !== log || isAtEnd)) tail.scrollTop = tail.scrollHeight;
  if (focus) (one('#panel') ?? one('[aria-current=page]', page()))?.focus({ preventScroll: true });
  if (focus) say((one('#panel h2') ?? one('.tabs [aria-current]')).textContent);
}

// Tabs have style sheets of their own.
function loadStyles(fresh) {
  const isNew = (link) => !one(`link[href="${link.getAttribute('href')}"]`);
  return Promise.all(all('link[rel=stylesheet]', fresh).filter(isNew).map((link) => new Promise((done) => {
    const made = link.cloneNode();
    made.onload = made.onerror = done;
    document.head.append(made);
  })));
}

export async function visit(url, options) {
  try {
    await show(url, { push: true, ...options });
  } catch {
    location.href = url;
  }
}

const isPlainClick = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]');
  if (!link || !isPlainClick(event) || event.defaultPrevented) return;
  const { href } = new URL(link.getAttribute('href'), location.href); // links of drawings have no `href` of this kind
  if (link.dataset.act !== undefined) {
    event.preventDefault();
    acts().then(({ openDialog }) => openDialog(href, link)).catch(() => { location.href = href; });
  } else if (link.dataset.closeDialog !== undefined && link.closest('dialog')) {
    event.preventDefault();
    link.closest('dialog').close();
  } else if (link.dataset.copyUrl !== undefined) {
    event.preventDefault();
    fetch(link.href).then((answer) => answer.text()).then((text) => copy(text, link));
  } else if (page()?.contains(link) && isHere(new URL(href)) && !link.hasAttribute('download')) {
    event.preventDefault();
    if (link.dataset.nodeLink !== undefined) lastLink = link;
    visit(href, { focus: link.dataset.nodeLink !== undefined });
    if (link.dataset.closePanel !== undefined) lastLink?.focus?.({ preventScroll: true });
  }
});

async function showTab() {
  one('.tabs [aria-current]')?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  if (one('[data-graph]')) import('./graph.js');
  if (!one('[data-timeline]')) return;
  timeline ??= await import('./timeline.js');
  timeline.restart();
}

let lastLink = null;

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.dataset.actForm !== undefined) {
    if (event.submitter?.formMethod !== 'get') { event.preventDefault(); acts().then(({ post }) => post(form)); }
  } else if (page()?.contains(form) && form.method === 'get' && isHere(new URL(form.action))) {
    event.preventDefault();
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value !== '') url.searchParams.set(name, value);
    visit(url.href, { replace: isTyped });
    isTyped = false;
  }
});

let isTyped = false;  // what is typed letter by letter is one entry of the history
const typed = throttle(() => {
  isTyped = true;
  one('input[type=search]:focus', page())?.form.requestSubmit();
}, 300);
document.addEventListener('input', (event) => {
  if (event.target.type === 'search' && page()?.contains(event.target)) typed();
});

addEventListener('popstate', () => show(location.href).catch(() => location.reload()));

// -- keyboard

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || dialogOpen()) return;
  const tab = /^[1-6]$/.test(event.key) && one(`[data-tab="${event.key}"]`);
  if (tab) visit(tab.href, { focus: true });
  else if (event.key === 'f') {
    const next = one('[data-next-failed]');
    if (next) visit(next.href, { focus: true });
    else say('No task has failed');
  } else if (event.key === 'Escape' && one('[data-close-panel]') && !one('details.menu[open]')) one('[data-close-panel]').click();
});

// -- the panel's width is the browser's to keep

const WIDTH = 'holdwater-panel-width';
const setWidth = (px) => html.style.setProperty('--panel-width', `${Math.round(Math.max(280, Math.min(innerWidth * 0.6, px)))}px`);
if (localStorage.getItem(WIDTH)) setWidth(Number(localStorage.getItem(WIDTH)));
document.addEventListener('pointerdown', (event) => {
  const grip = event.target.closest?.('[data-grip]');
  if (!grip) return;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  const right = one('#panel').getBoundingClientRect().right;
  const move = (moved) => setWidth(right - moved.clientX);
  grip.addEventListener('pointermove', move);
  grip.addEventListener('pointerup', () => {
    grip.removeEventListener('pointermove', move);
    localStorage.setItem(WIDTH, String(one('#panel').offsetWidth));
  }, { once: true });
});

// -- live: what changes is fetched, at most ten times a second

const AGAIN_MS = 1500;
let later = 0;
// A page that takes long to make is asked for less often: the server is to have three quarters of its time for others.
export const refresh = throttle(async () => {
  const asked = performance.now();
  await show(location.href);
  await new Promise((done) => setTimeout(done, 3 * (performance.now() - asked)));
}, 100);
function settle() {
  clearTimeout(later);
  // the start of a function is no event: one more look finds those that have begun
  if (lively && page()?.dataset.running !== undefined) later = setTimeout(() => { lively = false; refresh(); }, AGAIN_MS);
}
let lively = false;

if (one('[data-log]')) one('[data-log]').scrollTop = one('[data-log]').scrollHeight;

// The run itself is followed while it goes on; when it has ended, hints say that it was tried again elsewhere.
let followed = null, unfollow = () => {};

function follow() {
  if (!page()?.dataset.runStream) return;
  const { running, runStream, hints, seq, events, run } = page().dataset, isRunning = running !== undefined;
  if (followed === isRunning) return;
  unfollow();
  followed = isRunning;
  if (!isRunning) {
    let heard = false;
    unfollow = openStream(hints, ['run'], (name, { id }) => {
      if (name === 'run' ? id === run : heard && name === 'resync') refresh();
      heard = true;
      html.dataset.follows = 'hints';
    }, { isQuiet: true });
    return;
  }
  unfollow = openStream(`${runStream}?after=${seq}&logs=true`, [...events.split(' '), 'log'], (name, data) => {
    if (name === 'log' && data.task_name !== one('[data-panel]')?.dataset.panel) return;
    lively = name !== 'beat'; // a beat is a time to look whether its runner still lives
    refresh();
  });
}

showTab();
follow();
if (one('main [data-act-form]')) acts();
