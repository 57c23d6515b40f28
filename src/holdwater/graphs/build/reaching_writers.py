"""Names with several writers: the writes that reach a reader, and writers that are neither ordered nor exclusive."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heapify, heappop, heappush

from holdwater.graphs.build.digraph import Digraph, reachable
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode

Pair = tuple[str, str]


def find_reaching_writers(
    digraph: Digraph, reader: str, writers: Sequence[str], gate_targets: Collection[str]
) -> tuple[str, ...]:
    """Find the writers whose write can be the last one before the reader reads (reaching definitions).

    These are the writers from which a path leads to `reader` without passing another writer; a direct edge from a
    writer to the reader does not count.  `gate_targets`: the targets of a reader that is a gate; paths through them
    come after its decision.  O(writers * (nodes + edges)) at worst.
    """
    among = frozenset(writers)
    lowest = min([digraph.level[maker] for maker in writers])  # no path from a writer leads below it

    direct: set[str] = set()
    stack = [
        name
        for name in digraph.predecessors[reader]
        if name not in among and name not in gate_targets and name != reader
    ]
    seen = set(stack)
    while stack:
        for name in digraph.predecessors[stack.pop()]:
            if name in among:
                direct.add(name)
            elif name not in seen and name != reader and name not in gate_targets and digraph.level[name] >= lowest:
                seen.add(name)
                stack.append(name)

    hidden: set[str] = set()
    labels: dict[str, set[str]] = {}
    walks = [(maker, maker) for maker in writers if maker != reader and maker not in gate_targets]
    while walks:  # against the edges from every writer; a writer reached from another one is before that one
        at, label = walks.pop()
        for name in digraph.predecessors[at]:
            if name in among:
                if name != label:
                    hidden.add(name)
            elif name != reader and name not in gate_targets and digraph.level[name] >= lowest:
                known = labels.setdefault(name, set())
                if label not in known and len(known) < 2:  # two labels suffice: they reach all nodes above
                    known.add(label)
                    walks.append((name, label))
    return tuple([maker for maker in writers if maker in direct or maker not in hidden])


class DeclaredOrder:
    """The order of writers within one iteration, by signals (`emit`, `wait_for`) and declared edges."""

    def __init__(
        self,
        names: Collection[str],
        order_edges: Sequence[Pair],
        data_edges: Sequence[Pair],
        control_edges: Sequence[Pair],
        gate_reads: Sequence[Pair],
    ) -> None:
        """Build the order.

        `data_edges`: from the only writer of a name.  `gate_reads`: to gates, from every writer of their inputs.
        """
        self.ordered_nodes = frozenset([name for pair in order_edges for name in pair])
        self.gated_nodes = frozenset([target for _, target in control_edges])
        self.certain_graph = Digraph.from_edges(names, [*order_edges, *data_edges])
        self.iteration_graph = Digraph.from_edges(names, [*order_edges, *data_edges, *control_edges, *gate_reads])

    def find_visible_writers(self, reader: str, writers: Sequence[str]) -> tuple[str, ...]:
        """Find the writers whose write the reader can see; all of them if no order is declared among these nodes.

        A write before the reader in the same iteration hides writes after the reader and writes before that write.
        Without one, the reader sees the last write of the previous iteration.
        """
        if self.ordered_nodes.isdisjoint((reader, *writers)):
            return tuple(writers)
        below = {name: reachable([name], self.certain_graph.successors) for name in (reader, *writers)}
        after = [m for m in writers if m == reader or (m in below[reader] and reader not in below[m])]
        before = [m for m in writers if m not in after and reader in below[m]]
        free = [m for m in writers if m not in after and m not in before]
        inside = len(self.iteration_graph.components[self.iteration_graph.component[reader]]) > 1
        kept = [*self._last_writers(before, below), *free]
        if not kept:
            kept = self._last_writers(after, below)
        elif inside and not any([self.iteration_graph.same_component(m, reader) for m in before]):
            kept += [m for m in self._last_writers(after, below) if self.iteration_graph.same_component(m, reader)]
        return tuple([m for m in writers if m in kept])

    def _last_writers(self, writers: Sequence[str], reachable_from: Mapping[str, set[str]]) -> list[str]:
        """List the writers after which no other one certainly writes: one behind a gate may be skipped."""
        sure = [m for m in writers if m not in self.gated_nodes]
        return [
            m
            for m in writers
            if not any([o in reachable_from[m] and m not in reachable_from[o] for o in sure if o != m])
        ]


def find_unordered_writers(
    nodes: Mapping[str, Node], full_graph: Digraph, certain_graph: Digraph, writers: Sequence[str]
) -> tuple[str, str] | None:
    """Find two writers that are neither ordered nor in exclusive branches of one gate; None if there are none.

    `certain_graph`: the edges that do not depend on which writer is the last.  `full_graph`: all edges; only the order
    between its components counts.
    """
    bit, open_with = _unseparated_masks(writers)
    _separate_by_order(certain_graph, open_with, bit, include_cycles=True)
    _separate_by_order(full_graph, open_with, bit, include_cycles=False)
    _separate_by_gates(nodes, full_graph, open_with, bit)
    return _first_unseparated(writers, open_with)


def find_unbranched_writers(
    nodes: Mapping[str, Node], full_graph: Digraph, writers: Sequence[str]
) -> tuple[str, str] | None:
    """Find two writers that are not in exclusive branches of one gate; None if there are none."""
    bit, open_with = _unseparated_masks(writers)
    _separate_by_gates(nodes, full_graph, open_with, bit)
    return _first_unseparated(writers, open_with)


def _unseparated_masks(writers: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return writer -> its bit, and writer -> the bits of the writers it is not separated from yet."""
    bit = {writer: 1 << i for i, writer in enumerate(writers)}
    everyone = (1 << len(writers)) - 1
    return bit, {writer: everyone & ~bit[writer] for writer in writers}


