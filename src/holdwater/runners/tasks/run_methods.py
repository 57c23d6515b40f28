"""Methods to look at the runs of a database and to steer them, common to runners and clients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from holdwater.errors import ConfigError
from holdwater.events.run_events import EventPosition
from holdwater.model import validation
from holdwater.model.provenance import check_labels
from holdwater.model.records import RunFilter
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import Micros, from_datetime
from holdwater.runners.tasks.results import PipelineResult, RunSummary
from holdwater.runners.tasks.run_access import RunAccess
from holdwater.runners.tasks.workflow_handle import ContextInput, WorkflowHandle
from holdwater.runs.activity import Activity
from holdwater.runs.follow import RunFollower
from holdwater.runs.open_pauses import Pause
from holdwater.tasks import Context


class RunMethods:
    """The runs of one database, whichever process executes them."""

    _runs: RunAccess

    def get_run(self, run_id: str) -> PipelineResult:
        """Read a run with its tasks, as recorded so far.  Raises RunNotFound."""
        return PipelineResult(self._runs.view(run_id))

    def list_runs(
        self,
        *,
        workflow_name: str | None = None,
        status: str | None = None,
        limit: int = 100,
        before: str | None = None,
        parent_run_id: str | None = None,
        top_level: bool = False,
        since: datetime | None = None,
        offset: int = 0,
        labels: Mapping[str, str] | None = None,
    ) -> list[RunSummary]:
        """List runs, newest first.  `status`: as in results.  `before`: run id for the next page.  `limit`: 1 to 1,000.

        `parent_run_id`: only children of this run; `top_level`: only runs without a parent; `since`: only runs created
        at this instant or later (an aware datetime); `offset`: so many are left out first; `labels`: only
        runs with all of these.
        Raises ConfigError, InvalidArgument (labels), RunNotFound if there is no run `before`.
        """
        validation.check_count("offset", offset)
        validation.check_count("limit", limit, minimum=1, maximum=1000)
        for what, sought in (("workflow_name", workflow_name), ("before", before), ("parent_run_id", parent_run_id)):
            if sought is not None:
                validation.check_search_text(what, sought)
        words = {face.lower(): word for word, face in STATUS_LABELS.items()}
        if status is not None and (not isinstance(status, str) or status.lower() not in words):
            raise ConfigError(f"there is no status {status!r}", hint=f"one of {', '.join(STATUS_LABELS.values())}")
        word = words[status.lower()] if status else None
        created_since = None if since is None else _parse_aware(since)
        which = RunFilter(
            workflow_name,
            word,
            limit,
            before,
            parent_run_id,
            top_level,
            created_since,
            offset,
            labels={} if labels is None else check_labels(labels),
        )
        return [RunSummary.from_info(run) for run in self._runs.list_runs(which)]

    def find_run(self, reference: str) -> RunSummary:
        """Find a run by its id, by the beginning or the end of its id, or by `@last`, the newest top-level run.

        Raises RunNotFound, AmbiguousRun.
        """
        return RunSummary.from_info(self._runs.find_run(reference))

    def activity(self, run_id: str) -> Activity:
        """Read the activity of a run: queued, running (host and process), waiting (until), orphaned; or its status.

        Raises RunNotFound, StoreUnavailable.
        """
        return self._runs.activity(run_id)

    def events(self, run_id: str, *, after: int | EventPosition = 0) -> RunFollower:
        """Iterate over the events of a run as they are recorded, until it has ended; for `for` and `async for`.

        `after`: the journal number (`seq`) or the `position` of an event that was seen before; what comes behind it is
        given exactly once, also from another process.  A pause is no end.  Raises RunNotFound, InvalidArgument (a
        ValueError), StoreUnavailable; the iteration raises RunnerClosed if the runner is shut down meanwhile.
        """
        return self._runs.follow(run_id, after)

    def handle(self, run_id: str) -> WorkflowHandle:
        """Return a handle on an existing run.  Raises RunNotFound."""
        return WorkflowHandle.of(self, self._runs, self._runs.attach(run_id))

    def cancel(self, run_id: str, reason: str = "") -> None:
        """End a run: nothing more starts, running bodies are told (`handle.cancelled`).  Raises InvalidTransition."""
        self._runs.cancel(run_id, reason)

    def pause(self, run_id: str, reason: str = "") -> None:
        """Start nothing more of a run for now; what runs ends as usual.  Raises InvalidTransition."""
        self._runs.pause(run_id, reason)

    def resume(self, run_id: str) -> None:
        """Let a paused run go on.  Raises InvalidTransition."""
        self._runs.resume(run_id)

    def pauses(self, run_id: str) -> list[Pause]:
        """List the open questions of a run and its children, in the order of the workflow.  Raises RunNotFound."""
        return list(self._runs.pauses(run_id))

    def answer(self, run_id: str, pause_id: str | None, value: Any) -> None:
        """Answer an open question; the run goes on with it.

        `pause_id`: which one, or the name of its answer where only one goes by it; None: the only one.  Questions are
        answered in any order, and nothing that has finished runs again.

        Raises PauseNotFound (a ValueError), EncodingError, RunNotFound, RunnerClosed, and what the question's own check
        of answers raises.
        """
        self._runs.answer(run_id, pause_id, value)

    def retry(self, run_id: str, reason: str = "", *, release: Literal["active"] | None = None) -> None:
        """Try again what failed or was cancelled in a run that has ended; what succeeded is kept and never runs again.

        Failed tasks get all their attempts again, and the run its full time limit.  Tasks that ran or were skipped
        because of a failure are decided again.  Changed functions are used.  If this process does not have the
        workflow, a runner that has it executes the run.  `release`: "active" moves a run of a package to the release
        that new runs take, if its structure is the same.

        Raises InvalidTransition for a run that is running, paused or completed, StructureChanged if tasks, dependencies
        or rules are not those it was recorded under, RunNotFound, RunnerClosed.
        """
        self._runs.retry(run_id, reason, release=release)

    def fork(
        self,
        run_id: str,
        from_task: str,
        *,
        context: ContextInput = None,
        remove: Collection[str] = (),
        idempotency_key: str | None = None,
    ) -> WorkflowHandle:
        """Start a run with the results of another one, and execute `from_task` and all its descendants.

        The other run may be in any state, and stays as it is.  `context`: values as `from_task` will see them, added or
        overwritten, None being a value like any other; `remove`: keys it will not see.  What failed in the other run
        runs again, too, wherever it stands.

        With an `idempotency_key` that a run of this workflow has already, that run is returned and nothing is started.
        Raises TaskNotFound, StructureChanged, EncodingError, ConfigError (a key both set and removed), RunNotFound,
        IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        removed = (remove,) if isinstance(remove, str) else tuple(remove)
        fork = self._runs.fork(run_id, from_task, Context(context), removed, idempotency_key=idempotency_key)
        return WorkflowHandle.of(self, self._runs, fork)


def _parse_aware(instant: datetime) -> Micros:
    """Microseconds since the epoch.  Raises ConfigError for a datetime without a zone."""
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise ConfigError(
            f"since must be a datetime with a time zone, it is {instant!r}", hint="datetime.now(UTC) - ..."
        )
    return from_datetime(instant)
