"""Checks of outputs with several writers: order or gates must decide whose value is read."""

from __future__ import annotations

from holdwater.errors import ConflictError, GraphConfigError
from holdwater.graphs.build.digraph import Digraph
from holdwater.graphs.build.reaching_writers import find_unbranched_writers, find_unordered_writers
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import join_names, with_facts


def check_writers(wiring: Wiring) -> None:
    """Check that two writers of an output are ordered, or in exclusive branches of a gate.  Raises ConflictError."""
    contested = {name for name, makers in wiring.writers.items() if len(makers) > 1 and name not in wiring.shared}
    if not contested:
        return
    # An edge that carries only names with several writers depends on which of them writes last: it proves no order.
    certain = Digraph.from_edges(
        wiring.nodes,
        [
            (edge.source, edge.target)
            for edge in wiring.edges
            if wiring.has_explicit_edges or edge.kind != "data" or not contested.issuperset(edge.names)
        ]
        + list(wiring.order_edges),
    )
    for name in wiring.writers:
        if name in contested:
            pair = find_unordered_writers(wiring.nodes, wiring.digraph, certain, wiring.writers[name])
            if pair:
                raise ConflictError(
                    with_facts(
                        f"multiple nodes produce {name!r}, and nothing says whose value counts",
                        f"{pair[0]!r} and {pair[1]!r} are in no order",
                        "no gate chooses between them",
                    ),
                    hint="rename one of the outputs, put them into branches of one gate, order them (emit= and"
                    f" wait_for=, edges=), or share the name: Graph(..., shared=[{name!r}])",
                )


def check_loop_initial_writers(wiring: Wiring) -> None:
    """Check that an input of a loop comes from one node before it, or from exclusive branches of one gate.

    Raises GraphConfigError.
    """
    if wiring.has_explicit_edges:
        return
    for (reader, name), makers in wiring.producers.items():
        if len(makers) < 2 or not wiring.is_in_loop(reader) or wiring.nodes[reader].is_gate:
            continue
        outside = [maker for maker in makers if not wiring.digraph.same_component(maker, reader)]
        if len(outside) < 2:
            continue
        pair = find_unbranched_writers(wiring.nodes, wiring.digraph, outside)
        if pair:
            raise GraphConfigError(
                with_facts(
                    f"competing producers: input {name!r} of {reader!r}, which is in a loop, has several beginnings",
                    f"{pair[0]} --{name}--\\",
                    f"{pair[1]} --{name}----> {reader} <--> its loop",
                    f"the loop is {join_names(wiring.digraph.components[wiring.digraph.component[reader]])}",
                ),
                hint="rename one of the outputs, or say with edges= which one the loop begins with",
            )
