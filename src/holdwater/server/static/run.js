// The module of a run's page: moving within it without loading it again, live changes, the timeline, dialogs of acts.

import { all, copy, dialogOpen, fetchFragment, isTyping, morph, one, openStream, say, throttle, tick } from './lib.js';

const html = document.documentElement;
html.dataset.script = '';
const page = () => one('#run');

// -- moving: links and filters of this page change only what differs, and the URL

let visits = 0, shownAt = performance.now();

async function show(url, { push = false, replace = false, focus = false } = {}) {
  const number = ++visits;
  const fresh = await fetchFragment('run', url);
  if (number !== visits || !fresh || !page()) return;
  if (push) history[replace ? 'replaceState' : 'pushState'](null, '', url);
  const title = one('.crumbs > :last-child')?.textContent;
  const log = one('[data-log]'), isAtEnd = log && log.scrollTop + log.clientHeight > log.scrollHeight - 24;
  morph(page(), fresh);
  shownAt = performance.now();
  openBars = null;
  tick();
  settle();
  showTab();
  const tail = one('[data-log]');
  if (tail && (tail !== log || isAtEnd)) tail.scrollTop = tail.scrollHeight;
  if (focus) (one('#panel') ?? one('[aria-current=page]', page()))?.focus({ preventScroll: true });
  if (focus && title) say(one('#panel h2')?.textContent ?? one('.tabs [aria-current]')?.textContent ?? title);
}

async function visit(url, options) {
  try {
    await show(url, { push: true, ...options });
  } catch {
    location.href = url;
  }
}

