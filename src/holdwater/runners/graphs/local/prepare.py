"""Preparation of runs: the compiled graph for a set of input names, cached with the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from holdwater.graphs.build.scope import match_outputs
from holdwater.graphs.compile import CompiledGraph, compile_graph
from holdwater.graphs.inputs import resolve_inputs
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.runners.graphs.local.fast_path import FastPath, compile_fast_path

if TYPE_CHECKING:
    from holdwater.graphs.build.scope import Scope
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.node_call import NodeCacheProtocol

OptionalNames = tuple[str, ...] | None
MAX_PREPARED_GRAPHS: Final = 64
"""number of prepared forms cached per graph"""


class PreparedGraph:
    """A graph in one scope, compiled for inputs of certain names."""

    def __init__(self, compiled: CompiledGraph, input_names: frozenset[str]) -> None:
        self.compiled = compiled
        self.input_names = input_names
        self.machine_input_names = tuple(name for name in compiled.compiled_plan.plan.inputs if name in input_names)
        """given inputs that a node reads, or that replace outputs of nodes"""

    @cached_property
    def fast_path(self) -> FastPath | None:
        """The fast path; None if the graph needs the machine."""
        return compile_fast_path(self.compiled, self.input_names)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs to return."""
        return self.compiled.scope.outputs

    @cached_property
    def _has_cached_nodes(self) -> bool:
        return any(node.cache for node in self.compiled.nodes)

    def uses_cache(self, node_cache: NodeCacheProtocol | None) -> bool:
        """Return True if a node, here or in a nested graph, may use the cache."""
        return node_cache is not None and (self._has_cached_nodes or bool(self.compiled.graph.nested_graphs))

    def machine_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Select the inputs of the machine."""
        return {name: inputs[name] for name in self.machine_input_names}


@dataclass(slots=True)
class GivenInputs:
    """Inputs as given by the caller, in two mappings and by keyword.

    `option_names`: options of the runner, suggested as a hint for an unknown keyword.
    """

    inputs: Mapping[str, Any] | None
    values: Mapping[str, Any] | None
    keywords: Mapping[str, Any]
    option_names: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A prepared graph with the inputs of a run.  `answers`: answers to interrupts, by pause id."""

    prepared: PreparedGraph
    inputs: dict[str, Any]
    answers: dict[str, Any]


def prepare_request(
    graph: GraphProtocol, given: GivenInputs, select: OptionalNames, entrypoint: OptionalNames
) -> PreparedRequest:
    """Prepare a run.  `select`: the outputs to return; it does not restrict the nodes that run, unlike `Graph.select`.

    Raises MissingInputError, InputError (a ValueError), GraphConfigError.
    """
    given, answers = split_answers(graph, given, entrypoint)
    inputs, values, keywords = given.inputs, given.values, given.keywords
    merged: Mapping[str, Any] = inputs or {}
    for more in (values, keywords):
        if more:
            merged = {**merged, **more}
    found = _prepared_cache(graph).get((True, select, entrypoint, frozenset(merged)))
    if found is not None and len(merged) == sum(map(len, (inputs or (), values or (), keywords))):
        return PreparedRequest(found, dict(merged), answers)
    resolved = resolve_inputs(
        graph, inputs, values=values, keywords=keywords, entrypoint=entrypoint, option_names=given.option_names
    )
    as_given = merged.keys() <= resolved.values.keys() and merged.keys().isdisjoint(graph.bound)
    names = frozenset(merged if as_given else resolved.values)
    scope = resolved.scope if select is None else with_outputs(resolved.scope, match_outputs(select, graph.wiring))
    found = _get_or_prepare(graph, (as_given, select, entrypoint, names), lambda: scope)
    return PreparedRequest(found, {name: resolved.values[name] for name in names}, answers)


