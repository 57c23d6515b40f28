"""Runs and their children, compared: whether they know of each other what they must."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from holdwater.kernel import Machine
from holdwater.model.commands import Tend
from holdwater.model.records import RunRow
from holdwater.runtime.services.children import child_id

PATIENCE_US: Final = 1_800_000_000
"""how long runners may take to notice, who look every half minute, and their clocks may differ"""

Find = Callable[[str], RunRow | None]


def trouble_above(child: RunRow, find: Find, now: int) -> Iterator[str]:
    """What is wrong between a run and its parent."""
    if child.parent_id is None:
        return
    parent = find(child.parent_id)
    if parent is None:
        yield f"its parent, run {child.parent_id}, is not in the store"
    elif child.finished_at is None and parent.finished_at is not None and parent.finished_at + PATIENCE_US < now:
        ago = (now - parent.finished_at) // 1_000_000
        yield f"it is {child.status}, although its parent, run {parent.id}, {_ended(parent)} {ago} s ago"


def trouble_below(parent: RunRow, machine: Machine, find: Find, now: int, *, is_tended: bool) -> Iterator[str]:
    """What is wrong between a run and its children.  `is_tended`: a runner that lives has the care for them.

    A child that is to run and is not there is about to be born; one that rests must have been.
    """
    nodes = machine.layout.plan.nodes
    for i, fan in machine.fans.items():
        if type(machine.todo.get(i)) is not Tend:
            continue
        name = nodes[i].name
        for k in sorted(fan.paused):
            run_id = child_id(parent.id, name, fan.turn, k)
            if find(run_id) is None:
                yield f"task {name!r} waits for its child, run {run_id}, which is not in the store"
        for k in sorted(fan.running) if is_tended else ():
            child = find(child_id(parent.id, name, fan.turn, k))
            if child is None or child.finished_at is None or child.finished_at + PATIENCE_US >= now:
                continue
            ago = (now - child.finished_at) // 1_000_000
            yield f"task {name!r} waits for its child, run {child.id}, which {_ended(child)} {ago} s ago"


def _ended(run: RunRow) -> str:
    return run.status if run.status in ("completed", "failed") else f"was {run.status}"
