"""Loops: they can end, and they can begin."""

from __future__ import annotations

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.digraph import Shape
from holdwater.graphs.build.loop_entry import started
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import listed, told
from holdwater.graphs.nodes.nested import GraphNode


def check_loops(wiring: Wiring) -> None:
    """Every way round leads past a gate, what a gate on it opens, or a question; and something goes first."""
    if wiring.loops:
        _check_begins(wiring)
        _check_ends(wiring)


def _check_ends(wiring: Wiring) -> None:
    shape = wiring.shape
    going_on = {name for loop in wiring.loops for name in loop if not _can_stop(wiring, name)}
    round_trips = Shape.of(
        [name for name in wiring.nodes if name in going_on],
        [(edge.source, edge.target) for edge in wiring.edges if edge.source in going_on and edge.target in going_on],
    )
    for part in round_trips.parts:
        if len(part) > 1:
            whole = shape.parts[shape.part[part[0]]]
            raise GraphConfigError(
                told(
                    f"the loop of {listed(part)} would never end: no gate and no interrupt is on the way round",
                    *[f"{name} -> {after}" for name in part[:12] for after in round_trips.after[name]],
                ),
                hint=f"let a gate decide whether to go on: @route(targets=[{whole[0]!r}, END]);"
                " if no loop is meant, rename an output",
            )


def _can_stop(wiring: Wiring, name: str) -> bool:
    node = wiring.nodes[name]
    if node.is_gate or node.is_interrupt or (isinstance(node, GraphNode) and node.graph.has_interrupts):
        return True
    return any([wiring.shape.together(name, gate) for gate in wiring.controllers.get(name, ())])


def _check_begins(wiring: Wiring) -> None:
    for choice in started(wiring, wiring.sources, wiring.nodes.keys(), frozenset()).choices:
        if not choice.candidates:
            facts = []
            for name in choice.loop[:12]:
                waits = wiring.nodes[name].wait_for
                gates = [gate for gate in wiring.controllers.get(name, ()) if gate in choice.loop]
                reasons = [f"waits for {listed(waits)}"] if waits else []
                reasons += [f"is opened by {listed(gates)}"] if gates else []
                reasons += [] if reasons else [f"needs {listed(wiring.nodes[name].inputs)}"]
                facts.append(f"{name!r} {' and '.join(reasons)}")
            raise GraphConfigError(
                told(f"the loop of {listed(choice.loop)} can never begin: each waits for another one", *facts),
                hint="let one of them start without the others: take away a wait_for, or default_open=False of a gate",
            )
