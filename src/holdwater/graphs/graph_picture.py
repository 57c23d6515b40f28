"""Pictures of graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from holdwater.drawing.picture import END_KEY, Arrow, Box, BoxKind, Picture
from holdwater.graphs.nodes.gates import END, GateNode, IfElseNode, target_text
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.type_compat import format_type

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node

MAX_DEFAULT_CHARS: Final = 20


def make_picture(graph: GraphProtocol, depth: int = 0, *, show_types: bool = True, show_inputs: bool = True) -> Picture:
    """Build the picture of a graph's scope, with `depth` levels of nested graphs unfolded.

    Hidden nodes are left out; arrows pass through them.
    """
    whole = Picture(graph.name or "graph")
    pending = [(whole, graph, depth)]
    while pending:
        picture, part, levels = pending.pop()
        nodes = {name: part.nodes[name] for name in part.scope().active}
        if show_inputs:
            _add_input_boxes(picture, part, nodes, show_types)
        for name, node in nodes.items():
            if node.hide:
                continue
            box = picture.boxes[name] = _make_box(node, show_types)
            if levels > 0 and isinstance(node, GraphNode):
                box.inner = Picture(name)
                pending.append((box.inner, node.graph, levels - 1))
        picture.arrows += _make_arrows(part, nodes)
        if any(arrow.target == END_KEY for arrow in picture.arrows):
            picture.boxes[END_KEY] = Box(END_KEY, "end")
    return whole


def _make_box(node: Node, show_types: bool) -> Box:
    lines = [_with_type(name, node.get_output_type(name), show_types) for name in node.data_outputs]
    title = node.name
    if isinstance(node, GraphNode) and node.map_config is not None:
        title += f" for each {', '.join(node.map_config.params)}"
    return Box(title, _box_kind(node), tuple(lines))


def _box_kind(node: Node) -> BoxKind:
    if isinstance(node, GraphNode):
        return "graph"
    if isinstance(node, IfElseNode):
        return "choice"
    if node.is_gate:
        return "route"
    return "question" if node.is_interrupt else "function"


def _with_type(name: str, annotation: Any, show_types: bool) -> str:
    return f"{name}: {format_type(annotation)}" if show_types and annotation is not None else name


# -- inputs


def _add_input_boxes(picture: Picture, graph: GraphProtocol, nodes: Mapping[str, Node], show_types: bool) -> None:
    """Add one box per set of inputs with the same readers."""
    groups: dict[tuple[str, ...], list[str]] = {}
    consumers = _input_consumers(graph, nodes)
    for name in graph.inputs.all:
        if name not in graph.bound and consumers.get(name):
            groups.setdefault(tuple(consumers[name]), []).append(name)
    for number, (targets, names) in enumerate(groups.items()):
        lines = tuple(_format_input(nodes[targets[0]], name, show_types) for name in names)
        key = f"<inputs {number}>"
        picture.boxes[key] = Box("", "input", lines)
        picture.arrows += [Arrow(key, target, "data", names=tuple(names)) for target in targets]


def _input_consumers(graph: GraphProtocol, nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """Map each input to its readers; in a loop, if possible, only to those without another source of the value."""
    given: dict[str, list[str]] = {}
    seeded: dict[str, list[str]] = {}
    for node in nodes.values():
        for name in () if node.hide else node.inputs:
            made = any(producer in nodes for producer in graph.producers(node.name, name))
            (seeded if made else given).setdefault(name, []).append(node.name)
    return {**seeded, **given}


def _format_input(node: Node, name: str, show_types: bool) -> str:
    text = _with_type(name, node.get_input_type(name), show_types)
    if not node.has_default_for(name):
        return text
    default = node.get_default_for(name)
    shown = repr(default) if default is None or isinstance(default, (str, int, float)) else "…"
    return f"{text} = {shown if len(shown) <= MAX_DEFAULT_CHARS else '…'}"


# -- arrows


def _make_arrows(graph: GraphProtocol, nodes: Mapping[str, Node]) -> list[Arrow]:
    arrows = list(_all_arrows(graph, nodes))
    onward: dict[str, list[Arrow]] = {name: [] for name, node in nodes.items() if node.hide}
    if not onward:
        return arrows
    for arrow in arrows:
        if arrow.source in onward:
            onward[arrow.source].append(arrow)
    return [led for arrow in arrows if arrow.source not in onward for led in _bypass_hidden(arrow, onward)]


def _bypass_hidden(arrow: Arrow, hidden_arrows: Mapping[str, list[Arrow]]) -> Iterator[Arrow]:
    """Yield the arrow, or, for a hidden target, one to each visible node behind it.

    `hidden_arrows`: arrows that leave hidden nodes.
    """
    seen = {arrow.target}
    pending = [arrow.target]
    while pending:
        target = pending.pop()
        if target not in hidden_arrows:
            yield Arrow(arrow.source, target, arrow.kind, arrow.label, arrow.names)
            continue
        for further in hidden_arrows[target]:
            if further.target not in seen:
                seen.add(further.target)
                pending.append(further.target)


def _all_arrows(graph: GraphProtocol, nodes: Mapping[str, Node]) -> Iterator[Arrow]:
    decided: set[tuple[str, str]] = set()
    for node in nodes.values():
        if isinstance(node, GateNode):
            for target in node.targets:
                if target is END or target in nodes:
                    key = target_text(target)
                    decided.add((node.name, key))
                    yield Arrow(node.name, key, "control", _decision_label(node, target))
    for edge in graph.edges:
        # control arrows are drawn from the gates, which know END and the decisions
        if edge.kind == "control" or edge.source not in nodes or edge.target not in nodes:
            continue
        if edge.kind == "data" or (edge.source, edge.target) not in decided:
            yield Arrow(edge.source, edge.target, edge.kind, names=edge.names)


def gate_branches(gate: GateNode[..., Any]) -> dict[str, str]:
    """Map the names of a gate's targets to the decisions that open them; the name of END is ""."""
    return {"" if target is END else target_text(target): _decision_label(gate, target) for target in gate.targets}


def _decision_label(gate: GateNode[..., Any], target: str) -> str:
    if isinstance(gate, IfElseNode):
        return str(target == gate.when_true)
    return gate.descriptions.get(target, "")
