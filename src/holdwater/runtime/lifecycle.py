"""The turns of a driver's loop, and its end, in order."""

from __future__ import annotations

import time
from collections.abc import Callable

from holdwater.errors import RunnerClosed, StoreError, StoreUnavailable
from holdwater.runtime.core import Core
from holdwater.runtime.internal_errors import logger
from holdwater.runtime.services.composition import Services


class DriverTurns:
    """The owner of the loop.  `on_stopped`: called when nothing of the runner uses the store any more."""

    def __init__(self, core: Core, services: Services, log_name: str, on_stopped: Callable[[], None]) -> None:
        self._core, self._services, self._log_name, self._on_stopped = core, services, log_name, on_stopped

    @property
    def has_unsaved_changes(self) -> bool:
        return bool(self._core.table.unsaved)

    @property
    def is_executing(self) -> bool:
        return bool(self._core.dispatcher.running) or self._core.table.has_attempts

    def end_turn(self) -> None:
        if self._core.commits.commit_unsaved_runs() > 1:
            time.sleep(0)  # gives way: callers that were told post their next requests, which join one commit
        self._services.interruptions.advance()

    def on_store_error(self, error: StoreError) -> None:
        self._core.commits.reject_unsaved_new_runs(error)

    def start_closing(self) -> None:
        core = self._core
        core.decisions.close()
        core.limits.close()
        core.heartbeat.start_draining()
        for attempt in core.dispatcher.close_queue():
            run = core.table.get(attempt.run_id)
            if run is not None:
                run.attempts.pop(attempt.node, None)
        for run in core.table.active.values():
            for attempt in list(run.attempts.values()):
                if attempt.cancel_if_queued():  # handed to a thread, and not begun
                    del run.attempts[attempt.node]
        self._interrupt_attempts()
        core.dispatcher.is_idle_or_notify()  # a function that was killed elsewhere ends without a word, some time later

    def _interrupt_attempts(self) -> None:
        """Tell all task functions that run to stop."""
        for attempt in self._core.dispatcher.running | set(self._core.table.attempts()):
            attempt.interrupt("the runner is shutting down")

    def release(self, fatal_error: BaseException | None) -> None:
        core = self._core
        core.decisions.close()
        logger.info("runner %s stops", self._log_name)
        self._interrupt_attempts()
        core.dispatcher.close()  # before other runners may begin what was killed here
        self._services.leases.close()
        core.heartbeat.close()
        rows = core.table.own_work()
        try:
            if rows and fatal_error is None:
                core.store.release_work(core.owner, rows)
            core.store.unregister_owner(core.owner)
        except (StoreUnavailable, RunnerClosed):
            pass  # then the lease runs out, or the lock is found free
        except BaseException as error:  # noqa: BLE001 - callers that wait have to hear that it ends all the same
            core.error_log.add("releasing work at the end", error)
        core.log_capture.close()

    def reject_waiters(self, fatal_error: BaseException | None) -> None:
        core = self._core

        def closed(text: str) -> RunnerClosed:
            error = RunnerClosed(text)
            error.__cause__ = fatal_error
            return error

        self._services.interruptions.close()
        core.table.refuse_all(closed("the runner stopped before the run was accepted"))
        core.journal_watchers.close(closed("the runner stopped; follow its runs elsewhere"))
        core.loop.call(self._on_stopped)
        for run in core.table.active.values():
            run.reject_waiters(closed(f"the runner stopped; run {run.row.id} goes on with the next one"))
        self._services.child_calls.close(closed("the runner stopped"))
        core.table.resolve_all_waiters()
