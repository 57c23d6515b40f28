"""Items of mapped work: how far it is, and what failed.  Durable maps over graphs have rows, all others child runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.errors import RunNotFound
from holdwater.model.child_ids import child_ref
from holdwater.model.map_items import MAP_INPUT, MAP_SUFFIX, MapItemRow, MapProgress, is_map
from holdwater.model.records import CappedCount, RunFilter, RunRow
from holdwater.model.statuses import RunStatus
from holdwater.runs.info import RunInfo
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView

FIRST_FAILURES: Final = 10


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed.  `label`: its index, for a child run with its node before it.

    `run_id`: of its child run; None for an item of a durable map, which has `inputs`, a JSON object of its own ones.
    """

    label: str
    error: str
    run_id: str | None = None
    traceback: str | None = None
    inputs: str | None = None

    @classmethod
    def of_row(cls, row: MapItemRow) -> FailedItem:
        return cls(str(row.index), row.error or "it failed", None, row.traceback, row.inputs)


@dataclass(frozen=True, slots=True)
class MapReport:
    """The items of a run: a durable map, or the child runs of its nodes.  `failures`: the first of those that failed.

    `is_capped`: there are more child runs than were counted.
    """

    progress: MapProgress
    failures: tuple[FailedItem, ...]
    is_capped: bool = False

    @classmethod
    def of_children(
        cls, fan_outs: Iterable[int], counts: Mapping[str, CappedCount], failed: Sequence[RunRow | RunInfo]
    ) -> MapReport:
        """Create the report of child runs.

        `fan_outs`: how many each node has asked for; `counts`: of all by status; `failed`: the first, the newest first.
        """
        ended = {status: number.count for status, number in counts.items()}
        failed_count = ended.get(RunStatus.FAILED, 0) + ended.get(RunStatus.CANCELLED, 0)
        failures = [
            FailedItem(f"{place[1]}[{place[3]}]", child.error or "it failed", child.id)
            for child in reversed(failed)
            if (place := child_ref(child)) is not None
        ]
        progress = MapProgress(sum(fan_outs), ended.get(RunStatus.COMPLETED, 0), failed_count)
        return cls(progress, tuple(failures), any(number.is_capped for number in counts.values()))


def report_items(runs: RunReader, view: RunView, first_failures: int = FIRST_FAILURES) -> MapReport | None:
    """Count the items of a run, and read the first that failed; None for a run without any.

    Child runs are counted up to 10,000.  Raises StoreUnavailable.
    """
    if is_map(view.plan):
        progress = map_progress(runs, view)
        failed = runs.store.list_failed_items(view.id, 0, first_failures) if progress.failed else []
        return MapReport(progress, tuple([FailedItem.of_row(row) for row in failed]))
    if not view.child_counts:
        return None
    counts = runs.store.count_runs(RunFilter(parent_id=view.id))
    failed_runs = runs.store.list_runs(RunFilter(status=RunStatus.FAILED, parent_id=view.id, limit=first_failures))
    return MapReport.of_children(view.child_counts.values(), counts, failed_runs)


def require_map(view: RunView) -> RunView:
    """Return a run that is a durable map.  Raises RunNotFound for any other."""
    if not is_map(view.plan):
        raise RunNotFound(f"run {view.id} is no durable map, and has no items", hint="its child runs are its items")
    return view


def map_progress(runs: RunReader, view: RunView) -> MapProgress:
    """Count the items of a durable map.  Raises StoreUnavailable."""
    counts = runs.store.count_map_items(view.id)
    total = view.inputs[MAP_INPUT].copy()["total"]
    if total is None and "total" in view.result:  # the inputs did not tell it before they had ended
        total = view.result["total"].copy()
    return MapProgress(total, counts.completed, counts.failed)


def failed_items(runs: RunReader, run_id: str, first_index: int = 0, limit: int = 100) -> tuple[FailedItem, ...]:
    """Read failed items of a durable map in order, from an index on, 1,000 at most.  Raises StoreUnavailable."""
    return tuple([FailedItem.of_row(row) for row in runs.store.list_failed_items(run_id, first_index, limit)])


def count_items_of(runs: RunReader, run: RunInfo) -> MapProgress | None:
    """Count the items of a run in a list, without its total; None for one that is no durable map."""
    if run.style != "graphs" or not run.workflow.endswith(MAP_SUFFIX):
        return None
    counts = runs.store.count_map_items(run.id)
    return MapProgress(None, counts.completed, counts.failed) if counts.ended else None
