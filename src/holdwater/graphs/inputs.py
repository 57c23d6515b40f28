"""Inputs of a run: merged, and checked against the inputs of the graph."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdwater.errors import GraphConfigError, InputError, MissingInputError
from holdwater.graphs.messages import join_names, with_facts
from holdwater.model.suggestions import did_you_mean
from holdwater.model.values import StoredValue

if TYPE_CHECKING:
    from holdwater.graphs.build.scope import Scope
    from holdwater.graphs.graph_protocol import GraphProtocol

_PRINTABLE_TYPES = (bool, int, float, str, type(None))


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedInputs:
    """Checked inputs of a run.

    `values`: given values, and bound ones where none is given.  `answers`: answers for interrupts.
    `supplied_outputs`: outputs among the values, whose nodes are not active in the scope.
    """

    values: dict[str, Any]
    answers: dict[str, Any]
    supplied_outputs: tuple[str, ...]
    scope: Scope


def resolve_inputs(
    graph: GraphProtocol,
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    values: Mapping[str, Any] | None = None,
    keywords: Mapping[str, Any] | None = None,
    select: Sequence[str] | None = None,
    entrypoint: str | Sequence[str] | None = None,
    known_names: Collection[str] = (),
    option_names: Collection[str] = (),
) -> ResolvedInputs:
    """Merge and check the inputs of a run, given as mappings, keywords or both.

    `known_names`: names whose values a checkpoint provides.  Raises MissingInputError; InputError (a ValueError) for a
    duplicate name or an invalid keyword; GraphConfigError for a loop that could start in several ways.  Warns of names
    that are not inputs of the graph, and of values that replace bound ones.
    """
    given = merge_inputs(graph, inputs, values=values, keywords=keywords, option_names=option_names)
    made = graph.wiring.writers
    accepted = {name: value for name, value in given.items() if name in graph.input_names or name in made}
    _warn_unknown_inputs(graph, given.keys() - accepted.keys())
    _warn_overridden_bindings(graph, accepted)
    scope = graph.scope(select, entrypoint, provided=(*accepted, *known_names))
    _check_loop_entries(scope, accepted)
    available = accepted.keys() | set(known_names)
    missing = [name for name in scope.inputs.required if name not in available]
    if missing:
        raise _missing_input_error(graph, missing, given)
    seeds = scope.inputs.seeds  # an answer that starts a loop is an input
    answers = {name: value for name, value in accepted.items() if name in graph.interrupt_outputs and name not in seeds}
    return ResolvedInputs(
        {**graph.bound, **{name: value for name, value in accepted.items() if name not in answers}},
        answers,
        scope.supplied_outputs,
        scope,
    )


def merge_inputs(
    graph: GraphProtocol,
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    values: Mapping[str, Any] | None = None,
    keywords: Mapping[str, Any] | None = None,
    option_names: Collection[str] = (),
) -> dict[str, Any]:
    """Merge given values by flat name: `{"inner": {"x": 1}}` is `{"inner.x": 1}` for a namespaced node.

    `option_names`: options of the runner, suggested in hints.  Raises InputError for a duplicate name, an unknown
    keyword, and an address that is exposed under another name.
    """
    found: dict[str, Any] = {}
    for given in (inputs, values):
        if given is not None:
            _add_unique(found, flatten_inputs(graph, given))
    if keywords:
        _check_keywords(graph, keywords, option_names)
        _add_unique(found, flatten_inputs(graph, keywords))
    return found


def flatten_inputs(graph: GraphProtocol, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested mappings, also encoded ones, to the addresses of namespaced nodes."""
    if not isinstance(inputs, Mapping):
        raise InputError(f"inputs are a mapping of names to values, not {inputs!r}")
    spaces = graph.namespaces
    found: dict[str, Any] = {}
    todo = list(inputs.items())[::-1]
    while todo:
        name, value = todo.pop()
        if not isinstance(name, str):
            raise InputError(f"the name of an input is a str, not {name!r}")
        if name in spaces and isinstance(value, StoredValue) and value.is_plain_object:
            todo += [(f"{name}.{inner}", StoredValue.from_tree(one)) for inner, one in list(value.tree.items())[::-1]]
        elif name in spaces and isinstance(value, Mapping):
            todo += [(f"{name}.{inner}", one) for inner, one in list(value.items())[::-1]]
        elif name in found:
            raise InputError(f"input {name!r} is given twice, nested and as {name!r}", hint="keep one of the two")
        elif name in graph.exposed_names:
            raise InputError(
                f"{name!r} is exposed under another name", hint=f"give it as {graph.exposed_names[name]!r}"
            )
        else:
            found[name] = value
    return found


