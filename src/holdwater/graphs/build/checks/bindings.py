"""Checks of values bound inside nested graphs, where several have one name outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.checks.equality import is_same_value
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import with_facts
from holdwater.graphs.nodes.nested import GraphNode


def check_inner_bindings(wiring: Wiring) -> None:
    """Check that nested graphs with one input have not bound it to different values.  Raises GraphConfigError."""
    first: dict[str, tuple[str, Any]] = {}
    for node, name, value in _iter_inner_bindings(wiring):
        other, known = first.setdefault(name, (node, value))
        if not is_same_value(known, value):
            raise GraphConfigError(
                with_facts(
                    f"input {name!r} is bound to different values inside two nested graphs",
                    f"{other!r}: {known!r}",
                    f"{node!r}: {value!r}",
                ),
                hint=f"rename it on one of them: rename_inputs({name}=...), or bind it in neither",
            )


def find_overridden_bindings(wiring: Wiring, bindings: Mapping[str, Any]) -> list[str]:
    """Describe, for warnings, given values that replace others bound inside nested graphs."""
    inner = {name: (node, value) for node, name, value in _iter_inner_bindings(wiring) if name in bindings}
    return [
        f"{name!r} is bound to another value inside {node!r}; the value of this graph is used"
        for name, (node, value) in inner.items()
        if not is_same_value(bindings[name], value)
    ]


def collect_inner_bindings(wiring: Wiring) -> dict[str, Any]:
    """Collect values bound inside nested graphs, by input of this graph; those of mapped items are left out."""
    mapped = {
        (node.name, name)
        for node in wiring.nodes.values()
        if isinstance(node, GraphNode) and node.map_config is not None
        for name in node.map_config.params
    }
    return {
        name: value
        for node, name, value in _iter_inner_bindings(wiring)
        if (node, name) not in mapped and name not in wiring.writers
    }


def _iter_inner_bindings(wiring: Wiring) -> Iterator[tuple[str, str, Any]]:
    for node in wiring.nodes.values():
        if isinstance(node, GraphNode):
            for name in node.inputs:
                known = node.graph.bound_values
                if (node.name, name) not in wiring.producers and node.param(name) in known:
                    yield node.name, name, known[node.param(name)]
