// The module of lists and forms: selection, live parts, previews.

import { all, fetchFragment, keyOf, morph, one, openStream, throttle, tick } from './lib.js';

// -- selected runs, or all that match: acts say which they mean

const bulk = one('[data-bulk-bar]')?.closest('form');

function showSelection() {
  const boxes = all('[name=run]', bulk), chosen = boxes.filter((box) => box.checked).length;
  const every = one('[data-select-all]', bulk), matching = one('[data-all-matching]', bulk);
  if (!every) return;
  const isAll = matching.checked, { total } = one('[data-total]').dataset, count = isAll ? total : chosen.toLocaleString('en');
  const runs = `run${count === '1' ? '' : 's'}`;
  every.checked = chosen > 0 && chosen === boxes.length;
  every.indeterminate = chosen > 0 && !every.checked;
  one('[data-matching]', bulk).textContent = `Select all ${total} that match`;
  one('[data-chosen]', bulk).textContent = isAll ? `All ${count} that match are selected` : `${chosen ? count : 'No run'} selected`;
  for (const button of all('[data-bulk-bar] button', bulk)) button.disabled = !isAll && !chosen;
  for (const place of all('[data-which]', bulk)) place.textContent = isAll ? `All ${count} ${runs} that match` : `${count} selected ${runs}`;
  for (const place of all('[data-filters]', bulk)) place.hidden = !isAll;
  for (const button of all('[name=verb]', bulk)) button.textContent = `${button.dataset.act} ${isAll ? 'all ' : ''}${count} ${runs}`;
}

if (bulk) {
  bulk.addEventListener('change', ({ target }) => {
    if (target.type !== 'checkbox') return;
    const matching = one('[data-all-matching]', bulk);
    if (target.name !== 'run') all('[name=run]', bulk).forEach((box) => { box.checked = target.checked; });
    if (target !== matching && !target.checked) matching.checked = false;
    showSelection();
  });
  showSelection();
}

// -- live: parts of the page say by which events they change (`data-live="run question"`), and are fetched again

const { stream } = document.body.dataset;
const parts = () => all('[data-live]');

// Change a part; the row that keys have reached stays so.
function renew(part, fresh) {
  const here = one('.here', part);
  morph(part, fresh);
  here?.classList.add('here');
  tick();
  if (bulk) showSelection();
}

async function refresh(part) {
  const fresh = await fetchFragment(part.dataset.fragment, part.dataset.url);
  if (!fresh) return;
  const isHeld = part.dataset.offer !== undefined && (part.matches(':hover') || scrollY > 40 || one(':checked', part));
  if (!isHeld) { renew(part, fresh); return; }
  const here = one('.here', part);
  const known = new Map(all('[data-row]', part).map((row) => [keyOf(row), row]));
  let more = 0;
  for (const row of all('[data-row]', fresh)) {
    if (known.has(keyOf(row))) morph(known.get(keyOf(row)), row);
    else more += 1;
  }
  const offer = one(`[data-offer-for="${part.dataset.fragment}"]`);
  offer.hidden = more === 0;
  offer.textContent = `${more} new`;
  offer.onclick = () => { offer.hidden = true; renew(part, fresh); scrollTo(0, 0); };
  here?.classList.add('here');
  tick();
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


// -- files that are dropped on the field of one

for (const area of all('[data-drop]')) {
  const mark = (isOver) => area.classList.toggle('over', isOver);
  area.addEventListener('dragover', (event) => { event.preventDefault(); mark(true); });
  area.addEventListener('dragleave', () => mark(false));
  area.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    one('[type=file]', area).files = event.dataTransfer.files;
  });
}
