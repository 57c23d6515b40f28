"""Checks of loops: each can start and can end."""

from __future__ import annotations

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.digraph import Digraph
from holdwater.graphs.build.loop_entry import find_loop_entries
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.nested import GraphNode


def check_loops(wiring: Wiring) -> None:
    """Check that every cycle contains a gate, a target of a gate on it, or an interrupt, and has an entry.

    Raises GraphConfigError.
    """
    if wiring.loops:
        _check_loops_start(wiring)
        _check_loops_end(wiring)


def _check_loops_end(wiring: Wiring) -> None:
    shape = wiring.digraph
    going_on = {name for loop in wiring.loops for name in loop if not _can_stop(wiring, name)}
    round_trips = Digraph.from_edges(
        [name for name in wiring.nodes if name in going_on],
        [(edge.source, edge.target) for edge in wiring.edges if edge.source in going_on and edge.target in going_on],
    )
    for part in round_trips.components:
        if len(part) > 1:
            whole = shape.components[shape.component[part[0]]]
            raise GraphConfigError(
                with_facts(
                    f"the loop of {join_names(part)} would never end: no gate and no interrupt is on the way round",
                    *[f"{name} -> {after}" for name in part[:12] for after in round_trips.successors[name]],
                ),
                hint=f"let a gate decide whether to go on: @route(targets=[{whole[0]!r}, END]);"
                " if no loop is meant, rename an output",
            )


def _can_stop(wiring: Wiring, name: str) -> bool:
    node = wiring.nodes[name]
    if node.is_gate or node.is_interrupt or (isinstance(node, GraphNode) and node.graph.has_interrupts):
        return True
    return any([wiring.digraph.same_component(name, gate) for gate in wiring.controllers.get(name, ())])


def _check_loops_start(wiring: Wiring) -> None:
    for choice in find_loop_entries(wiring, wiring.sources, wiring.nodes.keys(), frozenset()).ambiguous_entries:
        if not choice.candidates:
            facts = []
            for name in choice.loop[:12]:
                waits = wiring.nodes[name].wait_for
                gates = [gate for gate in wiring.controllers.get(name, ()) if gate in choice.loop]
                reasons = [f"waits for {join_names(waits)}"] if waits else []
                reasons += [f"is opened by {join_names(gates)}"] if gates else []
                reasons += [] if reasons else [f"needs {join_names(wiring.nodes[name].inputs)}"]
                facts.append(f"{name!r} {' and '.join(reasons)}")
            raise GraphConfigError(
                with_facts(
                    f"the loop of {join_names(choice.loop)} can never begin: each waits for another one", *facts
                ),
                hint="let one of them start without the others: take away a wait_for, or default_open=False of a gate",
            )
