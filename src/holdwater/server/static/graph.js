// Pictures of graphs: what is before and behind a box, and states as they change.
//
// A picture stays for as long as its page.  What changes comes as JSON in `[data-graph-states]`, which the page renews
// with each of its live updates.

import { GraphView } from './graph_view.js';
import { all, dialogOpen, isTyping, one } from './lib.js';

const states = () => import('./graph_states.js'); // of runs that go on
const STEP = 1.25, POINT_MS = 80;
const URGENT = ['failed', 'orphaned', 'awaiting_input', 'running', 'paused', 'waiting', 'queued'];

class Graph extends GraphView {
  constructor(view) {
    super(view, () => one('.selected', this.svg) ?? URGENT.map((mark) => one(`.state-${mark}`, this.svg)).find(Boolean) ?? this.nodes[0]);
    this.nodes = all('.node', this.svg);
    this.edges = new Map(all('[data-edge]', this.svg).map((edge) => [edge.dataset.edge, edge]));
    this.arrows = (this.svg.dataset.arrows || '').split(' ').filter(Boolean).map((row) => row.split(','));
    this.before = this.nodes.map(() => []);
    this.behind = this.nodes.map(() => []);
    for (const [source, target] of this.arrows) {
      this.behind[source].push(+target);
      this.before[target].push(+source);
    }
    this.shown = [];
    this.waiting = [];
    const point = (node) => this.pointAt(node ?? null);
    view.addEventListener('pointerover', ({ target }) => point(target.closest('.node')));
    view.addEventListener('pointerleave', () => point());
    view.addEventListener('focusin', ({ target }) => point(target.closest('.node:focus-visible')));
    view.addEventListener('focusout', () => point());
    view.addEventListener('keydown', (event) => this.onKey(event));
  }

  // -- keyboard

  onKey(event) {
    const way = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    import('./graph_keys.js').then(({ moveFocus }) => moveFocus(this, way));
  }

  // -- what is before and behind a box

  reach(index, onward) {
    const found = new Set([index]);
    for (const i of found) for (const other of onward[i]) found.add(other);  // the set grows meanwhile
    return found;
  }

  // Give the class to the box with all before and behind it, and to the arrows between them; -1: to none.
  mark(index, on, inside) {
    const near = index < 0 ? new Set() : new Set([...this.reach(index, this.before), ...this.reach(index, this.behind)]);
    const ways = new Set(this.arrows.filter(([source, target]) => near.has(+source) && near.has(+target)).map((row) => row[2]));
    this.svg.classList.toggle(on, index >= 0);
    this.nodes.forEach((node, i) => node.classList.toggle(inside, near.has(i)));
    for (const [id, edge] of this.edges) edge.classList.toggle(inside, ways.has(id));
  }

  pointAt(node) {
    if (node === this.pointed || this.pointers.size) return;
    this.pointed = node;
    clearTimeout(this.pointing);
    this.pointing = setTimeout(() => this.mark(this.nodes.indexOf(node), 'has-pointed', 'near'), node ? POINT_MS : 0);
  }

  select(name) {
    const index = this.nodes.findIndex((node) => node.dataset.node === name);
    this.nodes.forEach((node, i) => {
      node.classList.toggle('selected', i === index);
      node.setAttribute('tabindex', i === Math.max(0, index) ? 0 : -1);
    });
    this.mark(index, 'has-selection', 'related');
    if (index >= 0 && this.seen) this.show(this.nodes[index]);
  }

  // -- states

  update({ selected, nodes, edges, turns }) {
    if (selected !== this.selected) this.select(this.selected = selected ?? null);
    if (!nodes) return;
    const texts = nodes.map((state) => JSON.stringify(state));
    const changes = this.shown.length ? nodes.map((state, i) => [this.nodes[i], state, texts[i] !== this.shown[i]]).filter(([, state, differs]) => state && differs) : [];
    if (changes.length) states().then(({ setState }) => changes.forEach(([node, state]) => setState(node, state)));
    this.shown = texts;
    this.waiting = nodes.map((state, i) => [state?.[4], this.nodes[i]]).filter(([until]) => until);
    for (const [id, edge] of this.edges) {
      for (const name of ['taken', 'faded']) edge.classList.toggle(name, edges[id] === name);
      const turn = one('.turn', edge);
      if (turn) turn.textContent = turns[id] ? `turn ${turns[id]}` : '';
    }
  }
}

// -- the picture of the page

let graph = null, seen = '';

function look() {
  const view = one('[data-graph]'), source = one('[data-graph-states]')?.textContent || '{}';
  if (!view) { graph = null; return; }
  if (!one('svg', view)) { import('./graph_picture.js').then(({ fetchPicture }) => fetchPicture(view)); return; }
  if (graph?.view !== view) {
    graph = new Graph(view);
    seen = '';
    one('[data-graph-tools]').hidden = false;
  }
  if (source !== seen) graph.update(JSON.parse(seen = source));
}

const ACTS = { 0: () => graph.fit(), '+': () => graph.zoom(STEP), '=': () => graph.zoom(STEP), '-': () => graph.zoom(1 / STEP) };

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-zoom]');
  if (button && graph) ACTS[button.dataset.zoom]();
});

document.addEventListener('keydown', (event) => {
  if (!graph || !ACTS[event.key] || event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || dialogOpen()) return;
  event.preventDefault();
  ACTS[event.key]();
});

setInterval(() => {
  const waiting = graph?.waiting ?? [];
  if (!document.hidden && waiting.length) states().then(({ tickWaiting }) => tickWaiting(waiting));
}, 1000);
look();
new MutationObserver(look).observe(one('main'), { childList: true, subtree: true, characterData: true });
