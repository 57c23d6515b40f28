"""Entries of loops: the nodes that run first, and the values they take from outside in place of the loop.

A loop may have several possible entries.  A gate that can decide without the loop is the entry: it starts closed, or
the values the loop feeds back to it have defaults.  Otherwise the given names select the entry: a node that needs a
given name takes precedence over one that needs none, and a gate whose inputs are given decides between exclusive
targets.  Nodes that a first iteration from there cannot reach get entries by the same rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field

from holdwater.graphs.build.wiring import Port, Wiring
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode


@dataclass(frozen=True, slots=True)
class AmbiguousEntry:
    """Nodes of a loop without a unique entry.

    `candidates`: possible entry -> names it would take from outside; none if the loop cannot start.
    `inputs_available`: all inputs of several candidates are given.
    """

    loop: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]
    inputs_available: bool = False


@dataclass
class LoopEntries:
    """The entries of all loops of a graph, in definition order."""

    entries: dict[str, None] = field(default_factory=dict)
    gated_entries: set[str] = field(default_factory=set)
    """entries opened by a gate of their loop"""
    seeds: dict[str, None] = field(default_factory=dict)
    ambiguous_entries: list[AmbiguousEntry] = field(default_factory=list)


def find_loop_entries(
    wiring: Wiring,
    sources: Mapping[Port, tuple[str, ...]],
    active: Set[str],
    known_names: Set[str],
    entrypoints: Collection[str] = (),
    answers: Set[str] = frozenset(),
) -> LoopEntries:
    """Find the entries of the active loops if `known_names` are given; configured `entrypoints` take precedence.

    `answers`: outputs of interrupts that are given too; a loop without another entry starts behind its interrupt.
    """
    start = LoopEntries()
    for loop in wiring.loops:
        inside = tuple([name for name in loop if name in active])
        if inside:
            _LoopEntryFinder(wiring, sources, inside, known_names, answers, start).find_entries(
                [name for name in inside if name in entrypoints]
            )
    return start


class _LoopEntryFinder:
    def __init__(
        self,
        wiring: Wiring,
        sources: Mapping[Port, tuple[str, ...]],
        members: tuple[str, ...],
        known_names: Set[str],
        answers: Set[str],
        loop_entries: LoopEntries,
    ) -> None:
        self.wiring = wiring
        self.members = members
        self.loop_entries = loop_entries
        self.member_set = frozenset(members)
        self.activated: set[str] = set()
        self.gates_over = {
            name: tuple([gate for gate in wiring.controllers.get(name, ()) if gate in self.member_set])
            for name in members
        }
        self.loop_inputs: dict[str, tuple[str, ...]] = {}
        """node -> inputs written inside the loop"""
        self.edge_inputs: dict[str, tuple[str, ...]] = {}
        """node -> those of `loop_inputs` that edges carry"""
        self.unfilled_inputs: dict[str, tuple[str, ...]] = {}
        """node -> those of `loop_inputs` without another source (default, binding)"""
        self.sources = sources
        self.predecessors: dict[str, set[str]] = {}
        """node -> nodes of the loop that run before it, unless it is an entry"""
        self.known_names = set(known_names)
        self.answers = answers
        for name in members:
            self._analyse_node(name)
        self.successors: dict[str, list[str]] = {name: [] for name in members}
        for name, sources_of in self.predecessors.items():
            for source in (*sources_of, *self.gates_over[name]):
                self.successors[source].append(name)

    def _analyse_node(self, name: str) -> None:
        node, inside = self.wiring.nodes[name], self.member_set
        makers = {p: self.sources.get((name, p), ()) for p in node.inputs}
        self.loop_inputs[name] = tuple([p for p in node.inputs if not inside.isdisjoint(makers[p])])
        lacking = [p for p in self.loop_inputs[name] if inside.issuperset(makers[p]) and not node.has_default_for(p)]
        own = [p for p in lacking if makers[p] == (name,)]  # written only by the node itself, so never before it
        for p in own:
            self.loop_entries.seeds[p] = None
            self.known_names.add(p)
        self.unfilled_inputs[name] = tuple([p for p in lacking if p not in own])
        # A shared name is read without waiting for a writer; only declared order counts.
        self.edge_inputs[name] = tuple([p for p in self.loop_inputs[name] if p not in self.wiring.shared])
        before = {maker for p in self.edge_inputs[name] for maker in makers[p]}
        before.update([maker for w in node.wait_for for maker in self.wiring.signals.get(w, ())])
        before.update(self.wiring.explicit_order.get(name, ()))
        self.predecessors[name] = (before & inside) - {name}

    def find_entries(self, first_nodes: list[str]) -> None:
        """Choose entries until every node of the loop is reached by a first iteration, or a choice is ambiguous."""
        if over := self._exclusive_gates(first_nodes):
            if not self._can_decide(over):
                self._record_ambiguity(first_nodes)
            self.loop_entries.gated_entries.update(
                [name for name in first_nodes if not set(over).isdisjoint(self.gates_over[name])]
            )
            first_nodes = [*over, *[name for name in first_nodes if name not in self.loop_entries.gated_entries]]
        while len(self.activated) < len(self.members):
            chosen = first_nodes or self._gates_deciding_first() or self._choose_entries()
            first_nodes = []
            if not chosen:
                return
            for name in chosen:
                self.loop_entries.seeds.update(
                    dict.fromkeys([p for p in self.unfilled_inputs[name] if not self._is_written(name, p)])
                )
                self.known_names.update(self.unfilled_inputs[name])
                self.loop_entries.entries[name] = None
                if not self.activated.isdisjoint(self.gates_over[name]):
                    self.loop_entries.gated_entries.add(name)
            self._run_first_iteration(chosen)

    # -- choosing

    def _gates_deciding_first(self) -> list[str]:
        """List the gates that decide before any other node of the loop has run."""
        if self.activated:
            return []
        return [name for name in self.members if self.wiring.nodes[name].is_gate and self._decides_first(name)]

    def _decides_first(self, gate: str) -> bool:
        node = self.wiring.nodes[gate]
        if self.gates_over[gate] or not all([self._is_signalled(w) for w in node.wait_for]):
            return False
        if not self._missing_inputs(gate):
            by_defaults = not self._waiting_predecessors(gate) and all(
                [node.has_default_for(p) for p in self.edge_inputs[gate]]
            )
            return not _is_default_open(node) or by_defaults
        return not _is_default_open(node) and not any(
            [self.known_names.intersection(self.loop_inputs[name]) for name in self.members]
        )

    def _exclusive_gates(self, names: Collection[str]) -> tuple[str, ...]:
        """List the undecided gates of the loop that open only one of these nodes at a time."""
        over = [gate for name in names for gate in self.gates_over[name] if gate not in self.activated]
        return tuple(
            [
                gate
                for gate in dict.fromkeys(over)
                if over.count(gate) > 1 and not _is_multi_target(self.wiring.nodes[gate])
            ]
        )

    def _can_decide(self, gates: Collection[str]) -> bool:
        """Return True if the gates have all their inputs, and no undecided gate controls them."""
        return not any([self.gates_over[gate] or self._missing_inputs(gate) for gate in gates])

    def _choose_entries(self) -> list[str]:
        left = [name for name in self.members if name not in self.activated and self._can_start(name)]
        candidates = [name for name in left if not self.wiring.nodes[name].is_gate] or left
        ready = [name for name in candidates if not self._missing_inputs(name)]
        if not ready and self.answers and not self.activated:
            ready = self._startable_from_answers()
        pool = _maximal_sets(
            {name: self.known_names.intersection(self.loop_inputs[name]) for name in ready or candidates}
        )
        if not ready:
            pool = _minimal_sets({name: set(self._missing_inputs(name)) for name in pool})
        if len({frozenset(self._missing_inputs(name)) for name in pool}) != 1:
            stuck = tuple([name for name in self.members if name not in self.activated])
            self.loop_entries.ambiguous_entries.append(
                AmbiguousEntry(stuck, {name: self._missing_inputs(name) for name in pool})
            )
            return []
        if not any([self.known_names.intersection(self.loop_inputs[name]) for name in pool]):
            pool = [name for name in pool if not self.gates_over[name]] or pool  # prefer nodes without a gate
        over = self._exclusive_gates(pool)
        if over and self._can_decide(over):
            return list(over)
        first = self._without_dependents(pool)
        free = [
            name for name in first if self.activated.isdisjoint(self.gates_over[name])
        ]  # no gate controls it, or has decided
        if over or (free and self._has_order_conflict(free)):
            self._record_ambiguity(pool)
        return first

    def _startable_from_answers(self) -> list[str]:
        """List the nodes whose missing inputs are given answers."""
        behind = [name for name in self.members if not self.wiring.nodes[name].is_gate and self._missing_inputs(name)]
        return [name for name in behind if self.answers >= set(self._missing_inputs(name))]

    def _record_ambiguity(self, candidates: Collection[str]) -> None:
        names = {name: tuple([p for p in self.loop_inputs[name] if p in self.known_names]) for name in candidates}
        self.loop_entries.ambiguous_entries.append(AmbiguousEntry(self.members, names, inputs_available=True))

    def _missing_inputs(self, name: str) -> tuple[str, ...]:
        """Return the inputs of a node that are neither given nor written yet, nor have another source."""
        return tuple(
            [p for p in self.unfilled_inputs[name] if p not in self.known_names and not self._is_written(name, p)]
        )

    def _is_written(self, name: str, p: str) -> bool:
        return not self.activated.isdisjoint(self.sources[name, p])

    def _can_start(self, name: str) -> bool:
        gates = self.gates_over[name]
        nodes = self.wiring.nodes
        if gates and not any([_is_default_open(nodes[gate]) or gate in self.activated for gate in gates]):
            outside = len(self.wiring.controllers[name]) > len(gates)
            if not outside:
                return False
        if not all([self._is_signalled(w) for w in nodes[name].wait_for]):
            return False
        return not any([self._comes_from_interrupts(name, p) for p in self._missing_inputs(name)])

    def _is_signalled(self, signal: str) -> bool:
        makers = self.wiring.signals.get(signal, ())
        return any([maker not in self.member_set or maker in self.activated for maker in makers])

    def _comes_from_interrupts(self, name: str, p: str) -> bool:
        """Return True if only interrupts write the input; an answer cannot start a loop."""
        return all([self.wiring.nodes[maker].is_interrupt for maker in self.sources[name, p]])

    def _without_dependents(self, names: list[str]) -> list[str]:
        """Drop nodes with an input that is not given and that another of these nodes writes."""
        among = set(names)
        later = {
            name
            for name in names
            for p in self.edge_inputs[name]
            if p not in self.known_names and not among.isdisjoint(set(self.sources[name, p]) - {name})
        }
        later.update([name for name in names if not among.isdisjoint(self.wiring.explicit_order.get(name, ()))])
        first = [name for name in names if name not in later] or names
        return [name for name in first if not self._waiting_predecessors(name)] or first

    def _waiting_predecessors(self, name: str) -> frozenset[str]:
        """Return the nodes of the loop that a declared edge puts before it and that have not run."""
        return self.member_set.intersection(self.wiring.explicit_order.get(name, ())) - self.activated

    def _has_order_conflict(self, names: list[str]) -> bool:
        """Return True if one node writes an input of another, or declared edges put different nodes before them."""
        among = set(names)
        return len({self._waiting_predecessors(name) for name in names}) > 1 or any(
            [
                not among.isdisjoint(set(self.sources[name, p]) - {name})
                for name in names
                for p in self.edge_inputs[name]
            ]
        )

    # -- the first iteration

    def _run_first_iteration(self, start_nodes: Iterable[str]) -> None:
        stack = list(start_nodes)
        self.activated.update(stack)
        while stack:
            for name in self.successors[stack.pop()]:
                if name not in self.activated and self._can_follow(name):
                    self.activated.add(name)
                    stack.append(name)

    def _can_follow(self, name: str) -> bool:
        """Return True if it can run after the nodes that have run; sources behind a gate may be skipped."""
        gates = self.gates_over[name]
        if gates and self.activated.isdisjoint(gates):
            return False
        for source in self.predecessors[name]:
            if source not in self.activated and not self.gates_over[source]:
                return False
        return not self._missing_inputs(name) and all([self._is_signalled(w) for w in self.wiring.nodes[name].wait_for])


def _is_default_open(gate: Node) -> bool:
    return isinstance(gate, GateNode) and gate.default_open


def _is_multi_target(gate: Node) -> bool:
    return isinstance(gate, GateNode) and gate.multi_target


def _maximal_sets(sets: Mapping[str, set[str]]) -> list[str]:
    """List the names whose set is not a proper subset of another one."""
    having = _index_by_member(sets)

    def beaten(one: set[str]) -> bool:
        if not one:
            return bool(having)
        return any([one < other for other in min([having[p] for p in one], key=len)])

    return [name for name, one in sets.items() if not beaten(one)]


def _minimal_sets(sets: Mapping[str, set[str]]) -> list[str]:
    """List the names whose set has no other one as a proper subset; no set is empty."""
    having = _index_by_member(sets)
    return [name for name, one in sets.items() if not any([other < one for p in one for other in having[p]])]


def _index_by_member(sets: Mapping[str, set[str]]) -> dict[str, set[frozenset[str]]]:
    """Map each member to the distinct sets that contain it."""
    found: dict[str, set[frozenset[str]]] = {}
    for one in {frozenset(one) for one in sets.values()}:
        for p in one:
            found.setdefault(p, set()).add(one)
    return found
