// The part of a picture that is seen: pan by drag, zoom by wheel and pinch, boxes by arrow keys.

import { one } from './lib.js';

const MIN_SCALE = 0.05, MAX_SCALE = 2.5, READABLE = 0.5, FAR = 0.28, MARGIN = 24, DRAG_PX = 4;
const clamp = (n, low, high) => Math.max(low, Math.min(high, n));

export function place(node) {
  const { e: x, f: y } = node.transform.baseVal.consolidate().matrix, card = one('.card', node);
  return { x, y, width: +card.getAttribute('width'), height: +card.getAttribute('height') };
}

export class GraphView {
  // `focus`: returns the box to begin at where all of them are too small to be read.
  constructor(view, focus) {
    this.svg = one('svg', view);
    this.view = view;
    this.focus = focus;
    this.size = ['width', 'height'].map((name) => +this.svg.getAttribute(name));
    this.pointers = new Map();
    view.style.setProperty('--graph-height', `${this.size[1]}px`);
    view.classList.add('pannable');
    this.listen();
    new ResizeObserver(() => this.resize()).observe(view);
  }

  resize() {
    const seen = [this.view.clientWidth, this.view.clientHeight], before = this.seen;
    if (!seen[0] || !seen[1]) return;
    this.seen = seen;
    if (before) this.center(...before.map((size, axis) => this.at[axis] + size / 2 / this.scale));
    else this.begin();
  }

  begin() {
    this.fit();
    if (this.scale >= READABLE) return;
    this.scale = clamp((this.seen[1] - MARGIN) / this.size[1], READABLE, 0.85);
    const { x, y, width, height } = place(this.focus());
    this.center(x + width / 2, y + height / 2);
  }

  fit() {
    this.scale = clamp(Math.min(...this.size.map((size, axis) => this.seen[axis] / size)), MIN_SCALE, 1);
    this.center(...this.size.map((size) => size / 2));
  }

  center(...point) {
    this.moveTo(point.map((n, axis) => n - this.seen[axis] / 2 / this.scale), 0);
  }

  // Where all of it fits it stays in the middle; else it ends at a margin, or at a `part` of what is seen.
  moveTo(at, part = 1 / 3) {
    this.at = at.map((n, axis) => {
      const seen = this.seen[axis] / this.scale, spare = this.size[axis] - seen;
      const room = Math.max(spare < 0 ? 0 : MARGIN / this.scale, seen * part);
      return clamp(n, Math.min(0, spare < 0 && !part ? spare / 2 : spare) - room, (spare < 0 && !part ? spare / 2 : Math.max(0, spare)) + room);
    });
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.svg.classList.toggle('far', this.scale < FAR);
      this.svg.setAttribute('viewBox', [...this.at, ...this.seen.map((size) => size / this.scale)].join(' '));
    });
  }

  zoom(factor, point = this.seen.map((size) => size / 2)) {
    const scale = clamp(this.scale * factor, MIN_SCALE, MAX_SCALE), before = this.scale;
    this.scale = scale;
    this.moveTo(this.at.map((n, axis) => n + point[axis] / before - point[axis] / scale));
  }

  pan(by) {
    this.moveTo(this.at.map((n, axis) => n - by[axis] / this.scale));
  }

  // Move as little as shows all of a box.
  show(node) {
    const box = place(node), margin = MARGIN / this.scale;
    this.moveTo([[box.x, box.width], [box.y, box.height]].map(([start, size], axis) => (
      clamp(this.at[axis], start + size + margin - this.seen[axis] / this.scale, start - margin)
    )));
  }

  // -- pointers and wheel

  listen() {
    const { view, pointers } = this;
    view.addEventListener('wheel', (event) => {
      event.preventDefault();
      const delta = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
      this.zoom(Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0015)), this.inside([event.clientX, event.clientY]));
    }, { passive: false });
    view.addEventListener('pointerdown', ({ button, pointerId, clientX, clientY }) => {
      if (button) return;
      pointers.set(pointerId, [clientX, clientY]);
      this.moved = 0;
    });
    view.addEventListener('pointermove', (event) => this.drag(event));
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      view.addEventListener(name, ({ pointerId }) => pointers.delete(pointerId));
    }
    view.addEventListener('click', (event) => {
      if (this.moved <= DRAG_PX) return;
      event.preventDefault();
      event.stopPropagation();
    }, true);
    view.addEventListener('dragstart', (event) => event.preventDefault());
  }

  inside([x, y]) {
    const { left, top } = this.view.getBoundingClientRect();
    return [x - left, y - top];
  }

  drag({ pointerId, clientX, clientY }) {
    const from = this.pointers.get(pointerId), to = [clientX, clientY];
    if (!from) return;
    const other = [...this.pointers].find(([id]) => id !== pointerId)?.[1], by = [to[0] - from[0], to[1] - from[1]];
    this.pointers.set(pointerId, to);
    this.moved += Math.hypot(...by);
    if (this.moved > DRAG_PX && !this.view.hasPointerCapture(pointerId)) this.view.setPointerCapture(pointerId);
    if (!other) { this.pan(by); return; }
    const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    this.zoom(distance(to) / distance(from), this.inside([(to[0] + other[0]) / 2, (to[1] + other[1]) / 2]));
    this.pan(by.map((n) => n / 2));
  }
}
