"""Names with several writers: whose write a reader can see, and which writers nothing separates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heapify, heappop, heappush

from holdwater.graphs.build.digraph import Shape, reached
from holdwater.graphs.nodes.base import Node
from holdwater.graphs.nodes.gates import GateNode

Pair = tuple[str, str]


def unhidden(shape: Shape, reader: str, makers: Sequence[str], opened: Collection[str]) -> tuple[str, ...]:
    """The makers whose write can be the last one when the reader reads: they lead to it past no other maker.

    A maker is hidden if it leads to the reader by way of others only, its edge to the reader apart.  `opened`: the
    targets of a reader that is a gate; what comes back through them comes after its decision.
    """
    among = frozenset(makers)
    lowest = min([shape.level[maker] for maker in makers])  # whoever is below it leads away from all of them

    direct: set[str] = set()
    stack = [name for name in shape.before[reader] if name not in among and name not in opened and name != reader]
    seen = set(stack)
    while stack:
        for name in shape.before[stack.pop()]:
            if name in among:
                direct.add(name)
            elif name not in seen and name != reader and name not in opened and shape.level[name] >= lowest:
                seen.add(name)
                stack.append(name)

    hidden: set[str] = set()
    labels: dict[str, set[str]] = {}
    walks = [(maker, maker) for maker in makers if maker != reader and maker not in opened]
    while walks:  # upwards from every maker; whom another maker's walk reaches is before that maker
        at, label = walks.pop()
        for name in shape.before[at]:
            if name in among:
                if name != label:
                    hidden.add(name)
            elif name != reader and name not in opened and shape.level[name] >= lowest:
                known = labels.setdefault(name, set())
                if label not in known and len(known) < 2:  # two different ones reach everybody above
                    known.add(label)
                    walks.append((name, label))
    return tuple([maker for maker in makers if maker in direct or maker not in hidden])


class Signalled:
    """What signals (`emit`, `wait_for`) and declared edges say about who writes a name before whom, turn by turn."""

    def __init__(
        self,
        names: Collection[str],
        ordering: Sequence[Pair],
        data: Sequence[Pair],
        control: Sequence[Pair],
        heard: Sequence[Pair],
    ) -> None:
        """`data`: edges from the only writer of a name; `heard`: to gates, from any writer of what they read."""
        self.ordered = frozenset([name for pair in ordering for name in pair])
        self.gated = frozenset([target for _, target in control])
        self.certain = Shape.of(names, [*ordering, *data])
        self.turn = Shape.of(names, [*ordering, *data, *control, *heard])

    def settled(self, reader: str, makers: Sequence[str]) -> tuple[str, ...]:
        """The makers whose write the reader can see; all of them if no order is declared among these nodes.

        A write before the reader in the same turn hides those that come after it, and those before that write.  Without
        one, the last write of the turn before is seen.
        """
        if self.ordered.isdisjoint((reader, *makers)):
            return tuple(makers)
        below = {name: reached([name], self.certain.after) for name in (reader, *makers)}
        after = [m for m in makers if m == reader or (m in below[reader] and reader not in below[m])]
        before = [m for m in makers if m not in after and reader in below[m]]
        free = [m for m in makers if m not in after and m not in before]
        inside = len(self.turn.parts[self.turn.part[reader]]) > 1
        kept = [*self._last(before, below), *free]
        if not kept:
            kept = self._last(after, below)
        elif inside and not any([self.turn.together(m, reader) for m in before]):
            kept += [m for m in self._last(after, below) if self.turn.together(m, reader)]
        return tuple([m for m in makers if m in kept])

    def _last(self, makers: Sequence[str], below: Mapping[str, set[str]]) -> list[str]:
        """Those after which no other one writes in any case: a gate may pass over one."""
        sure = [m for m in makers if m not in self.gated]
        return [m for m in makers if not any([o in below[m] and m not in below[o] for o in sure if o != m])]


def unseparated(
    nodes: Mapping[str, Node], whole: Shape, certain: Shape, writers: Sequence[str]
) -> tuple[str, str] | None:
    """Two of the writers that are neither in an order nor in different branches of one gate.

    `certain`: the edges that do not hang on who writes last.  In the whole graph, order counts between its parts.
    """
    bit, open_with = _all_open(writers)
    _separate_by_order(certain, open_with, bit, within=True)
    _separate_by_order(whole, open_with, bit, within=False)
    _separate_by_gates(nodes, whole, open_with, bit)
    return _first_open(writers, open_with)


def unbranched(nodes: Mapping[str, Node], whole: Shape, writers: Sequence[str]) -> tuple[str, str] | None:
    """Two of the writers that are not in different branches of one gate."""
    bit, open_with = _all_open(writers)
    _separate_by_gates(nodes, whole, open_with, bit)
    return _first_open(writers, open_with)


def _all_open(writers: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Writer -> its bit, and writer -> the bits of those from whom nothing separates it yet."""
    bit = {writer: 1 << i for i, writer in enumerate(writers)}
    everyone = (1 << len(writers)) - 1
    return bit, {writer: everyone & ~bit[writer] for writer in writers}


def _first_open(writers: Sequence[str], open_with: Mapping[str, int]) -> tuple[str, str] | None:
    for writer, left in open_with.items():
        if left:
            return writer, writers[(left & -left).bit_length() - 1]
    return None


def _separate_by_order(shape: Shape, open_with: dict[str, int], bit: Mapping[str, int], *, within: bool) -> None:
    """`within`: what is behind each other in a circle is in an order too."""
    highest = max([shape.level[writer] for writer in bit])
    for writer in bit:
        if not open_with[writer]:
            continue
        for other in _climbed(shape, writer, highest) & bit.keys():
            if other != writer and (within or not shape.together(writer, other)):
                open_with[writer] &= ~bit[other]
                open_with[other] &= ~bit[writer]


def _separate_by_gates(
    nodes: Mapping[str, Node], shape: Shape, open_with: dict[str, int], bit: Mapping[str, int]
) -> None:
    """From the writers upwards, nearest gates first, until all are separated."""
    highest = max([shape.level[writer] for writer in bit])
    heap = [(-shape.level[writer], writer) for writer, left in open_with.items() if left]
    heapify(heap)
    seen = {writer for _, writer in heap}
    while heap and any(open_with.values()):
        _, name = heappop(heap)
        node = nodes[name]
        if isinstance(node, GateNode) and not node.multi_target:
            _separate_by_gate(node, shape, open_with, bit, highest)
        for above in shape.before[name]:
            if above not in seen:
                seen.add(above)
                heappush(heap, (-shape.level[above], above))


def _separate_by_gate(
    gate: GateNode[..., object], shape: Shape, open_with: dict[str, int], bit: Mapping[str, int], highest: int
) -> None:
    """A branch is a target and what is reached through it only, before a loop comes round to the gate or a target."""
    reaching: dict[str, list[str]] = {}
    for target in gate.targets:
        if target in shape.level:
            for writer in _climbed(shape, target, highest, avoiding=(gate.name, *gate.targets)) & bit.keys():
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
            open_with[writer] &= ~(separated & ~masks[branch])


def _climbed(shape: Shape, start: str, highest: int, *, avoiding: Collection[str] = ()) -> set[str]:
    """What is reached from here without going above a level, or through some nodes."""
    found = {start}
    if shape.level[start] > highest:
        return found
    stack = [start]
    while stack:
        for name in shape.after[stack.pop()]:
            if name not in found and name not in avoiding and shape.level[name] <= highest:
                found.add(name)
                stack.append(name)
    return found