def split_answers(
    graph: GraphProtocol, given: GivenInputs, entrypoint: OptionalNames = None, known_names: Collection[str] = ()
) -> tuple[GivenInputs, dict[str, Any]]:
    """Split given values into inputs of nodes and answers to interrupts, by pause id.

    An answer that starts a loop behind its interrupt is an input, unless the run has it already (`known_names`).
    """
    if not graph.has_interrupts:
        return given, {}
    answers: dict[str, Any] = {}
    ids = _pause_ids_by_input(graph)
    names = {*(given.inputs or ()), *(given.values or ()), *given.keywords}
    if not names.isdisjoint(graph.interrupt_outputs - set(known_names)):
        seeds = graph.scope(None, entrypoint, (*names, *known_names)).inputs.seeds
        ids = {name: found for name, found in ids.items() if name in known_names or name not in seeds}
    readers = replace(
        given,
        inputs=_extract_answers(given.inputs, ids, answers),
        values=_extract_answers(given.values, ids, answers),
        keywords=_extract_answers(given.keywords, ids, answers) or {},
    )
    return readers, answers


def prepare_nested(graph: GraphProtocol, input_names: Iterable[str], outputs: tuple[str, ...]) -> PreparedGraph:
    """Prepare a nested graph for the inputs of its node.  All its nodes run, since they may have side effects."""
    names = frozenset(input_names)
    key = (False, outputs, (), names)  # no request of a user has () as entry points
    return _get_or_prepare(graph, key, lambda: with_outputs(graph.scope(provided=names), outputs))


def with_outputs(scope: Scope, outputs: tuple[str, ...]) -> Scope:
    """Replace the outputs a scope returns."""
    return replace(scope, outputs=outputs, partial_outputs=outputs)


_PreparedKey = tuple[bool, OptionalNames, OptionalNames, frozenset[str]]
"""(checked: inputs of exactly these names need no further check, selection, entry points, names of inputs)"""


def _get_or_prepare(graph: GraphProtocol, key: _PreparedKey, make_scope: Callable[[], Scope]) -> PreparedGraph:
    known = _prepared_cache(graph)
    found = known.get(key)
    if found is None:
        if len(known) >= MAX_PREPARED_GRAPHS:
            known.clear()
        found = known[key] = PreparedGraph(compile_graph(graph, make_scope()), key[3])
    return found


def _prepared_cache(graph: GraphProtocol) -> dict[_PreparedKey, PreparedGraph]:
    known: dict[_PreparedKey, PreparedGraph] = graph.__dict__.setdefault("_prepared_graphs", {})
    return known


def _pause_ids_by_input(graph: GraphProtocol) -> dict[str, tuple[str, ...]]:
    """Map the outermost name of each answer, or the pause id if it has none, to pause ids."""
    found: dict[str, tuple[str, ...]] = {}
    todo: list[tuple[GraphProtocol, str, tuple[GraphNode, ...]]] = [(graph, "", ())]
    while todo:
        inside, stem, path = todo.pop()
        for node in inside.nodes.values():
            if isinstance(node, InterruptNode):
                pause_id = stem + node.name
                if pause_id not in graph.input_names:
                    found[pause_id] = (pause_id,)
                name = outermost_name(path, node.response_param)
                if name is not None:
                    found[name] = (*found.get(name, ()), pause_id)
            elif isinstance(node, GraphNode) and node.graph.has_interrupts:
                todo.append((node.graph, f"{stem}{node.name}/", (*path, node)))
    return found


def outermost_name(path: tuple[GraphNode, ...], name: str) -> str | None:
    """Return the outermost name of an output of a nested graph; None if it is not exposed.

    Also None inside a mapped graph: an answer by that name would be ambiguous between items.
    """
    for node in reversed(path):
        if node.map_config is not None:
            return None
        try:
            name = node.outer_output(name)
        except KeyError:
            return None
    return name


def _extract_answers(
    inputs: Mapping[str, Any] | None, ids: Mapping[str, tuple[str, ...]], answers: dict[str, Any]
) -> Mapping[str, Any] | None:
    answered = {name: found for name in inputs or () if (found := _find_pause_ids(name, ids))}
    if not inputs or not answered:
        return inputs
    for name, pause_ids in answered.items():
        answers.update(dict.fromkeys(pause_ids, inputs[name]))
    return {name: value for name, value in inputs.items() if name not in answered}


def _find_pause_ids(name: str, ids: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the pause ids an input of this name answers; ids of items contain indexes."""
    if name in ids or "/" not in name:
        return ids.get(name, ())
    plain = "/".join([part for part in name.split("/") if not part.isdecimal()])
    return (name,) if plain in ids else ()
