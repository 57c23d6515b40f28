// Pictures that come after their pages.

import { one } from './lib.js';

// Fetch a picture that did not come with the page: it has to be laid out first, or the tab was not shown before.
export async function fetchPicture(view) {
  if (view.dataset.asked) return;
  view.dataset.asked = 'yes';
  const said = one('[data-graph-wait]', view);
  if (said) { said.textContent = 'Laying out…'; one('.button', view).hidden = true; }
  const answer = await fetch(`${view.dataset.source}${location.search}`);
  if (!answer.ok) { if (said) said.textContent = 'The picture cannot be drawn now.'; return; }
  view.replaceChildren(document.importNode(new DOMParser().parseFromString(await answer.text(), 'image/svg+xml').documentElement, true));
}
