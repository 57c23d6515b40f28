"""Everything that can be known to be wrong before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdwater.graphs.build.checks.bindings import check_inner_bindings, overridden, projected
from holdwater.graphs.build.checks.defaults import check_defaults
from holdwater.graphs.build.checks.gates import check_gates
from holdwater.graphs.build.checks.loops import check_loops
from holdwater.graphs.build.checks.names import check_name, named
from holdwater.graphs.build.checks.order import check_shared, check_wait_for
from holdwater.graphs.build.checks.types import check_types
from holdwater.graphs.build.checks.writers import check_competitors, check_writers
from holdwater.graphs.build.edges import EdgeLike
from holdwater.graphs.build.wiring import Wiring, wired
from holdwater.graphs.nodes.base import Node

__all__ = ["checked", "overridden", "projected"]


def checked(
    name: str | None,
    nodes: Iterable[Node],
    edges: Iterable[EdgeLike] | None,
    shared: Sequence[str],
    strict_types: bool,
) -> Wiring:
    """The nodes, wired and found to be sound.  Raises GraphConfigError for the first thing that is not."""
    check_name(name)
    by_name = named(nodes)
    check_gates(by_name)
    check_wait_for(by_name)
    wiring = wired(by_name, edges, shared)
    check_writers(wiring)
    check_competitors(wiring)
    check_defaults(wiring)
    check_inner_bindings(wiring)
    check_shared(wiring)
    check_loops(wiring)
    if strict_types:
        check_types(wiring)
    return wiring
