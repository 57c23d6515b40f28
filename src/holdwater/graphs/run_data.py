"""What each node of a recorded graph sees: the latest write of every cell wired to it, as stored values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.model.codec import TAG
from holdwater.model.fanout import ChildResult
from holdwater.model.rules import MISSING
from holdwater.model.run_state import RunState
from holdwater.model.values import Stored


@dataclass(frozen=True, slots=True)
class GraphView:
    """`values`: by input, what has been written.  `outcomes`: of child runs, None while they have not ended."""

    values: Mapping[str, Stored]
    child_results: tuple[ChildResult | None, ...] | None = None


class GraphRunData:
    """The views of one run.  Keeps nothing: a read is an index."""

    def __init__(self, machine: RunState) -> None:
        self._machine = machine

    def view(self, node: int) -> GraphView:
        """What the node is performed with."""
        m = self._machine
        compiled_plan = m.compiled_plan
        edits: Stored | None = m.overrides.get(node)
        values: dict[str, Stored] = {}
        for read, cells in zip(compiled_plan.plan.nodes[node].reads, compiled_plan.reads[node], strict=True):
            latest = max(cells, key=m.version.__getitem__)
            if m.version[latest] and not read.cells[0].endswith("/"):  # which only says that a node was called
                values[read.name] = m.value[latest]
        if edits is not None:
            values.update({name: Stored.of(value) for name, value in edits.copy().items()})
        fan = m.fan_outs.get(node)
        return GraphView(values, fan.results() if fan is not None and fan.is_finished else None)

    def rule_results(self, node: int) -> tuple[bool, ...]:
        """Graphs have no rules over values."""
        return ()

    def result(self) -> Mapping[str, Stored]:
        """Every output that was made, or given in the place of being made, by name."""
        m = self._machine
        latest: dict[str, int] = {}
        for i, node in enumerate(m.compiled_plan.plan.nodes):
            for c, cell in zip(m.compiled_plan.out[i], node.writes, strict=True):
                name = cell.rpartition("/")[2]  # empty for one that only says that the node was called
                if name and m.version[c] and (name not in latest or m.version[c] > m.version[latest[name]]):
                    latest[name] = c
        return {name: m.value[c] for name, c in latest.items()}


class GraphStyle:
    """The style of graphs, as far as a process needs it that does not have the user's code."""

    name = "graphs"

    def board(self, machine: RunState) -> GraphRunData:
        """The views of a run."""
        return GraphRunData(machine)

    def unpack(self, tree: Any) -> Any:
        """A cell from the tree in the journal, or MISSING."""
        if type(tree) is dict and tree.get(TAG) == "missing":
            return MISSING
        return Stored.from_tree(tree)

    def edits(self, values: Mapping[str, Any], removed: Collection[str], under: Any) -> Stored:
        """A change of a node's inputs, over an earlier one (None: there is none).

        Raises EncodingError, and WorkflowError for a removal.
        """
        if removed:
            raise WorkflowError("an input of a graph's node cannot be removed, only given another value")
        return Stored.of({**(under.copy() if under is not None else {}), **values})

    def answer(self, writes: int, value: Any) -> tuple[Stored, ...]:
        """The answer, and nothing for what is only emitted.  Raises EncodingError."""
        return (Stored.of(value), *[Stored.of(None)] * (writes - 1))

    def skip_reason(self, values: tuple[Any, ...]) -> str | None:
        """None: no function of this style says so."""
        return None
