"""The scope of a run: the nodes that can run, the outputs it returns, the inputs it requires."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.digraph import reachable
from holdwater.graphs.build.loop_entry import AmbiguousEntry, LoopEntries, find_loop_entries
from holdwater.graphs.build.wiring import Port, Wiring
from holdwater.graphs.input_spec import InputSpec
from holdwater.graphs.messages import join_names, with_facts
from holdwater.graphs.nodes.gates import GateNode
from holdwater.model.suggestions import did_you_mean


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The part of a graph that a run uses; node names are in definition order."""

    active: tuple[str, ...]
    outputs: tuple[str, ...]
    """names of returned outputs"""
    partial_outputs: tuple[str, ...]
    """names of outputs a failed run returns if they were written: all, unless some are selected"""
    inputs: InputSpec
    supplied_outputs: tuple[str, ...]
    """outputs whose value is given, so that no node reads them from their writers"""
    entrypoints: tuple[str, ...]
    """configured entry points and entries of loops, which do not wait for nodes of their loop"""
    gated_entries: tuple[str, ...]
    """those of them that a gate of their loop opens, which decides first"""
    ambiguous_entries: tuple[AmbiguousEntry, ...]
    """loops that the given names do not start, or could start in several ways"""


def compute_scope(
    wiring: Wiring,
    bound: Mapping[str, Any],
    *,
    select: Sequence[str] | None,
    entrypoints: Sequence[str],
    provided: Set[str],
    interrupt_outputs: Set[str],
) -> Scope:
    """Compute a scope in linear time.  `provided`: names a run is given.  `interrupt_outputs`: outputs people answer.

    Raises GraphConfigError for a selected output before the entry points, and for several entry points of which a gate
    before them would have opened only one.
    """
    shape = wiring.digraph
    active: Set[str] = reachable(entrypoints, shape.successors) if entrypoints else wiring.nodes.keys()
    _check_entrypoints(wiring, active, entrypoints)
    cut = _find_replaced_ports(wiring, active, provided - interrupt_outputs)
    supplied = frozenset(name for name in {name for _, name in cut} if name not in wiring.feedback_names)
    if select is not None:
        active = _find_needed(wiring, active, cut, [name for name in select if name not in supplied])
    elif cut:
        active = active - _find_unneeded(wiring, active, cut)
    sources = _active_sources(wiring, active, supplied)
    start = find_loop_entries(
        wiring,
        sources,
        active,
        (provided - supplied - interrupt_outputs) | bound.keys(),
        entrypoints,
        provided & interrupt_outputs,
    )
    ordered = tuple([name for name in wiring.nodes if name in active])
    entries = start.entries.keys() | set(entrypoints)
    return Scope(
        ordered,
        find_leaf_outputs(wiring, ordered) if select is None else tuple(select),
        _all_outputs(wiring, ordered) if select is None else tuple(select),
        _make_input_spec(wiring, ordered, sources, start, bound),
        tuple([name for name in wiring.writers if name in supplied]),
        tuple([name for name in ordered if name in entries]),
        tuple([name for name in ordered if name in start.gated_entries]),
        tuple(start.ambiguous_entries),
    )


def _all_outputs(wiring: Wiring, active: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([output for name in active for output in wiring.nodes[name].data_outputs]))


def _check_entrypoints(wiring: Wiring, active: Set[str], entrypoints: Sequence[str]) -> None:
    for gate in dict.fromkeys([gate for name in entrypoints for gate in wiring.controllers.get(name, ())]):
        node = wiring.nodes[gate]
        opened = [name for name in entrypoints if gate in wiring.controllers.get(name, ())]
        if gate not in active and len(opened) > 1 and isinstance(node, GateNode) and not node.multi_target:
            raise GraphConfigError(
                f"the entry points exclude each other: gate {gate!r} opens only one of {join_names(opened)}",
                hint=f"begin at one of them, or before the gate: with_entrypoint({opened[0]!r})",
            )


def find_leaf_outputs(wiring: Wiring, active: Collection[str]) -> tuple[str, ...]:
    """List the outputs with a writer whose value no active node outside of the writer's loop reads."""
    among = active if isinstance(active, Set) else frozenset(active)
    found: dict[str, bool] = {}
    for name in active:
        for output in wiring.nodes[name].data_outputs:
            read = [r for r in wiring.readers.get((name, output), ()) if r in among]
            found[output] = found.get(output, False) or all([wiring.digraph.same_component(name, r) for r in read])
    return tuple([output for output, leaf in found.items() if leaf])


def match_outputs(patterns: Iterable[str], wiring: Wiring) -> tuple[str, ...]:
    """Resolve names and globs to output names, in order.  `rag/*`: the outputs of node rag.  `**/x`: every x.

    Raises GraphConfigError (a ValueError) for a name or glob that matches no output, and for a duplicate name.
    """
    if isinstance(patterns, str):
        raise GraphConfigError("outputs are selected by a list of names", hint=f"[{patterns!r}]")
    found: dict[str, None] = {}
    named: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise GraphConfigError(f"an output is selected by its name, not {pattern!r}")
        if pattern in named:
            raise GraphConfigError(f"output {pattern!r} is selected twice")
        named.add(pattern)
        matching = [pattern] if pattern in wiring.writers else _match_pattern(pattern, wiring)
        if not matching:
            raise GraphConfigError(
                with_facts(
                    f"{pattern!r} selects no output of the graph", f"the outputs are {join_names(wiring.writers)}"
                ),
                hint=did_you_mean(pattern, wiring.writers),
            )
        found.update(dict.fromkeys(matching))
    return tuple(found)