def _first_unseparated(writers: Sequence[str], unseparated_from: Mapping[str, int]) -> tuple[str, str] | None:
    for writer, left in unseparated_from.items():
        if left:
            return writer, writers[(left & -left).bit_length() - 1]
    return None


def _separate_by_order(
    digraph: Digraph, unseparated_from: dict[str, int], bit: Mapping[str, int], *, include_cycles: bool
) -> None:
    """Separate writers that are ordered.  `include_cycles`: nodes of one cycle count as ordered."""
    highest = max([digraph.level[writer] for writer in bit])
    for writer in bit:
        if not unseparated_from[writer]:
            continue
        for other in _reachable_up_to(digraph, writer, highest) & bit.keys():
            if other != writer and (include_cycles or not digraph.same_component(writer, other)):
                unseparated_from[writer] &= ~bit[other]
                unseparated_from[other] &= ~bit[writer]


def _separate_by_gates(
    nodes: Mapping[str, Node], digraph: Digraph, unseparated_from: dict[str, int], bit: Mapping[str, int]
) -> None:
    """Separate writers by gates, the nearest first, until all are separated."""
    highest = max([digraph.level[writer] for writer in bit])
    heap = [(-digraph.level[writer], writer) for writer, left in unseparated_from.items() if left]
    heapify(heap)
    seen = {writer for _, writer in heap}
    while heap and any(unseparated_from.values()):
        _, name = heappop(heap)
        node = nodes[name]
        if isinstance(node, GateNode) and not node.multi_target:
            _separate_by_gate(node, digraph, unseparated_from, bit, highest)
        for above in digraph.predecessors[name]:
            if above not in seen:
                seen.add(above)
                heappush(heap, (-digraph.level[above], above))


def _separate_by_gate(
    gate: GateNode[..., object],
    digraph: Digraph,
    unseparated_from: dict[str, int],
    bit: Mapping[str, int],
    max_level: int,
) -> None:
    """Separate writers in different branches of a gate.

    A branch is a target and the nodes reachable from it alone, without passing the gate or another target.
    """
    reaching: dict[str, list[str]] = {}
    for target in gate.targets:
        if target in digraph.level:
            for writer in (
                _reachable_up_to(digraph, target, max_level, avoiding=(gate.name, *gate.targets)) & bit.keys()
            ):
                reaching.setdefault(writer, []).append(target)
    branches: dict[str, list[str]] = {}
    for writer, targets in reaching.items():
        if writer in gate.targets:
            branches.setdefault(writer, []).append(writer)
        elif len(targets) == 1:
            branches.setdefault(targets[0], []).append(writer)
    masks = {branch: sum([bit[writer] for writer in inside]) for branch, inside in branches.items()}
    separated = sum(masks.values())
    for branch, inside in branches.items():
        for writer in inside:
            unseparated_from[writer] &= ~(separated & ~masks[branch])


def _reachable_up_to(digraph: Digraph, start: str, max_level: int, *, avoiding: Collection[str] = ()) -> set[str]:
    """Return the nodes reachable from `start` up to a level, not through the nodes in `avoiding`."""
    found = {start}
    if digraph.level[start] > max_level:
        return found
    stack = [start]
    while stack:
        for name in digraph.successors[stack.pop()]:
            if name not in found and name not in avoiding and digraph.level[name] <= max_level:
                found.add(name)
                stack.append(name)
    return found
