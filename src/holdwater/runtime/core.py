"""The core of a driver: the parts that hold runs, decide about them, start their work and write them.

It knows no service.  Services use its parts, and are called by them through `RunHooks`.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import AuthoringStyle
from holdwater.model.ports.store import Store
from holdwater.model.registry import Registry
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.claim_limits import ClaimLimits
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.commits import Commits
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.decisions import Decisions
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.heartbeat import RunnerHeartbeat
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.known_limits import KnownLimits
from holdwater.runtime.logs.capture import LogCapture
from holdwater.runtime.loop import Loop
from holdwater.runtime.parking import Parking
from holdwater.runtime.run_adoption import RunAdoption
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import MakeRunRow
from holdwater.runtime.store_status import StoreStatus
from holdwater.runtime.work_starter import Work
from holdwater.runtime.workflows import ExecutableWorkflows


class Core:
    """Made once per driver."""

    def __init__(
        self,
        store: Store,
        owner: str,
        config: DriverConfig,
        clock: Clock,
        styles: Mapping[str, AuthoringStyle],
        registry: Registry,
        make_run_row: MakeRunRow,
    ) -> None:
        self.store, self.owner, self.config, self.clock = store, owner, config, clock
        self.registry, self.make_run_row = registry, make_run_row
        self.error_log = InternalErrors(clock)
        self.hooks = hooks = RunHooks()
        self.table = table = RunTable(owner, hooks)
        self.store_status = StoreStatus(clock, table.reject_waiters)
        self.loop = Loop(clock, self.error_log, self.store_status)
        self.timers = self.loop.timers
        self.dispatcher = Dispatcher(
            config.executors,
            config.router,
            config.max_concurrent_tasks,
            config.max_concurrent_async_tasks,
            self._on_attempt_done,
            self._on_deferral_changed,
            lambda: self.loop.call_soon(self.claim_requests.request_claim),
            config.slot_share,
        )
        self.workflows = ExecutableWorkflows(registry, self.dispatcher)
        self.heartbeat = RunnerHeartbeat(
            store, owner, config, clock, self.workflows, self.dispatcher, self.loop, self.error_log
        )
        self.run_loader = RunLoader(store, styles, self.workflows, clock)
        self.journal_watchers = JournalWatchers()
        self.log_capture = LogCapture(store, clock, self.journal_watchers, self.error_log, config)
        self.claim_requests = ClaimRequests(table, self.dispatcher, config, clock)
        self.crash_suspects = CrashSuspects(table, self.dispatcher, self.claim_requests, config.max_crashes_per_task)
        self.known_limits = KnownLimits(store)
        self.limits = ClaimLimits(
            owner, config, clock, self.dispatcher, self.crash_suspects, self.claim_requests, self.known_limits
        )
        self.parking = Parking(store, self.store_status, owner, clock, self.timers)
        self.decisions = Decisions(table, hooks, self.parking, clock, self.error_log)
        self.work = Work(
            table,
            self.decisions,
            hooks,
            self.dispatcher,
            self.crash_suspects,
            self.timers,
            clock,
            config.task_timeout_seconds,
            self.log_capture,
        )
        self.adoption = RunAdoption(
            table, self.run_loader, self.decisions, self.work, self.parking, hooks, self.store_status, self.error_log
        )
        self.commits = Commits(
            store,
            self.store_status,
            clock,
            table,
            self.decisions,
            self.work,
            self.adoption,
            self.limits,
            self.dispatcher,
            self.crash_suspects,
            self.claim_requests,
            self.journal_watchers,
            hooks,
        )

    # -- called by executors, from their threads

    def _on_attempt_done(self, attempt: Attempt, entry: JournalEntry) -> None:
        self.loop.call_soon(lambda: self.work.on_attempt_done(attempt, entry))

    def _on_deferral_changed(self, attempt: Attempt, is_deferred: bool) -> None:
        self.loop.call_soon(lambda: self.hooks.deferral_changed(attempt, is_deferred))