def _match_pattern(pattern: str, wiring: Wiring) -> list[str]:
    if not any([sign in pattern for sign in "*?/"]):
        return []
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    fits = re.compile("".join([signs.get(part) or re.escape(part) for part in parts])).fullmatch
    return [
        name
        for name, makers in wiring.writers.items()
        if fits(name) or fits(name.replace(".", "/")) or any([fits(f"{maker}/{name}") for maker in makers])
    ]


# -- active nodes


def _find_replaced_ports(wiring: Wiring, active: Set[str], provided: Set[str]) -> set[Port]:
    """Find the (node, output) pairs that need not be written, because the value is given.

    Seeds of loops and shared names are not among them: nodes write these again.
    """
    return {
        (maker, name)
        for name in (provided & wiring.writers.keys()) - set(wiring.shared)
        for maker in wiring.writers[name]
        if maker in active
        and not any([wiring.digraph.same_component(maker, r) for r in wiring.readers.get((maker, name), ())])
    }


def _find_unneeded(wiring: Wiring, active: Set[str], replaced_ports: set[Port]) -> set[str]:
    """Find active nodes whose outputs are read only by inactive nodes or replaced by given values; loops as a whole."""
    shape, gone = wiring.digraph, set[str]()

    def needed(name: str) -> bool:
        node = wiring.nodes[name]
        outside = [
            after for after in shape.successors[name] if not shape.same_component(name, after) and after in active
        ]
        if isinstance(node, GateNode):
            return not outside or any([after not in gone for after in outside])
        reading = {r for output in node.data_outputs for r in wiring.readers.get((name, output), ())}
        if not node.data_outputs or any([after not in gone and after not in reading for after in outside]):
            return True
        for output in node.data_outputs:
            if (name, output) not in replaced_ports:
                read = [
                    r
                    for r in wiring.readers.get((name, output), ())
                    if not shape.same_component(name, r) and r in active
                ]
                if not read or any([r not in gone for r in read]):
                    return True
        return False

    todo = {shape.component[name] for name, _ in replaced_ports}
    for number in range(max(todo), -1, -1):  # components are in topological order, so sources come before readers
        inside = [name for name in shape.components[number] if name in active]
        if number not in todo and not any([after in gone for name in inside for after in shape.successors[name]]):
            continue
        if not any([needed(name) for name in inside]):
            gone.update(inside)
    return gone


def _find_needed(wiring: Wiring, active: Set[str], replaced_ports: set[Port], outputs: Sequence[str]) -> set[str]:
    """Find the nodes that contribute to the outputs; a gate among them adds all its targets and their successors."""
    found: set[str] = set()
    stack: list[str] = []

    def add(names: Iterable[str]) -> None:
        for name in names:
            if name in active and name not in found:
                found.add(name)
                stack.append(name)

    for output in outputs:
        makers = [maker for maker in wiring.writers[output] if maker in active]
        if not makers:
            raise GraphConfigError(
                with_facts(
                    f"the selected output {output!r} is made before the entry points, where nothing runs",
                    f"it is made by {join_names(wiring.writers[output])}",
                ),
                hint=f"select something else, or add an entry point: with_entrypoint({wiring.writers[output][0]!r})",
            )
        add(makers)
    opened: set[str] = set()
    while stack:
        name = stack.pop()
        for p in wiring.nodes[name].inputs:
            add([maker for maker in wiring.sources.get((name, p), ()) if (maker, p) not in replaced_ports])
        for signal in wiring.nodes[name].wait_for:
            add(wiring.signals.get(signal, ()))
        add(wiring.explicit_order.get(name, ()))
        for gate in wiring.controllers.get(name, ()):
            add([gate])
        node = wiring.nodes[name]
        if isinstance(node, GateNode):
            following = [t for t in node.targets if t in wiring.nodes and t not in opened]
            while following:
                after = following.pop()
                if after not in opened:
                    opened.add(after)
                    following += wiring.digraph.successors[after]
                    add([after])
    return found


def _active_sources(wiring: Wiring, active: Set[str], supplied: Set[str]) -> Mapping[Port, tuple[str, ...]]:
    if len(active) == len(wiring.nodes) and not supplied:
        return wiring.sources
    found = {}
    for name in active:
        for p in wiring.nodes[name].inputs:
            if p not in supplied:
                makers = tuple([maker for maker in wiring.sources.get((name, p), ()) if maker in active])
                if makers:
                    found[name, p] = makers
    return found


def _make_input_spec(
    wiring: Wiring,
    active: Sequence[str],
    sources: Mapping[Port, tuple[str, ...]],
    loop_entries: LoopEntries,
    bound: Mapping[str, Any],
) -> InputSpec:
    together = wiring.digraph.same_component
    needed: dict[str, bool] = {}
    """input -> True if a node requires it"""
    seeds: dict[str, None] = {}
    open_seeds = {p for choice in loop_entries.ambiguous_entries for needs in choice.candidates.values() for p in needs}
    for name in active:
        node = wiring.nodes[name]
        for p in node.inputs:
            makers = sources.get((name, p))
            if makers is None:
                needed[p] = needed.get(p, False) or not node.has_default_for(p)
            elif all([together(name, maker) for maker in makers]) and not node.has_default_for(p):
                if p in loop_entries.seeds or makers == (name,):
                    needed[p] = True
                    seeds[p] = None
                elif p in open_seeds:
                    needed.setdefault(p, False)
                    seeds[p] = None
    return InputSpec(
        tuple([p for p, must in needed.items() if must and p not in bound]),
        tuple([p for p, must in needed.items() if not must or p in bound]),
        MappingProxyType({p: bound[p] for p in needed if p in bound}),
        tuple(seeds),
    )
