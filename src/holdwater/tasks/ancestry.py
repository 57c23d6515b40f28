"""Who has seen whose writes: ancestors among tasks, as bit sets made only when two writers of one key meet."""

from __future__ import annotations

from collections.abc import Iterable

from holdwater.model.run_state import PlanNumbers
from holdwater.tasks.layered_map import INITIAL_RANK


class Ancestry:
    """Ranks (places in a topological order, from 1; the initial context is 0) and what each has seen.

    Data flows along dependencies only: a task that a rule merely mentions is earlier, but nobody has seen its writes.
    """

    def __init__(self, numbers: PlanNumbers) -> None:
        self._numbers = numbers
        self._dependencies: dict[int, list[int]] = {}
        self._seen_by_rank: dict[int, int] = {INITIAL_RANK: 1}

    def dependencies(self, node: int) -> list[int]:
        """The nodes whose data a node sees, as declared."""
        found = self._dependencies.get(node)
        if found is None:
            index = self._numbers.index
            found = self._dependencies[node] = [index[name] for name in self._numbers.plan.nodes[node].after]
        return found

    def rank(self, node: int) -> int:
        """The rank of a node."""
        return self._numbers.unit_of[node] + 1

    def node(self, rank: int) -> int:
        """The node of a rank."""
        return self._numbers.unit_members[rank - 1][0]

    def to_bitset(self, ranks: Iterable[int]) -> int:
        """Ranks as a bit set."""
        out = 0
        for rank in ranks:
            out |= 1 << rank
        return out

    def latest(self, ranks: int) -> tuple[int, ...]:
        """Those of a bit set that none of the others has seen, in rank order."""
        kept = []
        while ranks:
            rank = ranks.bit_length() - 1
            kept.append(rank)
            ranks &= ~self.seen_by((rank,))
        kept.reverse()
        return tuple(kept)

    def seen_by(self, writers: tuple[int, ...]) -> int:
        """What these have seen together, as a bit set of ranks; each has seen itself."""
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
