"""Pictures of plans of every authoring style, without the code of their workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from holdwater.drawing.picture import END_KEY, Arrow, Box, BoxKind, Picture
from holdwater.drawing.rule_text import outcomes_text, rule_text
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.rules import OK_OUTCOMES, UPSTREAM_FAILED, After, ValuePredicate, rule_leaves

_KINDS: Final[dict[str, BoxKind]] = {
    "call": "function",
    "ask": "question",
    "interrupt": "question",
    "wait": "wait",
    "fan_out": "graph",
}


Branches = Mapping[str, Mapping[str, str]]
"""node that decides or jumps -> names of those it may lead to ("": the end) -> the decision that does"""

NO_BRANCHES: Final[Branches] = {}


def picture_of(plan: Plan, nested: Iterable[str] = (), branches: Branches = NO_BRANCHES) -> Picture:
    """Build the picture of a plan: a box per node, an arrow per pair of nodes and kind.

    Control arrows lead from gates to their targets, and from tasks that only the rule of another one mentions.
    `nested`: names of nodes that are known to start child runs, besides those the plan knows.
    `branches`: what the code says of decisions, which no plan has: labels of arrows, the end, the jumps of steps.
    """
    with_children = frozenset(nested)
    picture = Picture(plan.name, sequence=plan.sequence)
    for node in plan.nodes:
        picture.boxes[node.name] = Box(node.name, _kind(node, with_children, branches), note=_note(node))
    picture.arrows += _sequence_arrows(plan, branches) if plan.sequence else _arrows(plan, branches)
    if any([arrow.target == END_KEY for arrow in picture.arrows]) and END_KEY not in picture.boxes:
        picture.boxes[END_KEY] = Box(END_KEY, "end")
    return picture


def _kind(node: PlanNode, with_children: frozenset[str], branches: Branches) -> BoxKind:
    if node.targets or any(branches.get(node.name, {}).values()):
        return "route"
    return "graph" if node.name in with_children else _KINDS[node.kind]


def _note(node: PlanNode) -> str:
    if node.kind == "wait":
        return f"wait {node.wait_seconds:g} s"
    if node.kind == "fan_out":
        return "child runs"
    return f"if {rule_text(node.ready)}" if _has_own_rule(node) else ""


def _has_own_rule(node: PlanNode) -> bool:
    """Return True for a trigger rule, False for the rules that every node of its style has."""
    leaves = list(rule_leaves(node.ready))
    if node.ready is None or node.outcome_if_not_run == UPSTREAM_FAILED:
        return False
    return not leaves or any(isinstance(leaf, (After, ValuePredicate)) for leaf in leaves)


def _sequence_arrows(plan: Plan, branches: Branches) -> Iterator[Arrow]:
    """Yield the ways on from each step: to the next one, or as its branches say."""
    names = {node.name for node in plan.nodes}
    for node, following in zip(plan.nodes, [*plan.nodes[1:], None]):
        next_name = "" if following is None else following.name
        for target, label in branches.get(node.name, {next_name: ""}).items():
            if target in names:
                yield Arrow(node.name, target, "control" if label or target != next_name else "data", label)
            elif label and END_KEY not in names:
                yield Arrow(node.name, END_KEY, "control", label)


def _arrows(plan: Plan, branches: Branches) -> Iterator[Arrow]:
    writers = {cell: node.name for node in plan.nodes for cell in node.writes}
    for node in plan.nodes:
        names = _names_read(node, writers)
        outcomes = {leaf.node: leaf.outcomes for leaf in rule_leaves(node.ready) if isinstance(leaf, After)}
        has_own_rule, gates, after = _has_own_rule(node), frozenset(node.gates), frozenset(node.after)
        for source in dict.fromkeys([*names, *node.after, *outcomes, *node.gates]):
            if source in gates:
                label = branches.get(source, {}).get(node.name, "")
                yield Arrow(source, node.name, "control", label, tuple(names.get(source, ())))
            elif source in names:
                yield Arrow(source, node.name, "data" if names[source] else "ordering", names=tuple(names[source]))
            else:
                label = outcomes_text(outcomes.get(source, OK_OUTCOMES)) if has_own_rule else ""
                is_order = plan.style == "graphs" and source in after
                kind = "ordering" if is_order else "data" if source in after else "control"
                yield Arrow(source, node.name, kind, label)  # type: ignore[arg-type]
    for node in plan.nodes:
        if node.targets and "" in branches.get(node.name, {}):
            yield Arrow(node.name, END_KEY, "control", branches[node.name][""])


def _names_read(node: PlanNode, writers: dict[str, str]) -> dict[str, list[str]]:
    """Map each node that this one reads from to the names of the values; signals have none."""
    found: dict[str, list[str]] = {}
    for read in node.reads:
        for cell in read.cells:
            if cell in writers:
                names = found.setdefault(writers[cell], [])
                if not cell.endswith("/") and read.name not in names:
                    names.append(read.name)
    return found
