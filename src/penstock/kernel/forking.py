"""A fork: the journal a new run is born with, so that it goes on from the middle of an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from penstock.kernel.layout import Layout
from penstock.kernel.machine import Machine
from penstock.model import events as ev
from penstock.model.commands import Execute
from penstock.model.errors import WorkflowError
from penstock.model.events import Event
from penstock.model.wire import Entry


def forked(layout: Layout, history: Iterable[Entry], node: int, edits: Mapping[int, Any]) -> list[Entry]:
    """The journal of a run that shares the beginning of `history` and executes `node`, and all behind it, anew.

    `edits`: by node, what it sees changed.  What succeeded and is not behind `node` is taken over, in the original
    order, with its times, under fences of the new run; so are failures that count for nothing.  Other failures are not:
    what failed, and what ran after that, is executed again.  A machine decides all that, not this function: it is
    given each entry of the original and takes what is outstanding in it.

    Raises WorkflowError for a node in a loop, whose turns cannot be told apart, and behind a loop that never came to
    rest by itself.
    """
    name = layout.plan.nodes[node].name
    if layout.loops[layout.unit[node]] is not None:
        raise WorkflowError(
            f"cannot fork from {name!r}: it is in a loop, and nobody can tell which turn is meant",
            hint="fork from a task before the loop or after it",
        )
    again = layout.behind([layout.unit[node]])
    machine = Machine(layout)
    journal: list[Entry] = []

    def take(entry: Entry) -> None:
        machine.apply(entry.event)
        journal.append(entry)

    for edited, values in edits.items():
        take(Entry(ev.Edited(edited, values)))
    for entry in history:
        event = entry.event
        if type(event) is ev.Started:
            take(Entry(ev.Started(event.inputs, event.passed)))
            continue
        about: int | None = getattr(event, "node", None)
        if about is None or layout.unit[about] in again:
            continue
        kept = _as_of(machine, event)
        if kept is not None and machine.accepts(kept):
            take(replace(entry, event=kept, at=0))
    if machine.halted:
        raise WorkflowError(
            f"cannot fork from {name!r}: a loop of this run used up its iterations", hint="retry the run instead"
        )
    return journal


def _as_of(machine: Machine, event: Event) -> Event | None:
    """The event as one of the new run; None if nothing of it is taken over, or it is not outstanding there."""
    match event:
        case ev.Succeeded(node=i):
            command = machine.todo.get(i)
            return replace(event, fence=command.fence) if type(command) is Execute else None
        case ev.FannedOut(node=i):
            command = machine.todo.get(i)
            return replace(event, fence=command.fence) if type(command) is Execute else None
        case ev.ChildMoved(node=i):
            fan = machine.fans.get(i)
            return None if fan is None else replace(event, turn=fan.turn)
        case ev.Failed(node=i, retry_at=None):
            ignored = machine.layout.plan.nodes[i].on_error == "ignore"
            alone = machine.layout.loops[machine.layout.unit[i]] is None
            command = machine.todo.get(i)
            return replace(event, fence=command.fence) if ignored and alone and type(command) is Execute else None
        case ev.TimerFired(node=i):  # of a retry's delay nothing is left to wait for
            return event if machine.layout.plan.nodes[i].kind == "wait" else None
        case ev.Evaluated():
            return event
        case ev.Answered():
            return replace(event, fence=None)
        case _:
            return None
