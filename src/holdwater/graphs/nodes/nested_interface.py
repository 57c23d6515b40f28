"""The interface of a nested graph: its ports with their defaults and types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.base import Node


class NestedInterface:
    """The ports of a nested graph by inner names; shared by all copies of its node."""

    def __init__(self, graph: GraphProtocol) -> None:
        self.graph = graph

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.graph.inputs.all)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The selected outputs; without a selection all outputs of active nodes."""
        if self.graph.selected:
            return tuple(self.graph.selected)
        return tuple(dict.fromkeys([name for node in self._active_nodes for name in node.data_outputs]))

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """Active nodes by input, sorted by name."""
        found: dict[str, list[Node]] = {}
        for node in sorted(self._active_nodes, key=lambda node: node.name):
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """One active node per output: the first by name that annotates it, otherwise the first that has it."""
        found: dict[str, Node] = {}
        for node in sorted(self._active_nodes, key=lambda node: node.name):
            for name in node.data_outputs:
                if name not in found or (
                    found[name].get_output_type(name) is None and node.get_output_type(name) is not None
                ):
                    found[name] = node
        return found

    @property
    def _active_nodes(self) -> list[Node]:
        if not self.graph.entrypoints and not self.graph.selected:
            return list(self.graph.nodes.values())
        return [self.graph.nodes[name] for name in self.graph.scope().active]

    # -- defaults and types

    def has_default(self, name: str) -> bool:
        """Return True if the input is optional: bound, with a default, or one of several entries of a loop."""
        return name in self.graph.inputs.optional

    def get_default(self, name: str) -> Any:
        """Return the bound value or default of an input.  Raises KeyError if there is neither."""
        return self.graph.bound[name] if name in self.graph.bound else self.get_signature_default(name)

    def has_signature_default(self, name: str) -> bool:
        nodes = self.consumers.get(name, ())
        return bool(nodes) and all([node.has_signature_default_for(name) for node in nodes])

    def get_signature_default(self, name: str) -> Any:
        if not self.has_signature_default(name):
            raise KeyError(name)
        return self.consumers[name][0].get_signature_default_for(name)

    def input_types(self, name: str) -> tuple[Any, ...]:
        """Return the annotations of all nodes that take this input and annotate it."""
        hints = [node.get_input_type(name) for node in self.consumers.get(name, ())]
        return tuple([hint for hint in hints if hint is not None])

    def output_type(self, name: str) -> Any:
        node = self.producers.get(name)
        return None if node is None else node.get_output_type(name)
