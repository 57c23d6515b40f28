// States of the boxes of a picture, as they change.

import { place } from './graph_view.js';
import { one, relativeTime } from './lib.js';

function rectangle(values) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
  return made;
}

// `state`: mark, what is said below the name, tooltip, and the part of a bar that is done, below 0 without one.
export function setState(node, [mark, about, tooltip, part]) {
  const icon = one('.mark', node);
  node.setAttribute('class', node.getAttribute('class').replace(/state-\S+/, `state-${mark}`));
  one('title', node).textContent = tooltip;
  if (!icon) return;
  if (icon.getAttribute('href') !== `#mark-${mark}`) {
    icon.setAttribute('href', `#mark-${mark}`);
    icon.parentNode.classList.add('changed');
    icon.parentNode.addEventListener('animationend', ({ currentTarget }) => currentTarget.classList.remove('changed'), { once: true });
  }
  one('.about', node).textContent = about;
  one('.name', node).setAttribute('y', about ? 19 : 26.5);
  const { width, height } = place(node);
  for (const name of ['track', 'done']) {
    let bar = one(`.${name}`, node);
    if (part < 0) { bar?.remove(); continue; }
    if (!bar) node.append(bar = rectangle({ class: name, x: 36, y: height - 6, height: 2.5, rx: 1.2 }));
    bar.setAttribute('width', (width - 50) * (name === 'track' ? 1 : part));
  }
}

export function tickWaiting(waiting) {
  for (const [until, node] of waiting) {
    const line = one('.about', node);
    line.textContent = line.textContent.replace(/(in \d.*|now)$/, until > Date.now() ? relativeTime(until) : 'now');
  }
}
