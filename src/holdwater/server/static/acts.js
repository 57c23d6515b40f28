// Acts on a run, in dialogs or on pages of their own: their forms are fetched when they are asked for, and posted.

import { all, fetchFragment, isHere, one, say, throttle } from './lib.js';

export async function openDialog(url, opener) {
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

export async function post(form) {
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

// The command beside a form is that of its fields as they are now: the server writes it.
const renewCommand = throttle(async (form) => {
  const body = new URLSearchParams(new FormData(form));
  body.set('only', 'command');
  const answer = await fetch(form.action, { method: 'POST', body });
  const command = one('[data-command]', form);
  if (answer.ok && command) command.innerHTML = await answer.text();
}, 300);
document.addEventListener('input', ({ target }) => {
  const form = target.closest('[data-act-form]');
  if (form && one('[data-command]', form)) renewCommand(form);
});
