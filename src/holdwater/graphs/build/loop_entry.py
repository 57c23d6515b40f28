"""How loops are entered: which node goes first, and which values it takes from outside in the place of the loop.

A loop has a choice of beginnings.  A gate that can decide without the loop goes first: it is closed until it has
decided, or what the loop feeds back to it has defaults.  Otherwise names that were given say which node is meant: one
that starts from a given name goes before one that needs none, and a gate that has what it reads decides between targets
of which it opens only one.  What a first turn from there cannot reach begins in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field

from holdwater.graphs.build.wiring import Port, Wiring
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode


@dataclass(frozen=True, slots=True)
class Choice:
    """Nodes of a loop that can begin in several ways: node -> names it would take from outside.

    No candidates: they cannot begin.  `settled`: everything is there for more than one of them.
    """

    loop: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]
    settled: bool = False


@dataclass
class Start:
    """What the loops of a graph begin with, in definition order."""

    entries: dict[str, None] = field(default_factory=dict)
    led: set[str] = field(default_factory=set)
    """entries that a gate of their loop lets in"""
    seeds: dict[str, None] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)


def started(
    wiring: Wiring,
    sources: Mapping[Port, tuple[str, ...]],
    active: Set[str],
    known: Set[str],
    entrypoints: Collection[str] = (),
    answers: Set[str] = frozenset(),
) -> Start:
    """How the active loops begin if the `known` names are given and the entry points go first.

    `answers`: names of answers to questions that are given too; a loop begins behind its question with one of these if
    it can begin nowhere else.
    """
    start = Start()
    for loop in wiring.loops:
        inside = tuple([name for name in loop if name in active])
        if inside:
            _Loop(wiring, sources, inside, known, answers, start).begin(
                [name for name in inside if name in entrypoints]
            )
    return start


class _Loop:
    def __init__(
        self,
        wiring: Wiring,
        sources: Mapping[Port, tuple[str, ...]],
        members: tuple[str, ...],
        known: Set[str],
        answers: Set[str],
        start: Start,
    ) -> None:
        self.wiring = wiring
        self.members = members
        self.start = start
        self.inside = frozenset(members)
        self.fired: set[str] = set()
        self.gates = {
            name: tuple([gate for gate in wiring.controllers.get(name, ()) if gate in self.inside]) for name in members
        }
        self.fed_back: dict[str, tuple[str, ...]] = {}
        """node -> inputs that the loop writes"""
        self.takes: dict[str, tuple[str, ...]] = {}
        """node -> those of them that edges bring"""
        self.lacks: dict[str, tuple[str, ...]] = {}
        """node -> those of them that nothing else can provide"""
        self.sources = sources
        self.before: dict[str, set[str]] = {}
        """node -> nodes of the loop that it waits for, unless it is an entry"""
        self.known = set(known)
        self.answers = answers
        for name in members:
            self._look_at(name)
        self.following: dict[str, list[str]] = {name: [] for name in members}
        for name, sources_of in self.before.items():
            for source in (*sources_of, *self.gates[name]):
                self.following[source].append(name)

    def _look_at(self, name: str) -> None:
        node, inside = self.wiring.nodes[name], self.inside
        makers = {p: self.sources.get((name, p), ()) for p in node.inputs}
        self.fed_back[name] = tuple([p for p in node.inputs if not inside.isdisjoint(makers[p])])
        lacking = [p for p in self.fed_back[name] if inside.issuperset(makers[p]) and not node.has_default_for(p)]
        own = [p for p in lacking if makers[p] == (name,)]  # whatever goes first, only this node could write it
        for p in own:
            self.start.seeds[p] = None
            self.known.add(p)
        self.lacks[name] = tuple([p for p in lacking if p not in own])
        # A shared name is read as it is when the turn comes; what is declared about order says when that is.
        self.takes[name] = tuple([p for p in self.fed_back[name] if p not in self.wiring.shared])
        before = {maker for p in self.takes[name] for maker in makers[p]}
        before.update([maker for w in node.wait_for for maker in self.wiring.signals.get(w, ())])
        before.update(self.wiring.order.get(name, ()))
        self.before[name] = (before & inside) - {name}

    def begin(self, first: list[str]) -> None:
        """Choose beginnings until every node of the loop has had a first turn, or a choice is left open."""
        if over := self._choosers(first):
            if not self._may_decide(over):
                self._leave_open(first)
            self.start.led.update([name for name in first if not set(over).isdisjoint(self.gates[name])])
            first = [*over, *[name for name in first if name not in self.start.led]]
        while len(self.fired) < len(self.members):
            chosen = first or self._deciding() or self._chosen()
            first = []
            if not chosen:
                return
            for name in chosen:
                self.start.seeds.update(dict.fromkeys([p for p in self.lacks[name] if not self._written(name, p)]))
                self.known.update(self.lacks[name])
                self.start.entries[name] = None
                if not self.fired.isdisjoint(self.gates[name]):
                    self.start.led.add(name)
            self._turn(chosen)

    # -- choosing

    def _deciding(self) -> list[str]:
        """Gates that decide before anything else in the loop has run."""
        if self.fired:
            return []
        return [name for name in self.members if self.wiring.nodes[name].is_gate and self._decides_first(name)]

    def _decides_first(self, gate: str) -> bool:
        node = self.wiring.nodes[gate]
        if self.gates[gate] or not all([self._heard(w) for w in node.wait_for]):
            return False
        if not self._needs(gate):
            by_defaults = not self._awaits(gate) and all([node.has_default_for(p) for p in self.takes[gate]])
            return not _open(node) or by_defaults
        return not _open(node) and not any([self.known.intersection(self.fed_back[name]) for name in self.members])

    def _choosers(self, pool: Collection[str]) -> tuple[str, ...]:
        """Gates of the loop, still to decide, that open only one of these at a time."""
        over = [gate for name in pool for gate in self.gates[name] if gate not in self.fired]
        return tuple(
            [
                gate
                for gate in dict.fromkeys(over)
                if over.count(gate) > 1 and not _opens_several(self.wiring.nodes[gate])
            ]
        )

    def _may_decide(self, gates: Collection[str]) -> bool:
        """Whether the gates have what they read, and nothing over them."""
        return not any([self.gates[gate] or self._needs(gate) for gate in gates])

    def _chosen(self) -> list[str]:
        left = [name for name in self.members if name not in self.fired and self._may_begin(name)]
        candidates = [name for name in left if not self.wiring.nodes[name].is_gate] or left
        ready = [name for name in candidates if not self._needs(name)]
        if not ready and self.answers and not self.fired:
            ready = self._behind_questions()
        pool = _largest({name: self.known.intersection(self.fed_back[name]) for name in ready or candidates})
        if not ready:
            pool = _smallest({name: set(self._needs(name)) for name in pool})
        if len({frozenset(self._needs(name)) for name in pool}) != 1:
            stuck = tuple([name for name in self.members if name not in self.fired])
            self.start.choices.append(Choice(stuck, {name: self._needs(name) for name in pool}))
            return []
        if not any([self.known.intersection(self.fed_back[name]) for name in pool]):
            pool = [name for name in pool if not self.gates[name]] or pool  # nothing given says to pass a gate by
        over = self._choosers(pool)
        if over and self._may_decide(over):
            return list(over)
        first = self._foremost(pool)
        free = [name for name in first if self.fired.isdisjoint(self.gates[name])]  # no gate has decided about it
        if over or (free and self._written_over(free)):
            self._leave_open(pool)
        return first

    def _behind_questions(self) -> list[str]:
        """Nodes that can begin with the answers that are given."""
        behind = [name for name in self.members if not self.wiring.nodes[name].is_gate and self._needs(name)]
        return [name for name in behind if self.answers >= set(self._needs(name))]

    def _leave_open(self, pool: Collection[str]) -> None:
        names = {name: tuple([p for p in self.fed_back[name] if p in self.known]) for name in pool}
        self.start.choices.append(Choice(self.members, names, settled=True))

    def _needs(self, name: str) -> tuple[str, ...]:
        """What it would take from outside besides what is there."""
        return tuple([p for p in self.lacks[name] if p not in self.known and not self._written(name, p)])

    def _written(self, name: str, p: str) -> bool:
        return not self.fired.isdisjoint(self.sources[name, p])

    def _may_begin(self, name: str) -> bool:
        gates = self.gates[name]
        nodes = self.wiring.nodes
        if gates and not any([_open(nodes[gate]) or gate in self.fired for gate in gates]):
            outside = len(self.wiring.controllers[name]) > len(gates)
            if not outside:
                return False
        if not all([self._heard(w) for w in nodes[name].wait_for]):
            return False
        return not any([self._asked(name, p) for p in self._needs(name)])

    def _heard(self, signal: str) -> bool:
        makers = self.wiring.signals.get(signal, ())
        return any([maker not in self.inside or maker in self.fired for maker in makers])

    def _asked(self, name: str, p: str) -> bool:
        """Whether a person answers it; an answer cannot be the first thing in a loop."""
        return all([self.wiring.nodes[maker].is_interrupt for maker in self.sources[name, p]])

    def _foremost(self, pool: list[str]) -> list[str]:
        """Without those that take something, not given, from others that are about to begin."""
        among = set(pool)
        later = {
            name
            for name in pool
            for p in self.takes[name]
            if p not in self.known and not among.isdisjoint(set(self.sources[name, p]) - {name})
        }
        later.update([name for name in pool if not among.isdisjoint(self.wiring.order.get(name, ()))])
        first = [name for name in pool if name not in later] or pool
        return [name for name in first if not self._awaits(name)] or first

    def _awaits(self, name: str) -> frozenset[str]:
        """Nodes of the loop that it comes after by a declared edge, and that have had no turn."""
        return self.inside.intersection(self.wiring.order.get(name, ())) - self.fired

    def _written_over(self, pool: list[str]) -> bool:
        """Whether one writes what another begins with, or they come after different nodes by declared edges."""
        among = set(pool)
        return len({self._awaits(name) for name in pool}) > 1 or any(
            [not among.isdisjoint(set(self.sources[name, p]) - {name}) for name in pool for p in self.takes[name]]
        )

    # -- a first turn

    def _turn(self, first: Iterable[str]) -> None:
        stack = list(first)
        self.fired.update(stack)
        while stack:
            for name in self.following[stack.pop()]:
                if name not in self.fired and self._follows(name):
                    self.fired.add(name)
                    stack.append(name)

    def _follows(self, name: str) -> bool:
        """Whether it can run after what has run: a source behind a gate may also be left out."""
        gates = self.gates[name]
        if gates and self.fired.isdisjoint(gates):
            return False
        for source in self.before[name]:
            if source not in self.fired and not self.gates[source]:
                return False
        return not self._needs(name) and all([self._heard(w) for w in self.wiring.nodes[name].wait_for])


def _open(gate: Node) -> bool:
    return isinstance(gate, GateNode) and gate.default_open


def _opens_several(gate: Node) -> bool:
    return isinstance(gate, GateNode) and gate.multi_target


def _largest(sets: Mapping[str, set[str]]) -> list[str]:
    """The names whose set is not part of another's."""
    having = _having(sets)

    def beaten(one: set[str]) -> bool:
        if not one:
            return bool(having)
        return any([one < other for other in min([having[p] for p in one], key=len)])

    return [name for name, one in sets.items() if not beaten(one)]


def _smallest(sets: Mapping[str, set[str]]) -> list[str]:
    """The names whose set has no other's as a part.  No set is empty."""
    having = _having(sets)
    return [name for name, one in sets.items() if not any([other < one for p in one for other in having[p]])]


def _having(sets: Mapping[str, set[str]]) -> dict[str, set[frozenset[str]]]:
    """The different sets by what is in them."""
    found: dict[str, set[frozenset[str]]] = {}
    for one in {frozenset(one) for one in sets.values()}:
        for p in one:
            found.setdefault(p, set()).add(one)
    return found