const isHere = (url) => url.origin === location.origin && url.pathname === location.pathname;
const isPlainClick = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href]');
  if (!link || !isPlainClick(event) || event.defaultPrevented) return;
  const { href } = new URL(link.getAttribute('href'), location.href); // links of drawings have no `href` of this kind
  if (link.dataset.act !== undefined) {
    event.preventDefault();
    openDialog(href, link);
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

const showTab = () => one('.tabs [aria-current]')?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
showTab();

let lastLink = null;

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.dataset.actForm !== undefined) {
    if (event.submitter?.formMethod !== 'get') { event.preventDefault(); post(form); }
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

// -- dialogs: the form of an act is fetched when it is asked for

async function openDialog(url, opener) {
  let dialog;
  try {
    dialog = await fetchFragment('dialog', url);
  } catch {
    location.href = url;
    return;
  }
  one('#act')?.remove();
  document.body.append(dialog);
  dialog.addEventListener('close', () => { dialog.remove(); opener?.isConnected && opener.focus(); });
  dialog.showModal();
  (one('[aria-invalid=true], textarea, input:not([type=hidden]), select', dialog) ?? one('footer button', dialog))?.focus();
}

async function post(form) {
  const answer = await fetch(form.action, {
    method: 'POST', body: new URLSearchParams(new FormData(form)), headers: { 'x-holdwater-dialog': '1' },
  }).catch(() => null);
  if (answer?.status === 204) {
    const target = new URL(answer.headers.get('location'), location.href);
    if (isHere(target)) location.reload();
    else location.href = target.href;
    return;
  }
  const holder = document.createElement('template');
  holder.innerHTML = (await answer?.text()) ?? '';
  const fresh = one('form[data-act-form]', holder.content);
  if (fresh) form.replaceWith(fresh);
  else if (answer) form.submit();
  else all('button', form).forEach((button) => { button.disabled = false; });
  (one('[aria-invalid=true]', fresh ?? form) ?? one('[role=alert]', fresh ?? form))?.focus?.();
  const wrong = fresh && one('[role=alert], .error', fresh);
  if (wrong) say(wrong.textContent.trim());
}

document.addEventListener('change', async (event) => {
  const choice = event.target.closest?.('[data-fork-from]');
  if (!choice) return;
  const url = new URL(choice.form.action);
  url.searchParams.set('from', choice.value);
  const fresh = await fetchFragment('dialog', url.href).catch(() => null);
  const form = fresh && one('form[data-act-form]', fresh);
  if (!form) return;
  choice.form.replaceWith(form);
  one('[data-fork-from]', form)?.focus();
});

// A command says what a form does as it came: it is hidden while a field that is no part of it differs.
document.addEventListener('input', ({ target }) => {
  const command = target.dataset?.noCommand !== undefined && one('.command', target.form);
  if (command) command.hidden = target.value !== target.defaultValue;
});

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

// -- the timeline: running bars grow; a drag on the axis zooms

let openBars = null;

function grow() {
  const timeline = one('[data-timeline][data-speed]');
  if (!timeline || document.hidden) return;
  const line = one('[data-now-line]', timeline);
  const moved = Number(timeline.dataset.speed) * (performance.now() - shownAt) / 1000;
  const now = Number(timeline.dataset.nowPercent) + moved;
  if (now > 99.5) return void refresh();
  openBars ??= all('rect[data-open], line[data-open]', timeline).map((bar) => [bar, parseFloat(bar.getAttribute('x') ?? bar.getAttribute('x1'))]);
  for (const [bar, left] of openBars) {
    if (bar.tagName === 'line') bar.setAttribute('x2', `${now}%`);
    else bar.setAttribute('width', `${Math.max(0, now - left)}%`);
  }
  for (const name of ['x1', 'x2']) line?.setAttribute(name, `${now}%`);
}
setInterval(grow, 250);

function instantAt(timeline, percent) {
  const stretches = timeline.dataset.stretches.split(';').filter(Boolean).map((text) => text.split(',').map(Number));
  const [start, end, left, right] = stretches.find(([, , , to]) => percent <= to) ?? stretches.at(-1);
  return Math.round(start + (end - start) * Math.min(1, Math.max(0, (percent - left) / (right - left || 1))));
}

document.addEventListener('pointerdown', (event) => {
  const axis = event.target.closest?.('[data-axis]');
  if (!axis || event.button !== 0) return;
  const box = axis.getBoundingClientRect(), timeline = axis.closest('[data-timeline]');
  const at = (moved) => Math.min(100, Math.max(0, 100 * (moved.clientX - box.left) / box.width));
  const from = at(event), shade = Object.assign(document.createElement('div'), { className: 'zoom' });
  axis.setPointerCapture(event.pointerId);
  const move = (moved) => {
    const to = at(moved);
    shade.style.left = `${Math.min(from, to)}%`;
    shade.style.width = `${Math.abs(to - from)}%`;
    axis.append(shade);
  };
  axis.addEventListener('pointermove', move);
  axis.addEventListener('pointerup', (ended) => {
    axis.removeEventListener('pointermove', move);
    shade.remove();
    const to = at(ended);
    if (Math.abs(to - from) * box.width < 800) return;
    const url = new URL(timeline.dataset.zoomUrl, location.href);
    url.searchParams.set('from', instantAt(timeline, Math.min(from, to)));
    url.searchParams.set('to', instantAt(timeline, Math.max(from, to)));
    visit(url.href);
  }, { once: true });
});

// -- live: what changes is fetched, at most ten times a second

const AGAIN_MS = 1500;
let later = 0;
// A page that takes long to make is asked for less often: the server is to have three quarters of its time for others.
const refresh = throttle(async () => {
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

const start = page();
if (start?.dataset.running !== undefined && start.dataset.runStream) {
  const url = new URL(start.dataset.runStream, location.href);
  url.searchParams.set('after', start.dataset.seq);
  url.searchParams.set('logs', 'true');
  openStream(url.href, [...start.dataset.events.split(' '), 'log'], (name, data) => {
    if (name === 'log' && data.task_name !== one('[data-panel]')?.dataset.panel) return;
    lively = name !== 'beat'; // a beat is a time to look whether its runner still lives
    refresh();
  });
}
