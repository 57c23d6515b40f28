"""Graph: nodes wired by the names of their outputs and inputs, with the scope of its runs."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from holdwater.errors import GraphConfigError, InputError, WorkflowError
from holdwater.graphs.build.checks import build_valid_wiring, collect_inner_bindings, find_overridden_bindings
from holdwater.graphs.build.edges import EdgeLike
from holdwater.graphs.build.scope import Scope, compute_scope, match_outputs
from holdwater.graphs.drawable import Drawable
from holdwater.graphs.input_spec import InputSpec
from holdwater.graphs.inputs import flatten_inputs
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.structure import GraphStructure
from holdwater.model import validation
from holdwater.model.registry import Registry, registry
from holdwater.model.suggestions import did_you_mean

if TYPE_CHECKING:
    from holdwater.graphs.definition import GraphWorkflowDefinition
    from holdwater.graphs.runner_protocol import CapableRunner

G = TypeVar("G", bound="Graph")

_MAX_CACHED_SCOPES: Final = 64
"""number of scopes cached per graph"""


class Graph(GraphStructure, Drawable):
    """Nodes, wired where the name of an output equals that of an input.  Immutable; runners run it.

    - `edges`: connect these pairs instead, `(source, target)` or `(source, target, names)`.
    - `shared`: names that several nodes write in turn; they create no edges, and the order comes from `edges` (then
      added to the inferred ones) or from `emit` and `wait_for`.
    - `entrypoint`: a node or several at which runs start; no node before them runs.
    - `strict_types`: both ends of every edge must be annotated with compatible types.

    Raises GraphConfigError for an invalid graph; ConflictError (a GraphConfigError) for an output with two writers that
    are neither ordered nor exclusive.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        *,
        edges: Iterable[EdgeLike] | None = None,
        entrypoint: str | Node | Iterable[str | Node] | None = None,
        name: str | None = None,
        strict_types: bool = False,
        shared: Iterable[str] | None = None,
    ) -> None:
        if name is not None:
            validation.check_text(
                "the name of a graph",
                name,
                max_bytes=validation.MAX_NAME_BYTES,
                allow_empty=True,
                error_class=GraphConfigError,
            )
        self.name = name
        self.strict_types = strict_types
        self.shared = () if shared is None else (shared,) if isinstance(shared, str) else tuple(shared)
        self._edges = None if edges is None else tuple(edges)
        self.wiring = build_valid_wiring(name, nodes, self._edges, self.shared, strict_types)
        self.bound: Mapping[str, Any] = MappingProxyType({})
        self.selected: tuple[str, ...] | None = None
        self.entrypoints: tuple[str, ...] = ()
        self._scopes: dict[object, Scope] = {}
        if entrypoint is not None:
            self.entrypoints = self._add_entrypoints(
                [entrypoint] if isinstance(entrypoint, (str, Node)) else entrypoint, "entrypoint="
            )
            self.scope()  # checks entry points and selection

    # -- scope

    @cached_property
    def inputs(self) -> InputSpec:
        """The inputs of a run, in the scope of this graph."""
        return self.scope().inputs

    @cached_property
    def bound_values(self) -> Mapping[str, Any]:
        """Values bound here, and inside nested graphs under a name that is an input of this one."""
        inside = collect_inner_bindings(self.wiring) if self.nested_graphs else {}
        return MappingProxyType({**inside, **self.bound}) if inside else self.bound

    def scope(
        self,
        select: Sequence[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        provided: Iterable[str] = (),
    ) -> Scope:
        """Compute the scope of a run with these selected outputs, additional entry points and given inputs.

        Raises GraphConfigError for unknown outputs and nodes, and for outputs before the entry points.
        """
        given = frozenset([name for name in provided if name in self.wiring.writers])
        if entrypoint is None:
            entries = self.entrypoints
        else:
            entries = self._add_entrypoints([entrypoint] if isinstance(entrypoint, str) else entrypoint, "entrypoint=")
        key = (None if select is None else tuple(select), entries, given)
        scope = self._scopes.get(key)
        if scope is None:
            scope = compute_scope(
                self.wiring,
                self.bound_values,
                select=self.selected if select is None else match_outputs(select, self.wiring),
                entrypoints=entries,
                provided=given,
                interrupt_outputs=self.interrupt_outputs,
            )
            if len(self._scopes) >= _MAX_CACHED_SCOPES:
                self._scopes.clear()
            self._scopes[key] = scope
        return scope

    def bind(self, mapping: Mapping[str, Any] | None = None, /, **values: Any) -> Self:
        """Return the graph with values for some of its inputs; all runs share these objects, uncopied.

        Raises InputError (a ValueError) for a name that is not an input in the current scope.  Warns if a value
        replaces one that is bound inside a nested graph.
        """
        given = flatten_inputs(self, mapping or {})
        for name, value in flatten_inputs(self, values).items():
            if name in given:
                raise InputError(f"{name!r} is bound twice in one call")
            given[name] = value
        known = {*self.inputs.all, *self.bound, *(self.wiring.feedback_names & self.input_names)}
        for name in given:
            if name not in known:
                raise self._not_bindable_error(name, known)
        for message in find_overridden_bindings(self.wiring, given):
            warnings.warn(message, UserWarning, stacklevel=2)
        return self._copy_with(bound=MappingProxyType({**self.bound, **given}))

    def unbind(self, *names: str) -> Self:
        """Return the graph without these bound values, or, without names, without all of them."""
        for name in names:
            if name not in self.bound:
                raise InputError(
                    f"{name!r} is not bound; bound are {join_names(self.bound)}", hint=did_you_mean(name, self.bound)
                )
        left = {name: value for name, value in self.bound.items() if names and name not in names}
        return self._copy_with(bound=MappingProxyType(left))

    def select(self, *outputs: str) -> Self:
        """Return the graph that returns these outputs (names or globs) and runs only the nodes they depend on.

        Raises GraphConfigError for an unknown output, or one before the entry points.
        """
        if not outputs:
            raise GraphConfigError("select() needs the name of an output", hint='select("*") returns all')
        return self._copy_with_scope(selected=match_outputs(outputs, self.wiring))

    def with_entrypoint(self, *nodes: str | Node) -> Self:
        """Return the graph with these entry points in addition to those it has; no node before them runs.

        Raises GraphConfigError for an unknown node or a gate, and if a selected output is written before them.
        """
        return self._copy_with_scope(entrypoints=self._add_entrypoints(nodes, "with_entrypoint()"))

    def add_nodes(self, *nodes: Node) -> Self:
        """Return the graph with more nodes, wired again, with the same scope and bound values.

        Raises GraphConfigError for a graph with explicit edges, InputError if a node writes a bound name.
        """
        if self._edges is not None:
            raise GraphConfigError(
                "nodes cannot be added to a graph with explicit edges: their edges are unknown",
                hint="build it again: Graph([*graph.nodes.values(), ...], edges=[...])",
            )
        new = type(self)(
            [*self.nodes.values(), *nodes], name=self.name, strict_types=self.strict_types, shared=self.shared or None
        )
        new = new._copy_with(entrypoints=self.entrypoints, selected=self.selected)
        for name in self.bound:
            if name not in new.inputs.all:
                raise InputError(
                    f"{name!r} is bound, but with these nodes it is no input any more",
                    hint=f"unbind({name!r}) before adding them",
                )
        return new._copy_with(bound=self.bound)

    def as_node(
        self, *, name: str | None = None, namespaced: bool = False, runner: CapableRunner | None = None
    ) -> GraphNode:
        """Return the graph as a node for another graph; see GraphNode."""
        return GraphNode(self, name, namespaced=namespaced, runner=runner)

    def program(self, name: str | None = None) -> GraphWorkflowDefinition:
        """Return the definition the engine runs, under `name` or the graph's own.  Raises WorkflowError without one."""
        from holdwater.graphs.definition import GraphWorkflowDefinition

        known_as = self.name if name is None else name
        if not known_as:
            raise WorkflowError("a graph that is run by its name has one", hint='Graph([...], name="...")')
        return GraphWorkflowDefinition(self, known_as)

    def describe(self, show_types: bool = True) -> str:
        """Describe inputs, outputs and nodes in a few lines."""
        from holdwater.graphs.describe import describe_graph

        return describe_graph(self, show_types)

    def __repr__(self) -> str:
        from holdwater.graphs.describe import format_headline

        return format_headline(self)

    # -- changed copies

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle and copy.deepcopy: the graph is built again from its nodes, with the same scope."""
        kept = ("name", "strict_types", "shared", "_edges", "selected", "entrypoints")
        fields = {**{key: self.__dict__[key] for key in kept}, "bound": dict(self.bound)}
        return _restore_graph, (type(self), tuple(self.nodes.values()), fields)

    def _copy_with(self, **fields: object) -> Self:
        new = object.__new__(type(self))
        kept = ("name", "strict_types", "shared", "_edges", "wiring", "bound", "selected", "entrypoints")
        new.__dict__.update({**{key: self.__dict__[key] for key in kept}, "_scopes": {}, **fields})
        return new

    def _copy_with_scope(self, **fields: object) -> Self:
        new = self._copy_with(**fields)
        new.scope()  # checks entry points and selection
        return new

    def _add_entrypoints(self, nodes: object, argument: str) -> tuple[str, ...]:
        """Return the entry points so far and these, in definition order.  Raises GraphConfigError."""
        if not isinstance(nodes, Collection) or not nodes:
            raise GraphConfigError(f"{argument} needs the name of a node, not {nodes!r}")
        names = set(self.entrypoints)
        for one in nodes:
            name = one.name if isinstance(one, Node) else one
            if not isinstance(name, str) or name not in self.nodes:
                raise GraphConfigError(
                    with_facts(
                        f"the entry point {name!r} is no node of the graph", f"the nodes are {join_names(self.nodes)}"
                    ),
                    hint=did_you_mean(name, self.nodes),
                )
            if self.nodes[name].is_gate:
                raise GraphConfigError(
                    f"the entry point {name!r} is a gate, which decides and makes nothing",
                    hint=f"begin at one of its targets: {join_names(t for t in self.wiring.digraph.successors[name])}",
                )
            names.add(name)
        return tuple([name for name in self.nodes if name in names])

    def _not_bindable_error(self, name: str, bindable_names: Collection[str]) -> InputError:
        if name in self.wiring.writers:
            makers = join_names(self.wiring.writers[name])
            return InputError(
                f"{name!r} cannot be bound: it is made by {makers}",
                hint="begin after it with with_entrypoint(...), or give it to a run",
            )
        return InputError(
            with_facts(
                f"{name!r} cannot be bound: it is no input of the graph", f"inputs: {join_names(self.inputs.all)}"
            ),
            hint=did_you_mean(name, bindable_names),
        )


def _restore_graph(kind: type[G], nodes: tuple[Node, ...], fields: dict[str, Any]) -> G:
    new = object.__new__(kind)
    new.__dict__.update(fields, bound=MappingProxyType(fields["bound"]), _scopes={})
    new.wiring = build_valid_wiring(new.name, nodes, fields["_edges"], new.shared, new.strict_types)
    return new


def register_graph(graph: G, name: str | None = None, *, into: Registry = registry) -> G:
    """Register a graph by its name, or `name`, for runners, schedules and the command line.  Returns the graph.

    Raises WorkflowError for an object that is not a graph, and for a graph without a name.
    """
    if not isinstance(graph, Graph):
        raise WorkflowError(f"register_graph takes a Graph, not {graph!r}")
    into.register(graph.program(name))
    return graph
