"""Drawings of a plan: Mermaid and text."""

from __future__ import annotations

from holdwater.model.plan import Plan
from holdwater.tasks.compile import predecessors, topological_levels


def render_mermaid(plan: Plan) -> str:
    """Render a Mermaid flow chart, top down."""
    number = {node.name: f"t{i}" for i, node in enumerate(plan.nodes)}
    lines = ["flowchart TD"]
    for node in plan.nodes:
        label = node.name.replace("#", "#35;").replace('"', "#quot;").replace("\n", " ")
        lines.append(f'    {number[node.name]}["{label}"]')
    for node in plan.nodes:
        for source in predecessors(node):
            arrow = "-->" if source in node.after else "-.->"
            lines.append(f"    {number[source]} {arrow} {number[node.name]}")
    return "\n".join(lines)


def render_text(plan: Plan, title: str) -> str:
    """Render the levels of a plan, one line per node with its predecessors."""
    nodes = {node.name: node for node in plan.nodes}
    lines = [title]
    last = -1
    for name, level in sorted(topological_levels(plan).items(), key=lambda item: item[1]):
        node = nodes[name]
        head = f"level {level + 1}" if level != last else ""
        sources = predecessors(node)
        tail = f"  <- {', '.join(sources)}" if sources else ""
        rule = "  (rule)" if node.outcome_if_not_run == "skipped" else ""
        lines.append(f"  {head:<9} {name}{tail}{rule}")
        last = level
    return "\n".join(lines)
