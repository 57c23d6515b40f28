"""Checks of gates: their targets exist, exclude the gate, and can run concurrently with `multi_target`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdwater.errors import ConflictError, GraphConfigError
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import END, GateNode
from holdwater.model.suggestions import did_you_mean


def check_gates(nodes: Mapping[str, Node]) -> None:
    """Check the targets of all gates.  Raises GraphConfigError, ConflictError."""
    for node in nodes.values():
        if isinstance(node, GateNode):
            for target in node.targets:
                if target is not END and target not in nodes:
                    raise GraphConfigError(
                        with_facts(
                            f"gate {node.name!r} has the target {target!r}, which is no node of the graph",
                            f"the nodes are {join_names(nodes)}",
                        ),
                        hint=did_you_mean(target, nodes) or "add the node, or take the target away",
                    )
                if target == node.name:
                    raise GraphConfigError(
                        f"gate {node.name!r} has itself as a target",
                        hint="a gate decides again whenever its inputs are new: name the node that makes them",
                    )
            if node.multi_target:
                _check_target_outputs(node, nodes)


def _check_target_outputs(gate: GateNode[..., Any], nodes: Mapping[str, Node]) -> None:
    makers: dict[str, str] = {}
    for target in gate.targets:
        for output in nodes[target].data_outputs if target in nodes else ():
            other = makers.setdefault(output, target)
            if other != target:
                raise ConflictError(
                    with_facts(
                        f"gate {gate.name!r} may open {other!r} and {target!r} together, and both make {output!r}",
                        "with multi_target it is undefined which value counts",
                    ),
                    hint="rename one of the outputs, or let the gate open one target at a time",
                )
