"""What a graph comes to for a set of given inputs: compiled once, and kept with the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from holdwater.graphs.build.scope import selected
from holdwater.graphs.compile import Compiled, compiled
from holdwater.graphs.inputs import resolve_inputs
from holdwater.graphs.nodes.interrupts import InterruptNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.runners.graphs.local.fast_path import Straight, straightened

if TYPE_CHECKING:
    from holdwater.graphs.build.scope import Scope
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.node_call import Memo

Names = tuple[str, ...] | None
MAX_PREPARED: Final = 64
"""forms that are kept of one graph"""


class Prepared:
    """A graph in one scope, with given inputs of certain names."""

    def __init__(self, compiled: Compiled, given: frozenset[str]) -> None:
        self.compiled = compiled
        self.given = given
        self.names = tuple(name for name in compiled.layout.plan.inputs if name in given)
        """the given inputs that some node reads, or that stand for what a node would have made"""

    @cached_property
    def straight(self) -> Straight | None:
        """The short way through, if there is nothing to decide on the way."""
        return straightened(self.compiled, self.given)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names that a run is to return."""
        return self.compiled.scope.outputs

    @cached_property
    def _caches(self) -> bool:
        return any(node.cache for node in self.compiled.nodes)

    def memoizes(self, memo: Memo | None) -> bool:
        """Whether this memo is of use here, or in a nested graph."""
        return memo is not None and (self._caches or bool(self.compiled.graph.nested_graphs))

    def start(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs a machine starts with."""
        return {name: given[name] for name in self.names}


@dataclass(frozen=True, slots=True)
class Request:
    """A graph with the inputs of one run.  `answers`: those that answer interrupts, by pause id."""

    prepared: Prepared
    given: dict[str, Any]
    answers: dict[str, Any]


def requested(
    graph: Graph,
    inputs: Mapping[str, Any] | None,
    values: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    select: Names,
    entrypoint: Names,
) -> Request:
    """What a user asks for.  `select` says what is returned; what runs, `Graph.select` says.

    Raises what `resolve_inputs` and `Graph.scope` raise.
    """
    inputs, values, keywords, answers = split_answers(graph, inputs, values, keywords, entrypoint)
    merged: Mapping[str, Any] = inputs or {}
    for more in (values, keywords):
        if more:
            merged = {**merged, **more}
    found = _prepared_of(graph).get((True, select, entrypoint, frozenset(merged)))
    if found is not None and len(merged) == sum(map(len, (inputs or (), values or (), keywords))):
        return Request(found, dict(merged), answers)
    resolved = resolve_inputs(graph, inputs, values=values, keywords=keywords, entrypoint=entrypoint)
    as_given = merged.keys() <= resolved.values.keys() and merged.keys().isdisjoint(graph.bound)
    names = frozenset(merged if as_given else resolved.values)
    scope = resolved.scope if select is None else returning(resolved.scope, selected(select, graph.wiring))
    found = _prepared(graph, (as_given, select, entrypoint, names), lambda: scope)
    return Request(found, {name: resolved.values[name] for name in names}, answers)


def split_answers(
    graph: Graph,
    inputs: Mapping[str, Any] | None,
    values: Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    entrypoint: Names = None,
    known: Collection[str] = (),
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None, Mapping[str, Any], dict[str, Any]]:
    """What is given to readers, and by pause id what answers interrupts.

    An answer that a loop begins with, behind its question, is given to readers, unless it is `known` of the run.
    """
    answers: dict[str, Any] = {}
    if graph.has_interrupts:
        ids = _pause_ids(graph)
        given = {*(inputs or ()), *(values or ()), *keywords}
        if not given.isdisjoint(graph.answers - set(known)):
            seeds = graph.scope(None, entrypoint, (*given, *known)).inputs.seeds
            ids = {name: found for name, found in ids.items() if name in known or name not in seeds}
        inputs, values = _without_answers(inputs, ids, answers), _without_answers(values, ids, answers)
        keywords = _without_answers(keywords, ids, answers) or {}
    return inputs, values, keywords, answers


def prepare(graph: Graph, given: Iterable[str], outputs: tuple[str, ...]) -> Prepared:
    """A nested graph with what its node gives it.  Not only what is returned runs: the rest may have an effect."""
    names = frozenset(given)
    key = (False, outputs, (), names)  # no request of a user has () as entry points
    return _prepared(graph, key, lambda: returning(graph.scope(provided=names), outputs))


def returning(scope: Scope, outputs: tuple[str, ...]) -> Scope:
    """The scope with other outputs to return."""
    return replace(scope, outputs=outputs, partial=outputs)


_Key = tuple[bool, Names, Names, frozenset[str]]
"""whether inputs of exactly these names need no further look; selection, entry points, names"""


def _prepared(graph: Graph, key: _Key, scope: Callable[[], Scope]) -> Prepared:
    known = _prepared_of(graph)
    found = known.get(key)
    if found is None:
        if len(known) >= MAX_PREPARED:
            known.clear()
        found = known[key] = Prepared(compiled(graph, scope()), key[3])
    return found


def _prepared_of(graph: Graph) -> dict[_Key, Prepared]:
    known: dict[_Key, Prepared] = graph.__dict__.setdefault("_prepared", {})
    return known


def _pause_ids(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Pause ids by what answers them: the outermost name of the answer, or the id itself if no input has that name."""
    found: dict[str, tuple[str, ...]] = {}
    todo: list[tuple[Graph, str, tuple[GraphNode, ...]]] = [(graph, "", ())]
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
    """What an output of the innermost graph is called in the outermost; None if it is not seen there, or only as one
    of the items of a map: an answer under that name would not say which item it is for.
    """
    for node in reversed(path):
        if node.map_config is not None:
            return None
        try:
            name = node.outer_output(name)
        except KeyError:
            return None
    return name


def _without_answers(
    inputs: Mapping[str, Any] | None, ids: Mapping[str, tuple[str, ...]], answers: dict[str, Any]
) -> Mapping[str, Any] | None:
    answered = {name: found for name in inputs or () if (found := _answered_by(name, ids))}
    if not inputs or not answered:
        return inputs
    for name, pause_ids in answered.items():
        answers.update(dict.fromkeys(pause_ids, inputs[name]))
    return {name: value for name, value in inputs.items() if name not in answered}


def _answered_by(name: str, ids: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The pause ids that an input of this name answers; those of items have their numbers in them."""
    if name in ids or "/" not in name:
        return ids.get(name, ())
    plain = "/".join([part for part in name.split("/") if not part.isdecimal()])
    return (name,) if plain in ids else ()
