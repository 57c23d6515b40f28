"""The events of a run, from its journal: one pure fold for tasks, steps and graphs, without any code of users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsIndex

from holdwater.events import run_events as out
from holdwater.events.journal_entry_events import EventBuilder, add_entry_events, answer_name_of, skipped_nodes
from holdwater.events.skip_reasons import skip_reason
from holdwater.kernel.compiled_plan import RUN_INDEX, CompiledPlan
from holdwater.kernel.machine import Machine
from holdwater.kernel.run_error import describe_run_error, first_failed_node
from holdwater.kernel.states import WAITING
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import AuthoringStyle
from holdwater.model.records import RunRow
from holdwater.model.rules import CANCELLED, SKIPPED, SUCCEEDED, UPSTREAM_FAILED


def run_events(
    row: RunRow,
    plan: CompiledPlan,
    journal: Iterable[JournalEntry],
    style: AuthoringStyle,
    *,
    after: int | out.EventPosition = 0,
) -> list[out.RunEvent]:
    """Build the events of a run behind a journal number or a position.

    `journal`: from its first entry on.  Raises IllegalEvent for a journal that is
    not one of this plan.
    """
    stream = RunEventStream(row, plan, style)
    return [event for entry in journal for event in stream.append(entry) if is_behind(event, after)]


def is_behind(event: out.RunEvent, after: int | out.EventPosition) -> bool:
    """Return True if the event comes after an entry, or after an event of an entry."""
    return event.seq > after if isinstance(after, int) else event.position > after


class _RecordedStates(list[str]):
    """States of nodes that remember which of them an entry changes: comparing all of them would be quadratic.

    `before`: node -> its state before the entry.
    """

    def __init__(self, states: Iterable[str]) -> None:
        super().__init__(states)
        self.before: dict[int, str] = {}

    def __setitem__(self, node: SupportsIndex | slice, state: Any) -> None:
        if not isinstance(node, int):  # the kernel changes nodes one by one
            raise TypeError(f"states are changed one by one, not {node!r}")
        self.before.setdefault(node, self[node])
        super().__setitem__(node, state)

    def changed_nodes(self) -> list[int]:
        """Nodes whose state is another than before the entry, in the order of the plan."""
        return sorted([node for node, state in self.before.items() if state != self[node]])


@dataclass(frozen=True, slots=True)
class _Before:
    """The part of a run that is compared before and after an entry."""

    status: str
    pending: frozenset[int]
    early: dict[int, int]
    fences: list[int] | None
    """only where something may be taken back"""

    @classmethod
    def of(cls, machine: Machine, event: ev.Event) -> _Before:
        return cls(
            machine.status,
            frozenset(machine.pending_inputs) if machine.pending_inputs else frozenset(),
            {i: len(kept) for i, kept in machine.early_inputs.items()} if machine.early_inputs else {},
            machine.fences.copy() if type(event) is ev.Resumed else None,
        )


class RunEventStream:
    """Turns the journal of one run into events, entry by entry.  `seq`: number of the last entry it was given."""

    def __init__(self, row: RunRow, plan: CompiledPlan, style: AuthoringStyle) -> None:
        self._row, self._plan, self._style = row, plan, style
        self._machine = Machine(plan)
        self._machine.node_states = self._states = _RecordedStates(self._machine.node_states)
        self._announced: set[int] = set()
        """nodes of a sequence whose skip was told with the decision that passes them over"""
        self._reason = ""
        self.seq = 0

    @property
    def has_ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self._machine.ended

    def append(self, entry: JournalEntry) -> list[out.RunEvent]:
        """Build the events of the next entry.  Raises IllegalEvent if it does not fit the run."""
        machine, event = self._machine, entry.event
        self.seq += 1
        builder = EventBuilder(self._row, self.seq, entry.recorded_at)
        if self.seq == 1 and self._row.forked_from is not None:
            builder.add(out.RunForked, source_run_id=self._row.forked_from, by=self._row.started_by)
        add_entry_events(builder, machine, entry, self._style)
        if isinstance(event, (ev.CancelRequested, ev.Paused, ev.Resumed)):
            self._reason = event.reason
        before = _Before.of(machine, event)
        self._states.before.clear()
        machine.apply(event)
        self._add_passed_over(builder, event)
        self._add_resets(builder, before)
        self._add_inputs(builder, event, before)
        self._add_changes(builder, event)
        self._add_scheduled(builder)
        self._add_status(builder, event, before.status)
        return builder.events

    # -- what follows from an entry

    def _add_passed_over(self, builder: EventBuilder, event: ev.Event) -> None:
        """Build the events of the nodes of a sequence that are skipped from now on."""
        match event:
            case ev.Started(skipped_ranges=ranges) if ranges:
                self._add_skips(builder, ranges, "not requested")
            case ev.Resumed(start_node=start_node) if start_node is not None:
                self._add_skips(builder, self._machine.last_decision[RUN_INDEX], "not requested")
            case ev.Succeeded(node=node, decision=decision) if decision and self._plan.plan.sequence:
                self._add_skips(builder, decision, f"skipped by {self._name(node)}")

    def _add_skips(self, builder: EventBuilder, ranges: tuple[str, ...], reason: str) -> None:
        for node in skipped_nodes(self._plan, ranges):
            if node not in self._announced and self._machine.node_states[node] in (WAITING, SKIPPED):
                self._announced.add(node)
                builder.add(out.NodeSkipped, node=self._name(node), reason=reason)

    def _add_resets(self, builder: EventBuilder, before: _Before) -> None:
        if before.fences is None:
            return
        machine = self._machine
        for node, new in enumerate(machine.node_states):
            old = self._states.before.get(node, new)
            is_passed_over = node in machine.skipped_nodes
            taken_back = old != WAITING and (new != old or machine.fences[node] != before.fences[node])
            if (taken_back or node in self._announced) and not is_passed_over and new != SKIPPED:
                self._announced.discard(node)
                builder.add(out.NodeReset, node=self._name(node))

    def _add_inputs(self, builder: EventBuilder, event: ev.Event, before: _Before) -> None:
        """Answers that end their nodes, and nodes that ask without calling a function."""
        machine = self._machine
        if type(event) is ev.InputProvided and event.node in before.pending:
            builder.add(out.NodeSucceeded, node=self._name(event.node), fence=event.fence, values=event.values)
        for node, kept in before.early.items():
            if len(machine.early_inputs.get(node, ())) < kept:
                builder.add(out.NodeSucceeded, node=self._name(node))
        if machine.pending_inputs:
            own = event.node if type(event) is ev.InputRequested else None
            for node in machine.pending_inputs:
                if node != own and (node not in before.pending or before.fences is not None):
                    answer_name = answer_name_of(self._plan, node)
                    builder.add(out.NodeInputRequested, node=self._name(node), answer_name=answer_name)

    def _add_changes(self, builder: EventBuilder, event: ev.Event) -> None:
        """Nodes that are skipped or cancelled, and timers that have run out."""
        machine, states = self._machine, self._machine.node_states
        if type(event) is ev.TimerFired and states[event.node] == SUCCEEDED:
            builder.add(out.NodeSucceeded, node=self._name(event.node))
        own = event.node if type(event) is ev.Cancelled else None
        for node in self._states.changed_nodes():
            if states[node] in (SKIPPED, UPSTREAM_FAILED) and node not in self._announced:
                failed = states[node] == UPSTREAM_FAILED
                reason = skip_reason(machine, node)
                builder.add(out.NodeSkipped, node=self._name(node), reason=reason, because_of_failure=failed)
            elif states[node] == CANCELLED and node != own:
                builder.add(out.NodeCancelled, node=self._name(node))

    def _add_scheduled(self, builder: EventBuilder) -> None:
        machine = self._machine
        for command in machine.take_commands():
            if type(command) is Execute and machine.todo.get(command.node) is command:
                name = self._name(command.node)
                builder.add(out.NodeScheduled, node=name, attempt=command.attempt, fence=command.fence)

    def _add_status(self, builder: EventBuilder, event: ev.Event, before: str) -> None:
        """Build the events of a run that pauses by itself, resumes, or ends."""
        machine, status = self._machine, self._machine.status
        if status == before and type(event) is not ev.Resumed:
            return
        fields: dict[str, Any] = {"supersteps": sum([loop.iteration for loop in machine.supersteps.values()])}
        match status:
            case "paused" if type(event) is not ev.Paused:
                builder.add(out.RunPaused)
            case "running" if before == "paused" and type(event) in (ev.InputProvided, ev.ChildStatusChanged):
                builder.add(out.RunResumed)
            case "completed":
                builder.add(out.RunCompleted, **fields)
            case "cancelled":
                builder.add(out.RunCancelled, reason=self._reason, **fields)
            case "failed":
                node = first_failed_node(machine)
                category, error = (None, None) if node is None else machine.errors[node]
                builder.add(
                    out.RunFailed,
                    error=describe_run_error(machine) or "",
                    node=None if node is None else self._name(node),
                    node_error=error,
                    category=category,
                    **fields,
                )

    def _name(self, node: int) -> str:
        return self._plan.plan.nodes[node].name
