"""Events of one journal entry: its own, as far as the entry itself says them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from holdwater.events import run_events as out
from holdwater.kernel.compiled_plan import CompiledPlan
from holdwater.kernel.gates import END
from holdwater.kernel.machine import Machine
from holdwater.model import events as ev
from holdwater.model.child_ids import child_ref, child_run_id
from holdwater.model.commands import Execute
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.definition import AuthoringStyle
from holdwater.model.records import RunRow
from holdwater.model.time import Micros

E = TypeVar("E", bound=out.RunEvent)


@dataclass(slots=True)
class EventBuilder:
    """Collects the events of one entry and numbers them."""

    run: RunRow
    seq: int
    recorded_at: Micros
    events: list[out.RunEvent] = field(default_factory=list)

    def add(self, kind: type[E], *, at: Micros | None = None, **fields: Any) -> None:
        """One more event; `at` None: it happened when it was journalled."""
        when = self.recorded_at if at is None else at
        self.events.append(
            kind(
                run_id=self.run.id,
                seq=self.seq,
                part=len(self.events),
                at=when,
                recorded_at=self.recorded_at,
                **fields,
            )
        )

    def is_inherited(self, entry: JournalEntry) -> bool:
        """Return True for an attempt that a fork inherited from its source."""
        return self.run.forked_from is not None and 0 < entry.ended_at < self.run.created_at


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """An attempt that an entry ends."""

    node: str
    attempt: int | None
    fence: int
    started_at: Micros | None
    ended_at: Micros
    notes: tuple[str, ...]
    inherited: bool

    def fields(self) -> dict[str, Any]:
        """Build the common fields of events that end an attempt."""
        return {
            "at": self.ended_at,
            "node": self.node,
            "attempt": self.attempt,
            "fence": self.fence,
            "started_at": self.started_at,
            "notes": self.notes,
            "inherited": self.inherited,
        }


AttemptEvent = (
    ev.Succeeded | ev.Failed | ev.Cancelled | ev.Deferred | ev.InputRequested | ev.ChildRunsRequested
)  # fmt: skip
ATTEMPT_EVENTS: Final = (
    ev.Succeeded, ev.Failed, ev.Cancelled, ev.Deferred, ev.InputRequested, ev.ChildRunsRequested
)  # fmt: skip


def add_entry_events(builder: EventBuilder, machine: Machine, entry: JournalEntry, style: AuthoringStyle) -> None:
    """Build the events of an entry.  `machine`: before the entry is applied."""
    event, nodes = entry.event, machine.compiled_plan.plan.nodes
    if isinstance(event, ATTEMPT_EVENTS):
        _add_attempt(builder, machine, entry, event, style)
        return
    match event:
        case ev.Started():
            _add_start(builder, machine.compiled_plan, event)
        case ev.InputsOverridden():
            builder.add(out.NodeInputsOverridden, node=nodes[event.node].name)
        case ev.AttemptLost():
            number = _attempt_number(machine, event.node)
            builder.add(
                out.NodeAttemptLost,
                node=nodes[event.node].name,
                attempt=number,
                fence=event.fence,
                counted=event.counts_as_crash,
            )
        case ev.ChildStatusChanged():
            name = nodes[event.node].name
            child = child_run_id(builder.run.id, name, event.generation, event.index)
            builder.add(
                out.NodeChildChanged,
                node=name,
                child_run_id=child,
                item_index=event.index,
                status=event.status,
                error=event.error,
            )
        case ev.RuleEvaluated():
            builder.add(out.NodeRuleEvaluated, node=nodes[event.node].name, results=event.rule_results)
        case ev.TimerSet():
            builder.add(out.NodeWaiting, node=nodes[event.node].name, until=event.at)
        case ev.InputProvided():
            early = event.node not in machine.pending_inputs
            builder.add(out.NodeInputProvided, node=nodes[event.node].name, fence=event.fence, early=early, by=event.by)
        case ev.CancelRequested():
            builder.add(out.RunCancelRequested, reason=event.reason, by=event.by)
        case ev.TimedOut():
            builder.add(out.RunTimedOut, error=event.error)
        case ev.Paused():
            builder.add(out.RunPaused, reason=event.reason, requested=True, by=event.by)
        case ev.Resumed():
            builder.add(out.RunResumed, reason=event.reason, requested=True, by=event.by, release=event.release)


def skipped_nodes(plan: CompiledPlan, ranges: tuple[str, ...]) -> Iterator[int]:
    """Return the nodes of a sequence that a decision skips."""
    for span in plan.node_ranges(ranges):
        yield from span


def answer_name_of(plan: CompiledPlan, node: int) -> str:
    """Return the name of the answer to a node's question."""
    writes = plan.plan.nodes[node].writes
    return writes[0].rpartition("/")[2] if writes else plan.plan.nodes[node].name


