"""Checks of order without values: `wait_for`, and edges around shared names."""

from __future__ import annotations

from collections.abc import Mapping

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.digraph import reachable
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.model.suggestions import did_you_mean


def check_wait_for(nodes: Mapping[str, Node]) -> None:
    """Check that every name in `wait_for` is an output of some node.  Raises GraphConfigError."""
    known = dict.fromkeys([name for node in nodes.values() for name in node.outputs])
    for node in nodes.values():
        for name in node.wait_for:
            if name not in known:
                raise GraphConfigError(
                    with_facts(
                        f"node {node.name!r} waits for {name!r}, which no node makes or emits",
                        f"outputs: {join_names(known)}",
                    ),
                    hint=did_you_mean(name, known) or f"let a node emit it: @node(..., emit={name!r})",
                )


def check_shared(wiring: Wiring) -> None:
    """Check that other edges order the writers and readers of shared names.  Raises GraphConfigError."""
    if not wiring.shared:
        return
    shape = wiring.digraph
    around = {name: [*shape.successors[name], *shape.predecessors[name]] for name in wiring.nodes}
    islands: list[set[str]] = []
    seen: set[str] = set()
    for name in wiring.nodes:
        if name not in seen:
            islands.append(reachable([name], around))
            seen |= islands[-1]
    if len(islands) > 1:
        raise GraphConfigError(
            with_facts(
                f"with {join_names(wiring.shared)} shared the graph falls apart: nothing orders its parts",
                *[join_names([name for name in wiring.nodes if name in island]) for island in islands],
            ),
            hint='say what comes first: edges=[("first", "second"), ...], or emit= and wait_for=',
        )
