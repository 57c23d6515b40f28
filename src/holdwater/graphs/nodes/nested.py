"""A graph as a node of another graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from holdwater.errors import GraphConfigError, MapOverError, RenameError, SignatureError
from holdwater.fingerprint.shallow import json_digest
from holdwater.graphs.nodes.base import Node, PortSide
from holdwater.graphs.nodes.map_config import ErrorHandling, MapConfig, MapMode, OnPause
from holdwater.graphs.nodes.nested_interface import NestedInterface
from holdwater.graphs.nodes.port_names import Ports
from holdwater.graphs.runner_compatibility import validate_map_compatible, validate_runner_compatibility
from holdwater.model.suggestions import did_you_mean

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.runner_protocol import CapableRunner

T = TypeVar("T")


class GraphNode(Node):
    """A node that runs a graph.  The graph is not changed and may be used in several nodes.

    `namespaced`: ports are named `<node>.<port>`, except exposed ones.  `explicit_runner`: the runner of the graph;
    None: that of the outer graph.
    """

    namespaced: bool
    explicit_runner: CapableRunner | None

    _interior: NestedInterface
    _map: MapConfig | None
    """names are those inside the graph"""
    _exposed: Mapping[str, str]
    """local name -> alias"""

    def __init__(
        self,
        graph: GraphProtocol,
        name: str | None = None,
        *,
        namespaced: bool = False,
        runner: CapableRunner | None = None,
    ) -> None:
        """Create a node.  Raises GraphConfigError without a name, or for a name with "." or "/"."""
        name = name or graph.name
        if not name:
            raise GraphConfigError(
                "a nested graph needs a name", hint='graph.as_node(name="..."), or Graph(nodes, name="...")'
            )
        _check_name(name)
        interior = NestedInterface(graph)
        self._set_fields(
            _interior=interior,
            _map=None,
            _exposed={},
            namespaced=bool(namespaced),
            explicit_runner=_check_runner(graph, runner),
        )
        super().__init__(name, interior.inputs, interior.outputs)
        if namespaced:
            self._set_fields(**self._replace_prefix("", f"{name}."))

    @property
    def graph(self) -> GraphProtocol:
        """The graph inside."""
        return self._interior.graph

    # -- through the boundary

    def inner_inputs(self, values: Mapping[str, T]) -> dict[str, T]:
        """Map values by input to values by name inside the graph."""
        return self.map_inputs_to_params(values)

    @property
    def inner_selection(self) -> tuple[str, ...]:
        """Return the outputs of the inner graph that this node has, in the order of `outputs`."""
        return self._outputs.original_names

    def outer_outputs(self, values: Mapping[str, T]) -> dict[str, T]:
        """Map values by inner output to values by output; outputs this node does not have are left out."""
        return {
            outer: values[inner] for outer, inner in zip(self.outputs, self._outputs.original_names) if inner in values
        }

    def outer_output(self, inner: str) -> str:
        """Return the output for an inner output.  Raises KeyError if this node does not have it."""
        for outer, origin in zip(self.outputs, self._outputs.original_names):
            if origin == inner:
                return outer
        raise KeyError(inner)

    # -- properties

    @property
    def is_async(self) -> bool:
        return bool(self.graph.has_async_nodes)

    @property
    def definition_hash(self) -> str:
        config = self._map
        mapped = config and [config.params, config.mode, config.error_handling, config.clone]
        boundary = [sorted(zip(ports.names, ports.original_names)) for ports in (self._inputs, self._outputs)]
        return json_digest([self.graph.definition_hash, boundary, mapped])

    def has_default_for(self, name: str) -> bool:
        return name in self._inputs and self._interior.has_default(self.param(name))

    def get_default_for(self, name: str) -> Any:
        return self._interior.get_default(self.param(name))

    def has_signature_default_for(self, name: str) -> bool:
        return name in self._inputs and self._interior.has_signature_default(self.param(name))

    def get_signature_default_for(self, name: str) -> Any:
        return self._interior.get_signature_default(self.param(name))

    def input_types(self, name: str) -> tuple[Any, ...]:
        """Return the annotations of all inner nodes that take this input and annotate it."""
        inner = self.param(name)
        mapped = self._map is not None and inner in self._map.params
        return tuple([list[hint] if mapped else hint for hint in self._interior.input_types(inner)])  # type: ignore[valid-type]

    def get_input_type(self, name: str) -> Any:
        return next(iter(self.input_types(name)), None)

    def get_output_type(self, name: str) -> Any:
        hint = self._interior.output_type(self._outputs.original_name(name))
        return list[hint] if hint is not None and self._map is not None else hint  # type: ignore[valid-type]

    # -- modifiers

    def with_name(self, name: str) -> Self:
        _check_name(name)
        if not self.namespaced:
            return super().with_name(name)
        return self._copy_with(name=name, **self._replace_prefix(f"{self.name}.", f"{name}."))

    def with_runner(self, runner: CapableRunner | None) -> Self:
        """Return the node with a runner of its own; None: that of the outer graph.  Raises IncompatibleRunnerError."""
        return self._copy_with(explicit_runner=_check_runner(self.graph, runner))

    def map_over(
        self,
        *params: str,
        mode: MapMode = "zip",
        error_handling: ErrorHandling = "raise",
        clone: bool | Iterable[str] = False,
        on_pause: OnPause = None,
    ) -> Self:
        """Return the node that runs its graph once per item of these inputs; every output is a list, by item.

        - `mode`: "zip" pairs the lists, "product" uses every combination, the last input varying fastest.
        - `error_handling`: "raise" the first error, or "continue" with None in all outputs of a failed item.
        - `clone`: every item gets deep copies of these other inputs (True: all of them); by default items share them.
        - `on_pause="item"`: permits a graph with interrupts; items pause one by one.

        Raises MapOverError (a ValueError) for invalid options, GraphConfigError for a graph with interrupts.
        """
        if on_pause is None:
            validate_map_compatible(self.graph, f"node {self.name!r} maps over {', '.join(map(repr, params))}")
        config = MapConfig(
            tuple([self._resolve_inner_input(name, "map_over") for name in params]),
            mode,
            error_handling,
            self._resolve_clone(clone),
            on_pause,
        )
        return self._copy_with(_map=config)

    @property
    def map_config(self) -> MapConfig | None:
        """Options of the map, by current names of the inputs; None if it runs once."""
        config = self._map
        if config is None:
            return None
        outer = dict(zip(self._inputs.original_names, self.inputs))
        return replace(
            config,
            params=tuple([outer[name] for name in config.params]),
            clone=tuple([outer[name] for name in config.clone]) if isinstance(config.clone, tuple) else config.clone,
        )

    def expose(self, *names: str, **aliases: str) -> Self:
        """Return the namespaced node with ports under flat names, `local="alias"`, which cannot be renamed afterwards.

        Raises GraphConfigError for a node that is not namespaced, an unknown port, and a duplicate alias.
        """
        if not self.namespaced:
            raise GraphConfigError(
                f"node {self.name!r} is not namespaced: its ports are not hidden, so none can be exposed",
                hint="graph.as_node(namespaced=True).expose(...), or rename_inputs and rename_outputs",
            )
        prefix = f"{self.name}."
        changes: dict[str, str] = {}
        for name, alias in {**{name: name.removeprefix(prefix) for name in names}, **aliases}.items():
            local = name.removeprefix(prefix)
            if local in self._exposed:
                raise GraphConfigError(
                    f"{prefix}{local} of node {self.name!r} is exposed already, as {self._exposed[local]!r}"
                )
            address = prefix + local
            if address not in self._inputs and address not in self._outputs:
                known = [port.removeprefix(prefix) for port in dict.fromkeys((*self.inputs, *self.outputs))]
                raise GraphConfigError(
                    f"node {self.name!r} has no port {local!r} to expose", hint=did_you_mean(local, known)
                )
            if not alias.isidentifier():
                raise GraphConfigError(
                    f"{alias!r} is no name for an exposed port", hint=f'expose(**{{{local!r}: "name"}})'
                )
            if alias in changes.values() or alias in self._exposed.values():
                raise GraphConfigError(f"two ports of node {self.name!r} would be exposed as {alias!r}")
            changes[address] = alias
        owner = f"node {self.name!r}"
        return self._copy_with(
            _inputs=self._inputs.rename(_changes_of(changes, self._inputs), kind="input", owner=owner),
            _outputs=self._outputs.rename(_changes_of(changes, self._outputs), kind="output", owner=owner),
            _exposed={**self._exposed, **{address.removeprefix(prefix): alias for address, alias in changes.items()}},
        )

    @property
    def exposed(self) -> dict[str, str]:
        """Exposed ports: address -> flat name."""
        return {f"{self.name}.{local}": alias for local, alias in self._exposed.items()}

    def _rename_ports(self, side: PortSide, changes: Mapping[str, str]) -> Self:
        if not self.namespaced:
            return super()._rename_ports(side, changes)
        prefix = f"{self.name}."
        ports = self.inputs if side == "input" else self.outputs
        full: dict[str, str] = {}
        for old, new in changes.items():
            if old in ports and not old.startswith(prefix):
                raise RenameError(
                    f"{side} {old!r} of node {self.name!r} is exposed, and exposed ports keep their name",
                    hint="rename it before exposing it",
                )
            full[prefix + old.removeprefix(prefix)] = prefix + new.removeprefix(prefix)
        return super()._rename_ports(side, full)

    def _replace_prefix(self, old_prefix: str, new_prefix: str) -> dict[str, Ports]:
        """Return the ports with the prefix of their names replaced."""
        return {
            "_inputs": self._replace_port_prefix(self._inputs, old_prefix, new_prefix),
            "_outputs": self._replace_port_prefix(self._outputs, old_prefix, new_prefix),
        }

    def _replace_port_prefix(self, ports: Ports, old_prefix: str, new_prefix: str) -> Ports:
        changes = {
            name: new_prefix + name.removeprefix(old_prefix) for name in ports.names if name.startswith(old_prefix)
        }
        return ports.rename(changes, kind="port", owner=f"node {self.name!r}")

    def _resolve_clone(self, clone: bool | Iterable[str]) -> bool | tuple[str, ...]:
        if isinstance(clone, bool):
            return clone
        if isinstance(clone, str) or not isinstance(clone, Iterable):
            raise SignatureError(f"clone is True, False or a list of inputs, not {clone!r}")
        return tuple([self._resolve_inner_input(name, "clone") for name in clone])

    def _resolve_inner_input(self, name: str, argument: str) -> str:
        """Return the inner name of an input, given its address or, in a namespaced node, its local name."""
        for known in (name, f"{self.name}.{name}"):
            if known in self._inputs:
                return self.param(known)
        raise MapOverError(
            f"{argument} of node {self.name!r} names {name!r}, which is none of its inputs: {self.inputs}",
            hint=did_you_mean(name, self.inputs),
        )


def _changes_of(changes: Mapping[str, str], ports: Ports) -> dict[str, str]:
    return {old: new for old, new in changes.items() if old in ports}


def _check_name(name: str) -> None:
    for sign in "./":
        if sign in name:
            raise GraphConfigError(f"the name of a nested graph cannot contain {sign!r}: {name!r}")


def _check_runner(graph: GraphProtocol, runner: CapableRunner | None) -> CapableRunner | None:
    if runner is not None:
        validate_runner_compatibility(graph, runner)
    return runner
