"""Runs of a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from holdwater import operations
from holdwater.client.interface.runs import Inputs, ReadableRuns, Runs
from holdwater.engine import Engine
from holdwater.engine.run_batches import StartedRun
from holdwater.events.run_events import EventPosition
from holdwater.model.map_items import MapProgress
from holdwater.model.provenance import Provenance
from holdwater.model.records import CappedCount, RunFilter
from holdwater.operations import Database, RunPage, RunSituation
from holdwater.operations.graphs import RunGraph, announced_nodes, graph_of_run
from holdwater.operations.logs import iter_logs
from holdwater.operations.map_items import MapReport, count_items_of, report_items
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.log_follower import LogFollower
from holdwater.runs.logs import LogLine
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView


class ReadableDatabaseRuns(ReadableRuns):
    """Recorded runs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = database.runs

    def find_run(self, reference: str) -> RunInfo:
        return operations.find_run(self._reader, reference)

    def info(self, run_id: str) -> RunInfo:
        return self._reader.info(run_id)

    def status(self, run_id: str) -> str:
        return self._reader.row(run_id).status

    def view(self, run_id: str) -> RunView:
        return self._reader.view(run_id)

    def show_run(self, reference: str) -> RunView:
        return operations.show_run(self._reader, reference)

    def page_runs(self, which: RunFilter, cursor: str | None = None) -> RunPage:
        return operations.page_runs(self._reader, which, cursor)

    def count_runs(self, which: RunFilter) -> Mapping[str, CappedCount]:
        return operations.count_runs(self._reader, which)

    def list_runs(self, which: RunFilter) -> tuple[RunInfo, ...]:
        return self._reader.list_runs(which)

    def pauses(self, run_id: str) -> tuple[Pause, ...]:
        return self._reader.pauses(run_id)

    def find_pause(self, run_id: str, key: str | None = None) -> Pause:
        return self._reader.find_pause(run_id, key)

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        return operations.follow_run(self._reader, run_id, after)

    def iter_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        return iter_logs(self._reader, run_id, node, attempt, after)

    def follow_logs(
        self, run_id: str, node: str | None = None, attempt: int | None = None, after: str | None = None
    ) -> LogFollower:
        return operations.follow_logs(self._reader, run_id, node, attempt, after)

    def export_run(self, run_id: str) -> Iterator[str]:
        return operations.export_run(self._database, run_id)

    def graph_of_run(self, run: RunView) -> RunGraph:
        return graph_of_run(run, self._database.clock.now(), announced_nodes(self._database, run))

    def report_items(self, run: RunView) -> MapReport | None:
        return report_items(self._reader, run)

    def count_items_of(self, run: RunInfo) -> MapProgress | None:
        return count_items_of(self._reader, run)


class DatabaseRuns(ReadableDatabaseRuns, Runs):
    """Runs of a database, controlled by an engine that may execute nothing.  `author`: recorded with each request."""

    def __init__(self, engine: Engine, author: str = "") -> None:
        super().__init__(Database.of(engine))
        self._engine, self._author = engine, author

    def start(
        self,
        workflow: str,
        inputs: Inputs = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> StartedRun:
        return operations.start_by_name(
            self._engine,
            workflow,
            inputs,
            idempotency_key=idempotency_key,
            timeout_seconds=timeout_seconds,
            provenance=Provenance.of_caller(self._author, labels),
        )

    def start_many(
        self,
        workflow: str,
        inputs: Iterable[Inputs],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Sequence[StartedRun]:
        return operations.start_many(
            self._engine,
            workflow,
            inputs,
            idempotency_keys=idempotency_keys,
            timeout_seconds=timeout_seconds,
            provenance=Provenance.of_caller(self._author, labels),
        )

    def attach(self, run_id: str) -> StartedRun:
        info = self.info(run_id)
        self._engine.driver.include_run(run_id)
        return StartedRun(info, False, self._engine.future(run_id))

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        return self._engine.follow(run_id, after)

    def cancel(self, run_id: str, reason: str = "", *, wait_seconds: float | None = None) -> RunSituation:
        return operations.cancel_run(self._engine, run_id, reason, by=self._author, wait_seconds=wait_seconds)

    def pause(self, run_id: str, reason: str = "") -> RunSituation:
        return operations.pause_run(self._engine, run_id, reason, by=self._author)

    def resume(self, run_id: str, reason: str = "", *, pickup_seconds: float = 0.0) -> RunSituation:
        return operations.resume_run(self._engine, run_id, reason, by=self._author, pickup_seconds=pickup_seconds)

    def retry(
        self,
        run_id: str,
        reason: str = "",
        *,
        release: Literal["active"] | None = None,
        pickup_seconds: float = 0.0,
    ) -> RunSituation:
        return operations.retry_run(
            self._engine, run_id, reason, by=self._author, release=release, pickup_seconds=pickup_seconds
        )

    def answer(self, run_id: str, pause_id: str | None, value: Any, *, pickup_seconds: float = 0.0) -> RunSituation:
        self._engine.control.answer(run_id, pause_id, value, by=self._author)
        return self.inspect(run_id, pickup_seconds=pickup_seconds)

    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str] = (),
        *,
        idempotency_key: str | None = None,
    ) -> StartedRun:
        return self._engine.fork(run_id, from_task, values, removed, idempotency_key=idempotency_key, by=self._author)

    def inspect(self, run_id: str, *, pickup_seconds: float = 0.0) -> RunSituation:
        return operations.wait_for_pickup(self._engine, run_id, pickup_seconds)

    def is_executing_here(self, run_id: str) -> bool:
        return operations.is_executing(self._engine, run_id)
