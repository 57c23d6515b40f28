"""An outline of a workflow in text, in the order in which nodes can run."""

from __future__ import annotations

from collections.abc import Iterator

from holdwater.drawing.graph_state import GraphState
from holdwater.drawing.layering import LayerEdge, assign_layers
from holdwater.drawing.marks import character_of
from holdwater.drawing.picture import END_KEY, Box, BoxKind, Picture

_KIND_LABELS: dict[BoxKind, str] = {"route": "gate", "choice": "gate", "question": "interrupt", "graph": "graph"}


def render_tree(picture: Picture, state: GraphState | None = None, encoding: str | None = "utf-8") -> str:
    """Render a line per node: name, outputs, gates' targets, what it waits for; unfolded graphs are branches.

    Of a sequence only the jumps are told.  `state`: marks of the nodes and what their states say, with the characters
    that a terminal with `encoding` has.
    """
    lines = [picture.name]
    stack = [(iter(_node_rows(picture, state, encoding)), "")]
    while stack:
        rows, indent = stack[-1]
        row = next(rows, None)
        if row is None:
            stack.pop()
            continue
        text, is_last, inner = row
        lines.append(f"{indent}{'└─' if is_last else '├─'} {text}")
        if inner is not None:
            stack.append((iter(_node_rows(inner)), indent + ("   " if is_last else "│  ")))
    return "\n".join(lines)


def _node_rows(
    picture: Picture, state: GraphState | None = None, encoding: str | None = None
) -> Iterator[tuple[str, bool, Picture | None]]:
    """Yield (line, is the last of its branch, picture inside it) for each node."""
    keys = list(picture.boxes)
    number = {key: i for i, key in enumerate(keys)}
    rows = assign_layers(len(keys), [LayerEdge(number[a.source], number[a.target]) for a in picture.arrows])
    nodes = [key for key in keys if picture.boxes[key].kind not in ("input", "end")]
    if not picture.sequence:
        nodes.sort(key=lambda key: (rows[number[key]], number[key]))
    needs: dict[str, list[str]] = {key: [] for key in keys}
    opens: dict[str, list[str]] = {key: [] for key in keys}
    for arrow in picture.arrows:
        if arrow.kind == "control":
            target = END_KEY if picture.boxes[arrow.target].kind == "end" else arrow.target
            opens[arrow.source].append(f"{target} ({arrow.label})" if arrow.label else target)
        elif picture.boxes[arrow.source].kind != "input" and not picture.sequence:
            needs[arrow.target].append(f"{arrow.source} ({arrow.label})" if arrow.label else arrow.source)
    inputs = [line for box in picture.boxes.values() if box.kind == "input" for line in box.lines]
    if inputs:
        yield f"inputs {', '.join(inputs)}", not nodes, None
    for key in nodes:
        box = picture.boxes[key]
        box_state = None if state is None else state.boxes.get(key)
        row = _format_row(box, needs[key], opens[key], "" if box_state is None else box_state.about)
        if box_state is not None:
            row = f"{character_of(box_state.mark, encoding)} {row}"
        yield row, key == nodes[-1], box.inner


def _format_row(box: Box, needs: list[str], opens: list[str], about: str) -> str:
    label = box.note or _KIND_LABELS.get(box.kind, "")
    name = f"{box.title} [{label}]" if label else box.title
    parts = [f"{name}: {about}" if about else name]
    if box.lines:
        parts.append(f"-> {', '.join(box.lines)}")
    if opens:
        parts.append(f"=> {' | '.join(opens)}")
    if needs:
        parts.append(f"<- {', '.join(dict.fromkeys(needs))}")
    return "  ".join(parts)
