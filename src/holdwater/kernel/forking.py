"""A fork: the journal a new run is born with, so that it goes on from the middle of an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.kernel.compiled_plan import RUN_INDEX, CompiledPlan
from holdwater.kernel.machine import Machine
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.time import UNSET


def fork_journal(
    compiled_plan: CompiledPlan, history: Iterable[JournalEntry], node: int, overrides: Mapping[int, Any]
) -> list[JournalEntry]:
    """Build the journal of a run that inherits results from `history` and executes `node` and all below it anew.

    `overrides`: node -> changed inputs.  Inherited are successes that are not below `node`, in their order, with their
    times, under fencing tokens of the new run, and failures that are ignored.  Other failures, and what ran after them,
    are executed again.  A machine decides that: it is offered each entry of the original that no reset made void, and
    accepts those of outstanding work.

    Raises WorkflowError for a node in a loop, whose iterations have no names, and for one below a loop that was ended
    by its limit of iterations.
    """
    name = compiled_plan.plan.nodes[node].name
    if compiled_plan.loop_of[compiled_plan.unit_of[node]] is not None:
        raise WorkflowError(
            f"cannot fork from {name!r}: it is in a loop, whose iterations have no names",
            hint="fork from a task before the loop or after it",
        )
    again = compiled_plan.descendants([compiled_plan.unit_of[node]])
    machine = Machine(compiled_plan)
    journal: list[JournalEntry] = []
    source, standing = _effective_history(compiled_plan, history)

    def take(entry: JournalEntry) -> None:
        machine.apply(entry.event)
        journal.append(entry)

    for edited, values in overrides.items():
        take(JournalEntry(ev.InputsOverridden(edited, values)))
    if source.status != "new":
        unvalidated = any([isinstance(e.event, ev.Started) and e.event.unvalidated for e in standing])
        skipped = source.last_decision.get(RUN_INDEX, ())
        take(JournalEntry(ev.Started(_inputs_so_far(source, standing), skipped, unvalidated)))
    latest = {
        e.event.node: k for k, e in enumerate(standing) if isinstance(e.event, ev.Succeeded | ev.ChildRunsRequested)
    }
    for k, entry in enumerate(standing):
        event = entry.event
        about: int | None = getattr(event, "node", None)
        if about is None or compiled_plan.unit_of[about] in again:
            continue
        if isinstance(event, ev.ChildRunsRequested | ev.ChildStatusChanged) and k < latest[about]:
            continue  # of those children nothing is left but what their parent has made of them
        kept = _reissue(machine, event)
        if kept is not None and machine.accepts(kept):
            take(replace(entry, event=kept, recorded_at=UNSET))
    if machine.halted:
        raise WorkflowError(
            f"cannot fork from {name!r}: a loop of this run used up its iterations", hint="retry the run instead"
        )
    for i, fan in machine.fan_outs.items():
        for child in sorted(fan.paused):
            take(JournalEntry(ev.ChildStatusChanged(i, fan.generation, child, "running")))
    return journal


def _effective_history(
    compiled_plan: CompiledPlan, history: Iterable[JournalEntry]
) -> tuple[Machine, list[JournalEntry]]:
    """The run as it was left, and its entries without those that new inputs, or another start, have made void."""
    machine = Machine(compiled_plan)
    standing: list[JournalEntry] = []
    for entry in history:
        machine.apply(entry.event)
        if type(entry.event) is ev.Resumed and (entry.event.inputs or entry.event.start_node is not None):
            anew = compiled_plan.readers(entry.event.inputs) + [i for i in [entry.event.start_node] if i is not None]
            void = compiled_plan.descendants([compiled_plan.unit_of[i] for i in anew])
            standing = [
                e for e in standing if not hasattr(e.event, "node") or compiled_plan.unit_of[e.event.node] not in void
            ]
        standing.append(entry)
    return machine, standing


def _inputs_so_far(source: Machine, standing: Iterable[JournalEntry]) -> dict[str, Any]:
    """Collect the inputs of the run so far, and the values its loops began with when they were last reset."""
    inputs: dict[str, Any] = {}
    for entry in standing:
        if isinstance(entry.event, ev.Started | ev.Resumed):
            inputs.update(entry.event.inputs)
    cell = source.compiled_plan.cell_index
    return inputs | {
        name: source.given_values[cell[name]][0]
        for name in source.compiled_plan.plan.aliases
        if cell[name] in source.given_values
    }


def _reissue(machine: Machine, event: Event) -> Event | None:
    """The event as one of the new run; None if nothing of it is taken over, or it is not outstanding there."""
    match event:
        case ev.Succeeded(node=i) | ev.InputRequested(node=i) | ev.ChildRunsRequested(node=i):
            command = machine.todo.get(i)
            return replace(event, fence=command.fence) if type(command) is Execute else None
        case ev.ChildStatusChanged(node=i, index=k, status=status):
            # a child that did not complete takes no room, and is started again later
            fan = machine.fan_outs.get(i)
            if fan is None:
                return None
            if status == "completed":
                return replace(event, generation=fan.generation)
            return ev.ChildStatusChanged(i, fan.generation, k, "running" if status == "running" else "paused")
        case ev.Failed(node=i, retry_at=None):
            ignored = machine.compiled_plan.plan.nodes[i].on_error == "ignore"
            alone = machine.compiled_plan.loop_of[machine.compiled_plan.unit_of[i]] is None
            command = machine.todo.get(i)
            return replace(event, fence=command.fence) if ignored and alone and type(command) is Execute else None
        case ev.TimerFired(node=i):  # of a retry's delay nothing is left to wait for
            return event if machine.compiled_plan.plan.nodes[i].kind == "wait" else None
        case ev.RuleEvaluated():
            return event
        case ev.InputProvided():
            return replace(event, fence=None)
        case _:
            return None
