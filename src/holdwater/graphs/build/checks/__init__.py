"""Checks of a graph before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdwater.graphs.build.checks.bindings import (
    check_inner_bindings,
    collect_inner_bindings,
    find_overridden_bindings,
)
from holdwater.graphs.build.checks.defaults import check_defaults
from holdwater.graphs.build.checks.gates import check_gates
from holdwater.graphs.build.checks.loops import check_loops
from holdwater.graphs.build.checks.names import check_name, index_nodes
from holdwater.graphs.build.checks.order import check_shared, check_wait_for
from holdwater.graphs.build.checks.types import check_types
from holdwater.graphs.build.checks.writers import check_loop_initial_writers, check_writers
from holdwater.graphs.build.edges import EdgeLike
from holdwater.graphs.build.wiring import Wiring, build_wiring
from holdwater.graphs.nodes.base import Node

__all__ = ["build_valid_wiring", "collect_inner_bindings", "find_overridden_bindings"]


def build_valid_wiring(
    name: str | None,
    nodes: Iterable[Node],
    edges: Iterable[EdgeLike] | None,
    shared: Sequence[str],
    strict_types: bool,
) -> Wiring:
    """Wire the nodes and check them.  Raises GraphConfigError for the first fault."""
    check_name(name)
    by_name = index_nodes(nodes)
    check_gates(by_name)
    check_wait_for(by_name)
    wiring = build_wiring(by_name, edges, shared)
    check_writers(wiring)
    check_loop_initial_writers(wiring)
    check_defaults(wiring)
    check_inner_bindings(wiring)
    check_shared(wiring)
    check_loops(wiring)
    if strict_types:
        check_types(wiring)
    return wiring