def _targets(machine: Machine, node: int, decision: tuple[str, ...]) -> tuple[str, ...]:
    """Return the nodes a decision leads to: in a sequence the next one that is not skipped."""
    plan = machine.compiled_plan
    if not plan.plan.sequence:
        return decision or (END,)
    skipped = machine.skipped_nodes.union(skipped_nodes(plan, decision))
    return next(((plan.plan.nodes[i].name,) for i in range(node + 1, len(plan.plan.nodes)) if i not in skipped), (END,))


def _add_start(builder: EventBuilder, plan: CompiledPlan, event: ev.Started) -> None:
    run, child = builder.run, child_ref(builder.run)
    builder.add(
        out.RunStarted,
        workflow=run.workflow,
        style=run.style,
        node_count=len(plan.plan.nodes),
        parent_run_id=run.parent_id,
        parent_node=None if child is None else child[1],
        item_index=None if child is None else child[3],
        by=run.started_by,
        inputs=event.inputs,
    )


def _add_attempt(
    builder: EventBuilder, machine: Machine, entry: JournalEntry, event: AttemptEvent, style: AuthoringStyle
) -> None:
    attempt = AttemptInfo(
        machine.compiled_plan.plan.nodes[event.node].name,
        _attempt_number(machine, event.node),
        event.fence,
        entry.started_at or None,
        entry.ended_at or builder.recorded_at,
        entry.observer_errors,
        builder.is_inherited(entry),
    )
    if entry.started_at:
        builder.add(
            out.NodeStarted,
            at=entry.started_at,
            node=attempt.node,
            attempt=attempt.attempt,
            fence=attempt.fence,
            inherited=attempt.inherited,
        )
    fields = attempt.fields()
    match event:
        case ev.Succeeded(values=values, decision=decision):
            if decision is not None:
                targets = _targets(machine, event.node, decision)
                builder.add(out.NodeRouteDecided, at=attempt.ended_at, node=attempt.node, targets=targets)
            reason = style.skip_reason(values)
            if reason is None:
                builder.add(out.NodeSucceeded, values=values, **fields)
            else:
                builder.add(out.NodeSkipped, reason=reason, values=values, **fields)
        case ev.Failed():
            _add_failure(builder, machine, event, fields)
        case ev.Cancelled():
            builder.add(out.NodeCancelled, **fields)
        case ev.Deferred(until=until):
            builder.add(out.NodeWaiting, until=until, **fields)
        case ev.InputRequested(question=question):
            answer_name = answer_name_of(machine.compiled_plan, event.node)
            builder.add(out.NodeInputRequested, question=question, answer_name=answer_name, **fields)
        case ev.ChildRunsRequested():
            builder.add(
                out.NodeChildrenRequested,
                count=len(event.inputs),
                max_concurrency=event.max_concurrency,
                fail_fast=event.fail_fast,
                **fields,
            )


def _add_failure(builder: EventBuilder, machine: Machine, event: ev.Failed, fields: dict[str, Any]) -> None:
    retry_at = None
    if event.retry_at is not None and not machine.halted:  # a run that ends tries nothing again
        retry_at = event.retry_at or fields["at"]
    builder.add(
        out.NodeFailed,
        error=event.error,
        category=event.kind,
        traceback=event.traceback,
        retry_at=retry_at,
        **fields,
    )
    if retry_at is not None:
        builder.add(out.NodeRetrying, node=fields["node"], attempt=(fields["attempt"] or 0) + 1, retry_at=retry_at)


def _attempt_number(machine: Machine, node: int) -> int | None:
    command = machine.todo.get(node)
    return command.attempt if type(command) is Execute else None
