"""Child runs that a run waits for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from holdwater.model.statuses import ACTIVE_STATUSES
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.state import DatabaseState
from holdwater.runs.view import RunView

MAX_FOLLOWED: Final = 3
"""child runs of one node that are looked into"""
MAX_CALLED: Final = 100
"""child runs of task functions that are looked for"""


@dataclass(frozen=True, slots=True)
class WaitedChildren:
    """Child runs that have not ended.  `run_ids`: those to look into."""

    finding: Finding
    run_ids: tuple[str, ...]


def waited_children(state: DatabaseState, view: RunView) -> Iterator[WaitedChildren]:
    """Find the unfinished child runs of each node, and those that task functions have started."""
    for node, children in view.fan_outs.items():
        unfinished = [child for child in children if child.status in ACTIVE_STATUSES]
        active = [child.run_id for child in sorted(unfinished, key=lambda child: child.status != "paused")]
        if active:
            yield _waited(view, active, len(children), node)
    called = [row.id for row in islice(state.database.runs.called_children(view.info), MAX_CALLED)]
    if called:
        yield _waited(view, called, len(called), None)


def _waited(view: RunView, active: list[str], total: int, node: str | None) -> WaitedChildren:
    who = "The run" if node is None else f"Task {node!r}"
    if total == 1:
        sentence = f"{who} waits for child run {active[0]}."
    elif node is None:
        sentence = f"{who} has {total:,} unfinished child runs."
    else:
        sentence = f"{who} waits for {len(active):,} of its {total:,} child runs."
    followed = tuple(active[:MAX_FOLLOWED])
    facts = {"task": node, "unfinished": len(active), "total": total, "child_runs": list(followed)}
    finding = Finding("waits_for_child", "info", sentence, facts, ("runs", "list", "--parent", view.id), view.id)
    return WaitedChildren(finding, followed)
