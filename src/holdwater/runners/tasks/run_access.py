"""Access of runners, clients and their handles to runs, whichever way these are reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Protocol

from holdwater.engine import Engine
from holdwater.engine.run_batches import StartedRun
from holdwater.events.run_events import EventPosition
from holdwater.model.records import RunFilter
from holdwater.operations.control import is_executing
from holdwater.operations.runs import find_run
from holdwater.runs.activity import Activity
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView


class PendingRun(Protocol):
    """A run that will end."""

    run_id: str

    def result(self, timeout_seconds: float | None = None) -> RunView: ...
    async def result_async(self) -> RunView: ...


class AcceptedRun(Protocol):
    """A run that is on disk.  `is_new`: the call that returns it has started it."""

    @property
    def info(self) -> RunInfo: ...
    @property
    def is_new(self) -> bool: ...
    @property
    def future(self) -> PendingRun: ...


class RunAccess(Protocol):
    """Reads and controls runs; the errors of each method are documented at `RunMethods`."""

    def find_run(self, reference: str) -> RunInfo: ...
    def view(self, run_id: str) -> RunView: ...
    def status(self, run_id: str) -> str: ...
    def list_runs(self, which: RunFilter) -> tuple[RunInfo, ...]: ...
    def activity(self, run_id: str) -> Activity: ...
    def pauses(self, run_id: str) -> Sequence[Pause]: ...
    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower: ...
    def attach(self, run_id: str) -> AcceptedRun: ...
    def cancel(self, run_id: str, reason: str = "") -> object: ...
    def pause(self, run_id: str, reason: str = "") -> object: ...
    def resume(self, run_id: str) -> object: ...
    def retry(self, run_id: str, reason: str = "", *, release: Literal["active"] | None = None) -> object: ...
    def answer(self, run_id: str, pause_id: str | None, value: Any) -> object: ...
    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str],
        *,
        idempotency_key: str | None = None,
    ) -> AcceptedRun: ...
    def is_executing_here(self, run_id: str) -> bool: ...


class EngineRuns:
    """The runs of an engine.  `author`: recorded with what is asked for."""

    def __init__(self, engine: Engine, author: str = "") -> None:
        self._engine, self._author = engine, author

    def find_run(self, reference: str) -> RunInfo:
        return find_run(self._engine.reader, reference)

    def view(self, run_id: str) -> RunView:
        return self._engine.reader.view(run_id)

    def status(self, run_id: str) -> str:
        return self._engine.reader.row(run_id).status

    def list_runs(self, which: RunFilter) -> tuple[RunInfo, ...]:
        return self._engine.reader.list_runs(which)

    def activity(self, run_id: str) -> Activity:
        return self._engine.reader.activity(run_id)

    def pauses(self, run_id: str) -> tuple[Pause, ...]:
        return self._engine.reader.pauses(run_id)

    def follow(self, run_id: str, after: int | EventPosition = 0) -> RunFollower:
        return self._engine.follow(run_id, after)

    def attach(self, run_id: str) -> StartedRun:
        info = RunInfo.from_row(self._engine.reader.row(run_id))
        self._engine.driver.include_run(run_id)
        return StartedRun(info, False, self._engine.future(run_id))

    def cancel(self, run_id: str, reason: str = "") -> None:
        self._engine.control.cancel(run_id, reason, by=self._author)

    def pause(self, run_id: str, reason: str = "") -> None:
        self._engine.control.pause(run_id, reason, by=self._author)

    def resume(self, run_id: str) -> None:
        self._engine.control.resume(run_id, by=self._author)

    def retry(self, run_id: str, reason: str = "", *, release: Literal["active"] | None = None) -> None:
        self._engine.control.retry(run_id, reason, by=self._author, release=release)

    def answer(self, run_id: str, pause_id: str | None, value: Any) -> None:
        self._engine.control.answer(run_id, pause_id, value, by=self._author)

    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str],
        *,
        idempotency_key: str | None = None,
    ) -> StartedRun:
        return self._engine.fork(run_id, from_task, values, removed, idempotency_key=idempotency_key, by=self._author)

    def is_executing_here(self, run_id: str) -> bool:
        return is_executing(self._engine, run_id)
