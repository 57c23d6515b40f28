// Helpers of the pages' modules: times, copying, changes of the document, fragments, streams, dialogs.

export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const one = (selector, root = document) => root.querySelector(selector);

// -- times, in the words of `presentation.py`

const UNITS = [[172800, 86400, 'd'], [3600, 3600, 'h'], [60, 60, 'min'], [1, 1, 's']];

export function relativeTime(at, now = Date.now()) {
  const seconds = Math.abs(now - at) / 1000;
  if (seconds < 1) return 'just now';
  if (seconds >= 60 * 86400) return new Date(at).toISOString().slice(0, 10);
  const [, size, unit] = UNITS.find(([least]) => seconds >= least);
  const text = `${Math.floor(seconds / size).toLocaleString('en')} ${unit}`;
  return at <= now ? `${text} ago` : `in ${text}`;
}

const local = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' });

export function formatTime(at, mode = document.documentElement.dataset.times) {
  if (mode === 'relative') return relativeTime(at);
  return mode === 'local' ? local.format(at) : `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// Bring the times below `root` up to date.
export function tick(root = document) {
  for (const element of all('time[datetime]', root)) {
    const at = Date.parse(element.dateTime);
    setText(element, 'relative' in element.dataset ? relativeTime(at) : formatTime(at));
  }
  const counting = all('[data-since]', root);
  if (counting.length) import('./durations.js').then(({ count }) => count(counting));
}

// -- saying and copying

// Say something to screen readers, and for 3 s in the place of a button's title.
export function say(text) {
  setText(one('#said'), text);
}

export const copy = async (text, button) => (await import('./copying.js')).copy(text, button);

// -- changing the document only where it differs

export const keyOf = (node) => node.nodeType === 1 ? node.dataset.key ?? node.dataset.run ?? node.id : '';
const KEPT = new Set(['open', 'checked', 'value']); // what people have done to it

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== 1) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.tagName === 'TIME' && old.dateTime === fresh.dateTime) return;
  if (old.dataset.since && old.dataset.since === fresh.dataset.since) return;
  if (old.tagName === 'DIALOG' && old.open || old.hasAttribute('data-keep')) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !KEPT.has(name)) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const keyed = new Map([...old.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    let same = key ? keyed.get(key) : null;
    if (!key && place && !keyOf(place) && place.nodeName === next.nodeName) same = place;
    if (same) {
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      morph(same, next);
    } else {
      if (next.nodeType === 1) { next.classList.add('fresh'); setTimeout(() => next.classList.remove('fresh'), 200); }
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

// -- the end of the session: a server that was started again knows none of its sessions

const showSignedOut = async () => (await import('./signed_out.js')).showSignedOut();

// The browser does not tell a stream that is refused from one that cannot be reached: ask.
async function isSignedOut(stream) {
  const asking = new AbortController(), answer = await fetch(stream, { signal: asking.signal }).catch(() => null);
  asking.abort();
  return answer?.status === 401;
}

// -- fragments of this page, made by the server

export async function fetchFragment(name, url = location.href) {
  const target = new URL(url, location.href);
  target.searchParams.set('fragment', name);
  const answer = await fetch(target, { headers: { accept: 'text/html' } });
  if (answer.status === 401) await showSignedOut();
  if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
  const holder = document.createElement('template');
  holder.innerHTML = await answer.text();
  return holder.content.firstElementChild;
}

// Return a function that calls `work` at once, and again after a pause if it is called meanwhile; never twice at a time.
export function throttle(work, pause) {
  let busy = false, again = null;
  return async function run(...given) {
    if (busy) { again = given; return; }
    busy = true;
    again = null;
    try { await work(...given); } catch (error) { console.warn(error); }
    setTimeout(() => { busy = false; if (again) run(...again); }, pause);
  };
}

// -- live updates: one stream per visible page

const HIDDEN_MS = 5000, BEAT_MS = 45000, MAX_DELAY_MS = 30000;

// Open a stream of server-sent events.  `names`: of the events; `onEvent(name, data, id)` is called with each, and with
// `resync` when the stream has been opened again.  `isQuiet`: the light of the page says nothing of it.
// Returns a function that closes it for good.
export function openStream(url, names, onEvent, { isQuiet = false } = {}) {
  let source = null, last = '', delay = 1000, opened = false, ended = false, retry, beat, hidden;
  const light = isQuiet ? null : one('[data-live-light]');
  const show = (state, text) => {
    if (!light) return;
    light.hidden = false;
    light.dataset.state = state;
    setText(light, text);
  };
  const alive = () => { clearTimeout(beat); beat = setTimeout(again, BEAT_MS); };
  const close = () => { source?.close(); source = null; clearTimeout(beat); clearTimeout(retry); };
  const again = async () => {
    close();
    show('wait', 'reconnecting');
    if (await isSignedOut(url)) {
      ended = true;
      show('off', 'signed out');
      return showSignedOut();
    }
    if (ended || source) return;
    clearTimeout(retry);
    retry = setTimeout(open, delay * (0.75 + Math.random() / 2));
    delay = Math.min(2 * delay, MAX_DELAY_MS);
  };
  function open() {
    close();
    if (ended || document.hidden) return;
    const target = new URL(url, location.href);
    if (last) target.searchParams.set('after', last);
    source = new EventSource(target);
    alive();
    source.onopen = () => {
      alive();
      delay = 1000;
      show('on', 'live');
      if (opened && !last) onEvent('resync', {}, '');
      opened = true;
    };
    source.onerror = again;
    for (const name of [...names, 'beat', 'resync', 'bye', 'end']) {
      source.addEventListener(name, (event) => {
        alive();
        last = event.lastEventId || last;
        if (name === 'bye') return again();
        if (name === 'end') { ended = true; close(); show('off', 'ended'); }
        onEvent(name, event.data ? JSON.parse(event.data) : {}, event.lastEventId);
      });
    }
  }
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, HIDDEN_MS);
    else if (!source) open();
  });
  addEventListener('pagehide', close);
  addEventListener('pageshow', (event) => { if (event.persisted) open(); });
  open();
  return () => { ended = true; close(); };
}

// -- keyboard

export const isHere = (url) => url.origin === location.origin && url.pathname === location.pathname;
export const isTyping = (event) => event.target.closest?.('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');
export const dialogOpen = () => one('dialog:modal');
