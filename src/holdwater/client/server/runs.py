"""Runs of a server, as they are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from holdwater.client.interface.runs import ReadableRuns
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.filters import filter_to_json
from holdwater.client.server.followers import ServerLogFollower, ServerRunFollower
from holdwater.client.server.parsing import (
    counts_of,
    instant_or_none,
    log_line_of,
    pause_of,
    run_info_of,
    workflow_of,
)
from holdwater.errors import RunNotFound, WorkflowNotFound
from holdwater.events.run_events import EventPosition
from holdwater.model import codec
from holdwater.model.map_items import MAP_SUFFIX, MapProgress, is_map
from holdwater.model.records import MAX_LISTED_RUNS, CappedCount, RunFilter
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros, wall_now
from holdwater.operations.graphs import NOTHING_ANNOUNCED, AnnouncedNodes, RunGraph, announced_facts, graph_of_run
from holdwater.operations.map_items import FIRST_FAILURES, FailedItem, MapReport
from holdwater.operations.runs import RunPage
from holdwater.runs.activity import Activity
from holdwater.runs.exported_run import view_of_export
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.log_follower import LogFollower
from holdwater.runs.logs import LogLine
from holdwater.runs.open_pauses import Pause, single_pause
from holdwater.runs.view import RunView

LOG_PAGE_LINES: Final = 1000


class ReadableServerRuns(ReadableRuns):
    """Recorded runs of a tenant of a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    @property
    def is_closed(self) -> bool:
        """The client was closed: nothing can be read any more."""
        return self._connection.is_closed

    def path(self, *parts: str) -> str:
        """Return the path of a run, or of a part of it."""
        return self._connection.path("executions", *parts)

    def find_run(self, reference: str) -> RunInfo:
        return replace(run_info_of(self._detail(reference, partial=True)), activity=None)

    def info(self, run_id: str) -> RunInfo:
        return run_info_of(self._detail(run_id))

    def view(self, run_id: str) -> RunView:
        return self._view_of(self._detail(run_id))

    def show_run(self, reference: str) -> RunView:
        view = self._view_of(self._detail(reference, partial=True))
        view.activity, view.pauses  # noqa: B018 - as in every view that is shown: they are not looked up later
        return view

    def page_runs(self, which: RunFilter, cursor: str | None = None) -> RunPage:
        page = self._page(which, cursor)
        return RunPage(
            tuple(map(run_info_of, page["items"])),
            page["next_cursor"],
            page["previous_cursor"],
            instant_or_none(page["searched_until"]),
        )

    def count_runs(self, which: RunFilter) -> Mapping[str, CappedCount]:
        return counts_of(self._page(replace(which.without_page(), limit=1), count=True)["counts"])

    def list_runs(self, which: RunFilter) -> tuple[RunInfo, ...]:
        if which.before_id is None:
            return self.page_runs(which).runs
        before = self.info(which.before_id)
        until = Micros(before.created_at + 1 if which.until is None else min(which.until, before.created_at + 1))
        found = self.iter_runs(replace(which.without_page(), until=until))
        older = (run for run in found if (run.created_at, run.id) < (before.created_at, before.id))
        return tuple(itertools.islice(older, which.limit))

    def pauses(self, run_id: str) -> tuple[Pause, ...]:
        return tuple(map(pause_of, self._detail(run_id)["questions"]))

    def find_pause(self, run_id: str, key: str | None = None) -> Pause:
        pauses = self.pauses(run_id)
        exact = next((pause for pause in pauses if pause.pause_id == key), None)
        return single_pause(pauses, key, run_id) if exact is None else exact

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        self._detail(run_id)  # raises RunNotFound before the iteration does
        return ServerRunFollower(self._connection, run_id, after)

    def iter_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        has_more = True
        while has_more:
            asked = {"task": node, "attempt": attempt, "after": after, "limit": LOG_PAGE_LINES}
            page = self._connection.get(self.path(run_id, "logs"), **asked)
            yield from map(log_line_of, page["items"])
            after, has_more = page["cursor"], page["has_more"]

    def follow_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> LogFollower:
        asked = {"task": node, "attempt": attempt, "after": after, "limit": 1}
        self._connection.get(self.path(run_id, "logs"), **asked)  # TaskNotFound and InvalidArgument come at once
        position = self.info(run_id).journal_length
        return ServerLogFollower(self._connection, run_id, position, node, attempt, after)

    def export_run(self, run_id: str) -> Iterator[str]:
        with self._connection.opened("GET", self.path(run_id, "export")) as response:
            yield from response.iter_text()

    def graph_of_run(self, run: RunView) -> RunGraph:
        return graph_of_run(run, wall_now(), self._announced_nodes(run))

    def report_items(self, run: RunView) -> MapReport | None:
        if is_map(run.plan):
            page = self._connection.get(self.path(run.id, "items"), limit=FIRST_FAILURES)
            return MapReport(_progress_of(page), tuple(map(_failed_item_of, page["items"])))
        if not run.child_counts:
            return None
        failed = RunFilter(status=RunStatus.FAILED, parent_id=run.id, limit=FIRST_FAILURES)
        counts = self.count_runs(RunFilter(parent_id=run.id))
        return MapReport.of_children(run.child_counts.values(), counts, self.list_runs(failed))

    def count_items_of(self, run: RunInfo) -> MapProgress | None:
        if run.style != "graphs" or not run.workflow.endswith(MAP_SUFFIX):
            return None
        found = _progress_of(self._connection.get(self.path(run.id, "items"), limit=1))
        return replace(found, total=None) if found.completed + found.failed else None

    # -- within

    def _view_of(self, detail: dict[str, Any]) -> RunView:
        info, pauses = run_info_of(detail), tuple(map(pause_of, detail["questions"]))
        export = self._connection.get(self.path(info.id, "export"), logs=False)
        return parsing(view_of_export)(export, _Surroundings(self, info, pauses))

    def _detail(self, run_id: str, *, partial: bool = False) -> dict[str, Any]:
        if not run_id:
            raise RunNotFound(f"there is no run {run_id!r}", hint="`holdwater runs list` shows the runs of a database")
        found: dict[str, Any] = self._connection.get(self.path(run_id), typed=True, partial=partial or None)
        return found

    def _page(self, which: RunFilter, cursor: str | None = None, *, count: bool = False) -> dict[str, Any]:
        place = {"cursor": cursor} if cursor is not None else {"offset": which.offset or None}
        asked = {**filter_to_json(which), "limit": min(which.limit, MAX_LISTED_RUNS), **place, "count": count or None}
        page: dict[str, Any] = self._connection.get(self.path(), **asked)
        return page

    def _announced_nodes(self, run: RunView) -> AnnouncedNodes:
        try:
            found = workflow_of(self._connection.get(self._connection.path("workflows", run.info.workflow)))
        except WorkflowNotFound:
            return NOTHING_ANNOUNCED
        return announced_facts(found.nodes) if found.structure == run.plan.structure else NOTHING_ANNOUNCED


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Facts that a view looks up, as they were when the run was read.

    A view that asked the server would hold a lock meanwhile, that of all its cached properties before Python 3.12.
    """

    runs: ReadableRuns
    info: RunInfo
    questions: tuple[Pause, ...]

    def activity(self, run_id: str) -> Activity:
        assert self.info.activity is not None, "the facts of one run have its activity"
        return self.info.activity

    def pauses(self, run_id: str) -> tuple[Pause, ...]:
        return self.questions

    def list_children(self, run_id: str) -> tuple[RunInfo, ...]:
        return self.runs.list_children(run_id)


@parsing
def _progress_of(page: Mapping[str, Any]) -> MapProgress:
    return MapProgress(page["item_count"], page["completed"], page["failed"])


@parsing
def _failed_item_of(data: Mapping[str, Any]) -> FailedItem:
    inputs = None if data["inputs"] is None else codec.to_compact_json(data["inputs"])
    return FailedItem(str(data["index"]), data["error"], None, data["traceback"], inputs)
