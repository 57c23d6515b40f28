// The timeline of a run: running bars grow; a drag on the axis zooms.

import { all, one } from './lib.js';
import { refresh, visit } from './run.js';

let openBars = null, shownAt = 0;
document.documentElement.dataset.drag = '';  // the pointer on the axis shows that it can be dragged

// Begin anew with what the server has drawn.
export function restart() {
  openBars = null;
  shownAt = performance.now();
}

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
