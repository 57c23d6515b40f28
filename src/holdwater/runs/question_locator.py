"""Finding the run in which people see a question: its own, or the first of those that wait for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from holdwater.model.child_ids import child_ref
from holdwater.model.records import QuestionRow, RunFilter, RunRow
from holdwater.model.statuses import ACTIVE_STATUSES
from holdwater.runs import open_pauses
from holdwater.runs.open_pauses import Pause
from holdwater.runs.reader import RunReader
from holdwater.runtime.active_run import ActiveRun

MAX_ANCESTORS: Final = 50


@dataclass(frozen=True, slots=True)
class LocatedQuestion:
    """An open question.  `run`: the top run that waits for it; `pause`: as it is called there."""

    run: RunRow
    pause: Pause


class QuestionLocator:
    """Locates questions of one store; keeps the runs it has read, so it is made anew for each page."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self._runs: dict[str, ActiveRun | None] = {}

    def locate(self, row: QuestionRow) -> LocatedQuestion | None:
        """Locate a question; None if it is not open any more.  Raises StoreError, DecodingError."""
        asking = self._find_run(row.run_id)
        nodes = () if asking is None else asking.compiled_plan.plan.nodes
        if asking is None or row.node >= len(nodes):
            return None
        pause = open_pauses.find_pause(nodes[row.node].name, asking, self._find_run)
        return None if pause is None else self._locate_at_ancestor(asking.row, pause)

    def _locate_at_ancestor(self, run: RunRow, pause: Pause) -> LocatedQuestion:
        """Climb to the first run that waits for the question.

        What a child run that a task function waits for asks is not seen above a node that has fanned out to that
        task's run, so this ends there.
        """
        pause_id, is_called = pause.pause_id, False
        for _ in range(MAX_ANCESTORS):
            parent = None if run.parent_id is None else self._find_run(run.parent_id)
            if parent is None or parent.row.finished_at is not None:
                break
            ref = child_ref(run)
            if ref is None:
                pause_id, is_called = f"{self._called_name(run)}/{pause_id}", True
            else:
                _, node, generation, item = ref
                i = parent.compiled_plan.node_index.get(node, -1)
                fan_out = parent.machine.fan_outs.get(i)
                if is_called or fan_out is None or fan_out.generation != generation:
                    break
                pause_id = open_pauses.pause_id_prefix("", parent, i, item) + pause_id
            run = parent.row
        return LocatedQuestion(run, replace(pause, pause_id=pause_id))

    def _called_name(self, child: RunRow) -> str:
        """Name a child run that a task function waits for: by its workflow, or its id if there are several of that."""
        for status in ACTIVE_STATUSES:
            same = RunFilter(child.workflow, status, limit=2, parent_id=child.parent_id)
            if any(row.id != child.id for row in self._reader.store.list_runs(same)):
                return child.id
        return child.workflow

    def _find_run(self, run_id: str) -> ActiveRun | None:
        if run_id not in self._runs:
            row = self._reader.store.get_run(run_id)
            self._runs[run_id] = None if row is None else self._reader.fold(row)
        return self._runs[run_id]
