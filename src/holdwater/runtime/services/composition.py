"""The services of a driver, put together: each gets the parts of the core it needs, and hears of runs by hooks."""

from __future__ import annotations

from holdwater.model.records import Notification
from holdwater.model.retention import RetentionRule
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.core import Core
from holdwater.runtime.other_versions import OtherVersions
from holdwater.runtime.services.announcements import WorkflowAnnouncer
from holdwater.runtime.services.base import Service, SupervisedService
from holdwater.runtime.services.children.calls import ChildCalls
from holdwater.runtime.services.children.fan_out import FanOutChildren
from holdwater.runtime.services.children.runs import ChildRuns
from holdwater.runtime.services.claims import ClaimedWork, WorkClaimer
from holdwater.runtime.services.deadlines import Deadlines
from holdwater.runtime.services.firing_writer import FiringWriter
from holdwater.runtime.services.interruption import CallerInterruption
from holdwater.runtime.services.leases import LeaseKeeper
from holdwater.runtime.services.recovery import StaleClaimSweeper
from holdwater.runtime.services.retention import Retention
from holdwater.runtime.services.run_control import RunControl
from holdwater.runtime.services.schedules import Scheduler
from holdwater.runtime.services.suspect_isolation import SuspectStarter
from holdwater.runtime.services.triggers import TriggerPoller


def _finish_log(run: ActiveRun, attempt: Attempt) -> None:
    if attempt.log_sink is not None:
        attempt.log_sink.finish()


