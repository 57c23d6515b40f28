"""Runs as they are exported, folded by the kernel that executes them: their views are those of a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from holdwater.errors import StoreError
from holdwater.kernel import compile_plan
from holdwater.model.plan import Plan
from holdwater.model.records import JournalRow, RunRow, StoredRun, WorkRow
from holdwater.runs.activity import Activity
from holdwater.runs.authoring_styles import STYLES
from holdwater.runs.info import RunInfo
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.run_loader import read_journal_tail


class RunSurroundings(Protocol):
    """The place an exported run comes from, for what its export does not have."""

    def activity(self, run_id: str) -> Activity: ...
    def pauses(self, run_id: str) -> Sequence[Pause]: ...
    def list_children(self, run_id: str) -> Sequence[RunInfo]: ...


@dataclass(frozen=True, slots=True)
class _ExportSource:
    surroundings: RunSurroundings

    def activity_of(self, run: ActiveRun) -> Activity:
        return self.surroundings.activity(run.row.id)

    def open_pauses(self, run: ActiveRun) -> tuple[Pause, ...]:
        return tuple(self.surroundings.pauses(run.row.id))

    def children_of(self, run_id: str) -> tuple[RunInfo, ...]:
        return tuple(self.surroundings.list_children(run_id))


def view_of_export(data: Mapping[str, Any], surroundings: RunSurroundings) -> RunView:
    """Create the view of a run from its export; see `holdwater.runs.export`.

    Fields of a later version are left out.  Raises StoreError for a run that this version cannot read, DecodingError,
    and KeyError, TypeError or ValueError for data that is no export.
    """
    row = RunRow(**_known(RunRow, data["run"]))
    style = STYLES.get(row.style)
    if style is None or data["plan"] is None:
        raise StoreError(
            f"run {row.id} cannot be read by this version of Holdwater", hint="upgrade it to that of the server"
        )
    rows = [JournalRow(one["seq"], one["at"], json.dumps(one["entries"])) for one in data["journal"]]
    work = [WorkRow(**_known(WorkRow, one)) for one in data["work"]]
    run = ActiveRun(row, compile_plan(Plan.from_data(data["plan"])), style, None)
    read_journal_tail(run, StoredRun(row, rows, work))
    return RunView.of(run, _ExportSource(surroundings))


def _known(cls: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: data[field.name] for field in fields(cls) if field.name in data}
