"""The state of a run, as the views of its style read it.

`kernel.machine.Machine` is one, and says what each attribute means.  Nothing here is written to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from holdwater.model.fanout import ChildResult
from holdwater.model.plan import Plan
from holdwater.model.rules import ValuePredicate
from holdwater.model.time import Micros


class NumberedPlan(Protocol):
    """Numbers of the nodes and cells of a plan.  Tuples are indexed by node unless said otherwise."""

    @property
    def plan(self) -> Plan: ...
    @property
    def node_index(self) -> Mapping[str, int]:
        """Name -> node."""
        ...

    @property
    def cell_index(self) -> Mapping[str, int]:
        """Name -> cell."""
        ...

    @property
    def write_cells(self) -> tuple[tuple[int, ...], ...]:
        """The cells a node writes."""
        ...

    @property
    def read_cells(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """The cells of each read of a node."""
        ...

    @property
    def value_predicates(self) -> tuple[tuple[ValuePredicate, ...], ...]:
        """The value predicates of the node's rule, left to right."""
        ...

    @property
    def unit_of(self) -> tuple[int, ...]:
        """The place of a node in a topological order; nodes of one cycle share theirs."""
        ...

    @property
    def unit_members(self) -> tuple[tuple[int, ...], ...]:
        """Unit -> nodes."""
        ...


class FanOutState(Protocol):
    """The children of one node."""

    @property
    def is_finished(self) -> bool:
        """No child runs, and none will."""
        ...

    def results(self) -> tuple[ChildResult | None, ...]:
        """The result of each item; None: it never ran."""
        ...


class RunState(Protocol):
    """One run.  Lists are indexed by node, `value` and `version` by cell."""

    @property
    def compiled_plan(self) -> NumberedPlan: ...
    @property
    def node_states(self) -> Sequence[str]: ...
    @property
    def values(self) -> Sequence[Any]: ...
    @property
    def versions(self) -> Sequence[int]: ...
    @property
    def overrides(self) -> Mapping[int, Any]: ...
    @property
    def deferred_until(self) -> Mapping[int, Micros]:
        """Node -> the instant it has slept until."""
        ...

    @property
    def fan_outs(self) -> Mapping[int, FanOutState]: ...
    @property
    def start_count(self) -> int: ...
    @property
    def reset_count(self) -> int: ...
