"""Comparison of runs with their parents and children."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from holdwater.kernel import Machine
from holdwater.model.child_ids import child_ref, child_run_id
from holdwater.model.commands import AwaitChildren
from holdwater.model.records import RunRow
from holdwater.model.time import Micros

REACTION_GRACE_US: Final = 1_800_000_000
"""time runners have to react: they scan every half minute, and their clocks may differ"""

FindRunRow = Callable[[str], RunRow | None]


def check_parent(child: RunRow, find: FindRunRow, now: Micros) -> Iterator[str]:
    """Describe the inconsistencies between a run and its parent."""
    if child.parent_id is None:
        return
    parent = find(child.parent_id)
    if parent is None:
        yield f"its parent, run {child.parent_id}, is not in the store"
        return
    if child.finished_at is None and child_ref(child) is not None and child.release != parent.release:
        yield f"it is of release {child.release}, although its parent, run {parent.id}, is of {parent.release}"
    if child.finished_at is None and parent.finished_at is not None and parent.finished_at + REACTION_GRACE_US < now:
        ago = (now - parent.finished_at) // 1_000_000
        yield f"it is {child.status}, although its parent, run {parent.id}, {_describe_end(parent)} {ago} s ago"


def check_children(
    parent: RunRow, machine: Machine, find: FindRunRow, now: Micros, *, is_supervised: bool
) -> Iterator[str]:
    """Describe the inconsistencies between a run and its children.

    `is_supervised`: a living runner has leased the supervision of the children.  A missing child that is to run may be
    about to be created; one that is paused or ended must exist.
    """
    nodes = machine.compiled_plan.plan.nodes
    for i, fan_out in machine.fan_outs.items():
        if type(machine.todo.get(i)) is not AwaitChildren:
            continue
        name = nodes[i].name
        for k in sorted(fan_out.paused):
            run_id = child_run_id(parent.id, name, fan_out.generation, k)
            if find(run_id) is None:
                yield f"task {name!r} waits for its child, run {run_id}, which is not in the store"
        for k in sorted(fan_out.running) if is_supervised else ():
            child = find(child_run_id(parent.id, name, fan_out.generation, k))
            if child is None or child.finished_at is None or child.finished_at + REACTION_GRACE_US >= now:
                continue
            ago = (now - child.finished_at) // 1_000_000
            yield f"task {name!r} waits for its child, run {child.id}, which {_describe_end(child)} {ago} s ago"


def _describe_end(run: RunRow) -> str:
    return run.status if run.status in ("completed", "failed") else f"was {run.status}"
