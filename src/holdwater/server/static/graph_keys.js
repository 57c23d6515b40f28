// Arrow keys in a picture.

import { place } from './graph_view.js';
import { one } from './lib.js';

// Move the focus, and what is seen; without a box that has it, to the one that is selected, or the first.
export function moveFocus(graph, way) {
  const here = document.activeElement.closest('.node');
  const next = here ? nextBox(graph, here, way) : one('.selected', graph.svg) ?? graph.nodes[0];
  if (!next) return;
  next.focus({ preventScroll: true });
  graph.show(next);
}

// The box to go to: along an arrow to the right or left, the nearest one above or below.
function nextBox({ nodes, before, behind }, node, way) {
  const from = place(node), onward = { left: before, right: behind }[way];
  const away = (box) => Math.hypot(box.x - from.x, 2 * (box.y - from.y));
  const isThere = (box) => (way === 'down' ? box.y > from.y + 1 : box.y < from.y - 1) && Math.abs(box.x - from.x) < from.width;
  const found = onward ? onward[nodes.indexOf(node)].map((i) => nodes[i]) : nodes.filter((other) => isThere(place(other)));
  return found.filter((other) => other !== node).sort((a, b) => away(place(a)) - away(place(b)))[0];
}