def _add_unique(merged: dict[str, Any], more: Mapping[str, Any]) -> None:
    twice = [name for name in more if name in merged]
    if twice:
        raise InputError(
            f"given twice: {join_names(twice)}", hint="give each input in the mapping or as a keyword, not both"
        )
    merged.update(more)


def _check_keywords(graph: GraphProtocol, keywords: Mapping[str, Any], option_names: Collection[str]) -> None:
    known = graph.input_names | graph.wiring.writers.keys() | graph.namespaces
    for name in keywords:
        if "." in name:
            raise InputError(
                f"{name!r} cannot be a keyword: it is an address in a nested graph",
                hint=f"put it into the mapping: run(graph, {{{name!r}: ...}})",
            )
        if name not in known:
            raise InputError(
                with_facts(
                    f"{name!r} is neither an input of the graph nor an option",
                    f"inputs: {join_names(graph.inputs.all)}",
                ),
                hint=did_you_mean(name, [*known, *option_names]),
            )


def _warn_unknown_inputs(graph: GraphProtocol, names: Iterable[str]) -> None:
    for name in sorted(names):
        close = did_you_mean(name, graph.input_names)
        warnings.warn(
            f"{name!r} is no input of the graph and is not used; "
            f"{close or 'its inputs: ' + join_names(graph.inputs.all)}",
            UserWarning,
            stacklevel=4,
        )


def _warn_overridden_bindings(graph: GraphProtocol, inputs: Mapping[str, Any]) -> None:
    for name in inputs.keys() & graph.bound.keys():
        before, now = graph.bound[name], inputs[name]
        if before is not now:
            what = (
                f": {now!r} instead of {before!r}"
                if isinstance(before, _PRINTABLE_TYPES) and isinstance(now, _PRINTABLE_TYPES)
                else ""
            )
            warnings.warn(f"{name!r} is bound, and this run gives another value{what}", UserWarning, stacklevel=4)


def _check_loop_entries(scope: Scope, given: Collection[str]) -> None:
    for choice in scope.ambiguous_entries:
        candidates = [
            f"{node!r}, from {join_names(needs)}" if needs else f"{node!r}, from what is there"
            for node, needs in choice.candidates.items()
        ]
        if choice.inputs_available:
            raise GraphConfigError(
                with_facts(f"the loop of {join_names(choice.loop)} can start in more than one place", *candidates),
                hint=f"say where, with graph.with_entrypoint({next(iter(choice.candidates))!r}),"
                " or give the inputs of one only",
            )
        missing = dict.fromkeys([p for needs in choice.candidates.values() for p in needs])
        raise MissingInputError(
            missing,
            given,
            with_facts(
                f"the loop of {join_names(choice.loop)} needs a value to start with; it can start at", *candidates
            ),
            hint="give the inputs of one of these",
        )


def _missing_input_error(
    graph: GraphProtocol, missing: Sequence[str], provided: Mapping[str, Any]
) -> MissingInputError:
    takers: dict[str, list[str]] = {name: [] for name in missing}
    for node in graph.nodes.values():
        for name in node.inputs:
            if name in takers:
                takers[name].append(node.name)
    facts = [f"{name!r}, taken by {join_names(nodes)}" for name, nodes in takers.items()]
    typos = [name for name in provided if name not in graph.input_names and name not in graph.wiring.writers]
    meant = [f"{name!r} was given, {close}" for name in typos if (close := did_you_mean(name, missing))]
    made = graph.wiring.writers
    unmade = [name for name in missing if name not in made]
    meant += [f"no node makes {name!r}, {close}" for name in unmade if (close := did_you_mean(name, made))]
    hint = "give a value for each, or bind one: graph = graph.bind(...), which returns a new graph"
    return MissingInputError(
        missing,
        provided,
        with_facts(f"missing: {join_names(missing)}", *facts, f"given: {join_names(provided)}", *meant),
        hint=hint,
    )
