"""Ancestors among tasks, which decide if one write has seen another; bit sets, computed only for concurrent writers."""

from __future__ import annotations

from collections.abc import Iterable

from holdwater.model.run_state import NumberedPlan
from holdwater.tasks.layered_map import INITIAL_RANK


class Ancestry:
    """Ranks of tasks (positions in a topological order, from 1; the initial context is 0) and their ancestors.

    Data flows along dependencies only: a task that only a rule mentions settles earlier, but is no ancestor.
    """

    def __init__(self, numbers: NumberedPlan) -> None:
        self._numbers = numbers
        self._dependencies: dict[int, list[int]] = {}
        self._seen_by_rank: dict[int, int] = {INITIAL_RANK: 1}

    def dependencies(self, node: int) -> list[int]:
        """Return the dependencies of a node, in declared order."""
        found = self._dependencies.get(node)
        if found is None:
            index = self._numbers.node_index
            found = self._dependencies[node] = [index[name] for name in self._numbers.plan.nodes[node].after]
        return found

    def rank(self, node: int) -> int:
        """Return the rank of a node."""
        return self._numbers.unit_of[node] + 1

    def node(self, rank: int) -> int:
        """Return the node of a rank."""
        return self._numbers.unit_members[rank - 1][0]

    def to_bitset(self, ranks: Iterable[int]) -> int:
        """Convert ranks to a bit set."""
        out = 0
        for rank in ranks:
            out |= 1 << rank
        return out

    def latest(self, ranks: int) -> tuple[int, ...]:
        """Return the ranks of a bit set that are no ancestor of another one in it, ascending."""
        kept = []
        while ranks:
            rank = ranks.bit_length() - 1
            kept.append(rank)
            ranks &= ~self.seen_by((rank,))
        kept.reverse()
        return tuple(kept)

    def seen_by(self, writers: tuple[int, ...]) -> int:
        """Return the union of the ancestors of these ranks, themselves included, as a bit set."""
        known = 0
        for rank in writers:
            known |= self._seen_by_rank[rank] if rank in self._seen_by_rank else self._compute_seen(rank)
        return known

    def _compute_seen(self, target_rank: int) -> int:
        seen = self._seen_by_rank
        stack = [target_rank]
        while stack:
            rank = stack[-1]
            if rank in seen:
                stack.pop()
                continue
            above = [self.rank(d) for d in self.dependencies(self.node(rank))]
            missing = [r for r in above if r not in seen]
            if missing:
                stack += missing
                continue
            stack.pop()
            known = 1 << rank | 1
            for r in above:
                known |= seen[r]
            seen[rank] = known
        return seen[target_rank]
