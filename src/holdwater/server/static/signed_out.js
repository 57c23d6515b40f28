// A page whose session has ended.

import { one } from './lib.js';

// Say that this page has no access any more, and what to do; nothing is updated from now on.
export function showSignedOut() {
  if (one('[data-signed-out]')) return;
  const box = Object.assign(document.createElement('div'), { className: 'notice bad' });
  box.setAttribute('role', 'alert');
  box.dataset.signedOut = '';
  const { login } = document.body.dataset;
  box.textContent = 'This page is not signed in any more: the session has ended, or the server was started again. '
    + (login ? 'Until you sign in the page stays as it is. ' : 'Open the link that it printed. Until then the page stays as it is.');
  if (login) {
    const next = encodeURIComponent(location.pathname.slice(document.body.dataset.root.length) + location.search);
    box.append(Object.assign(document.createElement('a'), { href: `${login}?next=${next}`, textContent: 'Sign in' }));
  }
  one('main').prepend(box);
  box.scrollIntoView({ block: 'nearest' });
}
