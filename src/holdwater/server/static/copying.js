// Copying a text; `button`: what was clicked, it shows that it is done.

import { say } from './lib.js';

export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = Object.assign(document.createElement('textarea'), { value: text, className: 'said' });
    (button?.closest('dialog') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say('Copied');
  button?.classList.add('copied');
  setTimeout(() => button?.classList.remove('copied'), 1200);
}