class Services:
    """`supervised`: those that the loop runs, in this order."""

    def __init__(self, core: Core) -> None:
        self._core = core
        store, clock, config, table = core.store, core.clock, core.config, core.table
        self.deadlines = Deadlines(
            clock, table, core.decisions, core.work, core.dispatcher, config.task_timeout_seconds
        )
        self.leases = LeaseKeeper(
            store,
            clock,
            table,
            core.work,
            core.dispatcher,
            core.claim_requests,
            core.loop,
            core.error_log,
            config.lease_us,
            config.heartbeat_us,
        )
        self.control = RunControl(
            store,
            core.store_status,
            clock,
            table,
            core.run_loader,
            core.adoption,
            core.decisions,
            core.hooks,
            core.timers,
            config.cancel_grace_seconds,
        )
        child_runs = ChildRuns(
            store,
            core.store_status,
            clock,
            table,
            core.run_loader,
            core.decisions,
            self.control,
            core.dispatcher,
            core.loop,
            core.timers,
            core.make_run_row,
        )
        self.fan_out_children = FanOutChildren(child_runs, core.adoption, core.decisions)
        self.child_calls = ChildCalls(child_runs)
        self.interruptions = CallerInterruption(store, core.store_status, table, core.decisions)
        self.control.children, self.control.interruptions = self.fan_out_children, self.interruptions
        self.recovery = StaleClaimSweeper(
            store,
            clock,
            config,
            table,
            core.claim_requests,
            core.workflows,
            core.adoption,
            self.deadlines,
            self.control,
            self._sample_clock,
        )
        other_versions = OtherVersions(store, table, clock, config.scan_interval_seconds)
        claimed_work = ClaimedWork(
            table,
            core.run_loader,
            core.adoption,
            core.decisions,
            core.work,
            core.crash_suspects,
            core.parking,
            core.error_log,
            other_versions,
            core.claim_requests,
            core.known_limits,
        )
        self.claims = WorkClaimer(
            store,
            clock,
            config,
            table,
            core.claim_requests,
            core.limits,
            core.workflows,
            core.dispatcher,
            core.crash_suspects,
            claimed_work,
            core.adoption,
            core.decisions,
            other_versions,
            core.known_limits,
        )
        scheduling, triggers = config.scheduling, core.registry.triggers
        writer = FiringWriter(
            store,
            clock,
            core.run_loader,
            core.limits,
            core.claim_requests,
            core.commits,
            core.make_run_row,
            core.error_log,
            int(scheduling.recovery_interval_seconds * 1e6),
        )
        self.scheduler = Scheduler(
            store,
            core.store_status,
            clock,
            scheduling,
            core.workflows,
            core.run_loader,
            writer,
            triggers,
            self._sample_clock,
        )
        self.triggers = TriggerPoller(
            store,
            core.store_status,
            scheduling,
            triggers,
            core.workflows,
            core.run_loader,
            writer,
            core.timers,
            core.loop,
            core.error_log,
        )
        self.retention = Retention(store, clock, config.retention_seconds, obeys_database=config.listed)
        self.announcer = WorkflowAnnouncer(store, clock, core.workflows, core.error_log, enabled=config.listed)
        self.supervised = [
            self._supervise("deadlines", self.deadlines, uses_store=False, until_closed=True),
            self._supervise("leases", self.leases, critical=True, until_closed=True),
            # before claims: a runner whose version is not announced would leave runs of the earlier one alone
            self._supervise("the catalog", self.announcer),
            self._supervise("recovery of work", self.recovery, critical=True),
            self._supervise("claims of work", self.claims, critical=True),
            self._supervise("tasks that run alone", SuspectStarter(core.crash_suspects, core.work), critical=True),
            self._supervise("schedules", self.scheduler),
            self._supervise("triggers", self.triggers),
            self._supervise("retention", self.retention),
        ]
        self._add_hooks()

    def _supervise(
        self,
        name: str,
        service: Service,
        *,
        critical: bool = False,
        uses_store: bool = True,
        until_closed: bool = False,
    ) -> SupervisedService:
        return SupervisedService(
            name, service, self._core.error_log, critical=critical, uses_store=uses_store, until_closed=until_closed
        )

    def _add_hooks(self) -> None:
        hooks = self._core.hooks
        hooks.run_created.add(lambda run: self._core.claim_requests.include_run(run.row.id))
        hooks.deadline_set.add(self.deadlines.watch_run)
        hooks.tasks_to_cancel.add(self.control.cancel_running)
        hooks.children_requested.add(self.fan_out_children.start_requested)
        hooks.children_work_claimed.add(self.fan_out_children.start)
        hooks.run_saved.add(lambda run, _: self._core.journal_watchers.on_committed(run.row.id))
        hooks.run_saved.add(lambda run, _: self.deadlines.on_run_saved(run))
        hooks.status_saved.add(self.scheduler.on_run_settled)
        hooks.run_settled.add(self.child_calls.on_run_settled)
        hooks.run_ended.add(self.child_calls.on_run_ended)
        hooks.run_ended.add(self.fan_out_children.on_run_ended)
        hooks.attempt_created.add(self.leases.lease_attempt)
        hooks.attempt_started.add(self.deadlines.watch_attempt)
        hooks.attempt_started.add(self._core.crash_suspects.on_attempt_started)
        hooks.attempt_detached.add(self.deadlines.on_attempt_detached)
        hooks.attempt_detached.add(_finish_log)
        hooks.attempt_ended.add(self.child_calls.on_attempt_ended)
        hooks.attempt_ended.add(lambda attempt: self._core.claim_requests.on_attempt_ended())
        hooks.deferral_changed.add(self._on_deferral_changed)

    def _on_deferral_changed(self, attempt: Attempt, is_deferred: bool) -> None:
        self.deadlines.on_deferral_changed(attempt, is_deferred)
        if is_deferred:
            self._core.crash_suspects.on_attempt_deferred(attempt)

    def _sample_clock(self) -> None:
        """Set the clock by its reference.  Raises StoreUnavailable."""
        jump = self._core.clock.adjust(self._core.store.sample_clock())
        if jump:
            self.deadlines.on_clock_jump(jump)

    def check_for_work(self) -> None:
        """Have all that is due looked for: workflows, triggers, schedules or concurrency limits have changed."""
        self._core.claim_requests.request_claim()
        self._core.claim_requests.limits_changed = True
        self.scheduler.check_needed = self.triggers.check_needed = self.announcer.check_needed = True
        self._core.heartbeat.on_workflows_changed()

    def use_options(self, scheduling: ScheduleConfig, retention: RetentionRule) -> None:
        """Use other options of schedules and triggers, and another rule of retention, from now on."""
        self.scheduler.config = self.triggers.config = scheduling
        self.retention.use_rule(retention)
        self.check_for_work()

    def on_notification(self, notification: Notification) -> None:
        """Take in a message of another runner."""
        if notification.work_available:
            self._core.claim_requests.request_claim()
        if notification.schedules_changed:
            self.scheduler.check_needed = self.triggers.check_needed = True
            self._core.claim_requests.limits_changed = True
        elif notification.changed_runs:
            self.scheduler.on_runs_settled()
        self._core.claim_requests.on_notification(notification.changed_runs)
        self._core.table.resolve_notified(notification.changed_runs)
