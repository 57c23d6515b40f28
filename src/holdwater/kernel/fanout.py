"""Fans: a node that has child runs.

Its body asks for them (`FannedOut`), they run, and it is performed again when all of them have ended.  What children
have come to is kept as long as the node has not succeeded: whoever tries it again runs only those that did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from holdwater.model.commands import Tend
from holdwater.model.fanout import ChildResult

if TYPE_CHECKING:
    from holdwater.kernel.machine import Machine
    from holdwater.model import events as ev

Item = Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
ACTIVE: Final = ("running", "paused")
FINAL: Final = ("completed", "failed", "cancelled")
AWAITING_CHILDREN: Final = "tended"


@dataclass(slots=True)
class FanOut:
    """The children of one node.  Lists are indexed by item.

    `width`: how many run at once, None: all.  `lives`: how often the node has wanted the child to run, the first time
    and for each try after it failed.
    """

    generation: int
    inputs: tuple[Mapping[str, Any], ...]
    width: int | None
    stop: bool
    states: list[Item]
    start_count: list[int]
    results_by_index: dict[int, ChildResult] = field(default_factory=dict)
    next: int = 0
    """the first item that may not have started yet"""
    running: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    failed: bool = False

    @property
    def is_finished(self) -> bool:
        """No child runs, and none will."""
        return not (self.running or self.paused or self.startable_indexes)

    @property
    def startable_indexes(self) -> bool:
        """There are items to start, sooner or later."""
        return self.next < len(self.states) and not self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """One has failed, and that decides: none is started any more, and none waited for that waits for a person."""
        return self.failed and self.stop

    def results(self) -> tuple[ChildResult | None, ...]:
        """What each item has come to; None: it never ran."""
        return tuple([self.results_by_index.get(k) for k in range(len(self.states))])

    def copy(self) -> FanOut:
        """Shares the values, and nothing else."""
        return FanOut(
            self.generation, self.inputs, self.width, self.stop, list(self.states), list(self.start_count),
            dict(self.results_by_index), self.next, set(self.running), set(self.paused), self.failed,
        )  # fmt: skip


def start(m: Machine, e: ev.FannedOut) -> None:
    """The body has asked for children."""
    count = len(e.inputs)
    m.fan_outs[e.node] = FanOut(e.fence, e.inputs, e.width, e.stop, ["waiting"] * count, [0] * count)


def request_children(m: Machine, i: int) -> None:
    """Start what there is room for; when nothing is left to run, perform the node again."""
    fan = m.fan_outs[i]
    while fan.startable_indexes and len(fan.running) < (fan.width or len(fan.states)):
        k = fan.next
        fan.next += 1
        if fan.states[k] == "waiting":
            fan.states[k] = "running"
            fan.start_count[k] += 1
            fan.running.add(k)
    if fan.is_finished:
        m.todo.pop(i, None)
        m.execute(i)
        return
    m.state[i] = AWAITING_CHILDREN
    command = Tend(i, fan.generation)
    m.todo[i] = command
    m.new_commands.append(command)


def accepts(m: Machine, e: ev.ChildMoved) -> bool:
    """The child is one of this turn, has not ended, and was in another state."""
    fan = m.fan_outs.get(e.node)
    if (
        fan is None
        or fan.generation != e.turn
        or not 0 <= e.item < len(fan.states)
        or type(m.todo.get(e.node)) is not Tend
    ):
        return False
    return fan.states[e.item] in ACTIVE and e.status != fan.states[e.item] and e.status in (*ACTIVE, *FINAL)


def on_child_status(m: Machine, e: ev.ChildMoved) -> None:
    """A child is in another state."""
    fan, k = m.fan_outs[e.node], e.item
    fan.running.discard(k)
    fan.paused.discard(k)
    match e.status:
        case "running":
            fan.running.add(k)
            fan.states[k] = "running"
        case "paused":
            fan.paused.add(k)
            fan.states[k] = "paused"
        case "completed":
            fan.states[k] = "completed"
            fan.results_by_index[k] = ChildResult("completed", e.values)
        case "failed" | "cancelled" as status:
            fan.states[k] = status
            fan.results_by_index[k] = ChildResult(status, {}, e.error)
            fan.failed = True
    request_children(m, e.node)


def retry_incomplete(m: Machine, i: int) -> bool:
    """The node is tried again: run those children that have not completed.  False if there are none."""
    fan = m.fan_outs.get(i)
    if fan is None:
        return False
    left = [k for k, state in enumerate(fan.states) if state != "completed"]
    if not left:
        return False
    fan.running.clear()
    fan.paused.clear()
    fan.failed = False
    fan.next = left[0]
    for k in left:
        fan.states[k] = "waiting"
        fan.results_by_index.pop(k, None)
    request_children(m, i)
    return True


def all_paused(m: Machine) -> bool:
    """All that is outstanding are children, and each of them waits for a person."""
    return all(
        type(c) is Tend and not m.fan_outs[c.node].running and not m.fan_outs[c.node].is_stopping
        for c in m.todo.values()
    )
