"""Nodes of a plan, as reports of violations name them."""

from __future__ import annotations

from holdwater.kernel import Machine
from holdwater.model.rules import SETTLED_OUTCOMES


def node_label(machine: Machine, node: int) -> str:
    """Return the name of a node in quotes, or its number if the plan does not have it."""
    nodes = machine.compiled_plan.plan.nodes
    return repr(nodes[node].name) if 0 <= node < len(nodes) else f"number {node}"


def unfinished_predecessors(machine: Machine, node: int) -> list[str]:
    """Names of the direct predecessors that have not settled."""
    compiled_plan = machine.compiled_plan
    return [
        repr(name)
        for name in compiled_plan.plan.nodes[node].after
        if name in compiled_plan.node_index
        and machine.node_states[compiled_plan.node_index[name]] not in SETTLED_OUTCOMES
    ]
