"""WorkflowRunner: executes workflows of steps, and goes on with those that did not come to their end."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from holdwater.engine.waiting import RunFuture
from holdwater.errors import ConfigError, InvalidTransition, RunnerClosed, RunNotFound, WorkflowError
from holdwater.events.processors import EventProcessor, check_processors
from holdwater.events.run_events import EventPosition
from holdwater.model import ids
from holdwater.model.ports.clock import Clock
from holdwater.model.provenance import Provenance
from holdwater.model.statuses import RunStatus
from holdwater.model.suggestions import did_you_mean
from holdwater.runners.steps import workflow_lookup
from holdwater.runners.steps.checkpoints import Checkpoint, build_checkpoints
from holdwater.runners.steps.config import WorkflowRunnerConfig
from holdwater.runners.steps.events import WorkflowEvent, build_events
from holdwater.runners.steps.hooks import StepHooks, record_given_arguments
from holdwater.runners.steps.lazy_engine import LazyEngine
from holdwater.runners.steps.middleware import Middleware
from holdwater.runners.steps.open_store import open_run_store
from holdwater.runners.steps.results import WorkflowResult
from holdwater.runners.steps.runner_definition import RunnerWorkflowDefinition
from holdwater.runners.steps.step_wrapping import StepAttemptWrapper
from holdwater.runners.steps.tracing import with_step_spans
from holdwater.runners.steps.visibility import RunVisibility
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.view import RunView
from holdwater.steps import StepSettings, StepsInput, StepsRunData, Workflow, WorkflowContext

M = TypeVar("M", bound=Middleware)


class WorkflowRunner(StepHooks):
    """Executes workflows of steps, one after the other or from several threads at once.

    `db_engine`: where runs are recorded: a database URL, an SQLAlchemy Engine, or a store; None: the memory of this
    process, which all runners without a database share.  `dispatcher`: runs named pipelines.  The other options are
    those of WorkflowRunnerConfig; an argument that is given beats `config`.  `event_processors`: hear of every run.

    Opened when it is first used.  A context manager; closed by itself when it is collected and at interpreter exit.

    Raises ConfigError and DatabaseURLError (both ValueErrors), StoreUnavailable.
    """

    _given_arguments: frozenset[str]

    @record_given_arguments
    def __init__(
        self,
        db_engine: Any = None,
        dispatcher: Any = None,
        checkpoint_enabled: bool = True,
        dry_run: bool = False,
        *,
        config: WorkflowRunnerConfig | None = None,
        clock: Clock | None = None,
        event_processors: Sequence[EventProcessor] = (),
    ) -> None:
        if config is not None and not isinstance(config, WorkflowRunnerConfig):
            raise ConfigError(f"config must be a WorkflowRunnerConfig, not {type(config).__name__}")
        given = {"checkpoint_enabled": checkpoint_enabled, "dry_run": dry_run}
        options = {name: value for name, value in given.items() if name in self._given_arguments}
        self.config = (config or WorkflowRunnerConfig()).with_overrides(**options)
        self.dispatcher = dispatcher
        self._attempt_wrapper = StepAttemptWrapper(self._execute_step)
        trace_enabled = self.config.trace_enabled
        given_processors = check_processors(event_processors)
        self._lazy_engine = LazyEngine(
            open_run_store(db_engine, self.config),
            self.config,
            clock,
            lambda: with_step_spans(given_processors) if trace_enabled else given_processors,
        )
        self._settings = StepSettings(
            dry_run=self.config.dry_run,
            dispatcher=dispatcher,
            wrapper=self._attempt_wrapper.run_attempt,
            suspended_steps=self._attempt_wrapper.suspended_steps,
            default_retry=self.config.default_retry_policy,
            default_timeout_seconds=self.config.default_step_timeout,
            max_concurrent_steps=self.config.max_concurrent_steps,
        )
        self._finalizer = weakref.finalize(self, self._lazy_engine.close, wait=False)
        self._finalizer.atexit = False  # the engine sees to that, and is waited for

    # -- executing

    def execute(
        self,
        workflow: Workflow,
        *,
        params: Mapping[str, Any] | None = None,
        partition: Mapping[str, Any] | None = None,
        context: WorkflowContext | None = None,
        start_from: str | None = None,
        run_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> WorkflowResult:
        """Run a workflow to its end and wait for it.  A failed step is a result, not an exception.

        `context`: what the run begins with; `params` and `partition` are merged over its own.  `start_from`: the first
        step to run; those before it are not.  `run_id`: the id the run has.  A run there is already goes on instead,
        with `params` over what it has, from `start_from` if that is given; one that is completed is left alone then
        and its result returned.  `labels`: texts by key to find a new run by.

        Raises WorkflowError (no such step), EncodingError, InvalidArgument, RunInProgress, StructureChanged,
        StoreUnavailable, RunnerClosed.
        """
        self._check_workflow(workflow, start_from)
        if run_id is not None and (not isinstance(run_id, str) or not run_id):
            raise ConfigError(f"run_id must be a string that is not empty, or None, not {run_id!r}")
        workflow_lookup.remember_workflow(workflow)
        if run_id is not None:
            found = self._lazy_engine.engine.reader.find_info(run_id)
            if found is not None:
                over = {**(context.params.to_dict() if context is not None else {}), **(params or {})}
                return self._continue_run(found, workflow, over, start_from)
        engine = self._lazy_engine.engine
        name = ids.new_run_id(engine.clock.now()) if run_id is None else run_id
        passed = () if start_from is None else (workflow.steps[0].name, start_from)
        provenance = Provenance.of_caller(labels=labels)
        inputs = StepsInput(params, partition, self._with_visibility(workflow, context))
        with self._attempt_wrapper.attached(name), engine.pause_on_interrupt(name):
            program = self._make_definition(workflow)
            self._lazy_engine.register_definitions(program.child_definitions().values())
            started = engine.start_run(program, inputs, run_id=name, skipped_ranges=passed, provenance=provenance)
            return WorkflowResult(self._wait_for_run(started), workflow)

    def resume(
        self,
        run_id: str,
        *,
        params_override: Mapping[str, Any] | None = None,
        workflow: Workflow | None = None,
    ) -> WorkflowResult:
        """Go on with a run that failed, was stopped, or was left behind by a process that died; wait for its end.

        Steps that have succeeded are not run again.  `params_override` is merged over the params it has; handlers see
        `__resumed__` among them.  The workflow is the one of that name that this process has executed or registered,
        unless one is given.  Of a completed run the result is returned.

        Raises RunNotFound, WorkflowNotFound, StructureChanged, RunInProgress, InvalidTransition (a completed run and
        params, a run without checkpoints), EncodingError, StoreUnavailable, RunnerClosed.
        """
        run = self._require_run(run_id)
        found = workflow_lookup.require_workflow(run) if workflow is None else workflow
        self._check_workflow(found, None)
        if run.status == RunStatus.COMPLETED and params_override:
            raise InvalidTransition(
                f"run {run_id} is completed: there is nothing left to do with other params",
                hint="execute(workflow, run_id=..., start_from=...) does it again from a step on",
            )
        return self._continue_run(run, found, params_override, None)

    def cancel(self, run_id: str, reason: str = "") -> None:
        """Stop a run: nothing more starts, `execute` returns "stopped".  Raises RunNotFound, InvalidTransition."""
        self._require_run(run_id)
        self._lazy_engine.engine.control.cancel(run_id, reason)

    def middleware(self, function: M) -> M:
        """Register `function(step, context, next_fn)` around every attempt of every step; returns it.

        It returns a StepResult: that of `next_fn(step, context)`, or one of its own.
        """
        if not callable(function):
            raise ConfigError(f"middleware is a function (step, context, next_fn), not {function!r}")
        self._attempt_wrapper.middleware.append(function)
        return function

    # -- looking

    def get_run(self, run_id: str) -> WorkflowResult:
        """Read a run as recorded so far, all its executions together.  Raises RunNotFound."""
        run = self._view_run(run_id)
        return WorkflowResult(run, workflow_lookup.find_workflow(run.info), is_live=True)

    def list_checkpoints(self, run_id: str) -> list[Checkpoint]:
        """List the checkpoints of a run, one per successful step, in order.  Raises RunNotFound."""
        return build_checkpoints(self._view_run(run_id))

    def get_checkpoint(self, run_id: str, step: str | None = None) -> Checkpoint | None:
        """Find the checkpoint of a step, by default the latest one.  Raises RunNotFound."""
        found = [c for c in self.list_checkpoints(run_id) if step in (None, c.step_name)]
        return found[-1] if found else None

    def get_events(self, run_id: str) -> list[WorkflowEvent]:
        """List the events of a run, in order.  Raises RunNotFound."""
        return build_events(self._view_run(run_id))

    def events(self, run_id: str, *, after: int | EventPosition = 0) -> RunFollower:
        """Iterate over the events of a run as they are recorded, until it has ended; for `for` and `async for`.

        `after`: the journal number (`seq`) or the `position` of an event that was seen before.  A pause is no end.
        Raises RunNotFound, InvalidArgument (a ValueError), StoreUnavailable.
        """
        self._require_run(run_id)
        return self._lazy_engine.engine.follow(run_id, after)

    # -- lifetime

    def close(self) -> None:
        """Let running steps end (5 s), leave the rest to be resumed, release everything.  Idempotent."""
        self._finalizer.detach()
        self._lazy_engine.close(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- within

    def _check_workflow(self, workflow: Workflow, start_from: str | None) -> None:
        if not isinstance(workflow, Workflow):
            raise WorkflowError(
                f"a WorkflowRunner executes workflows of steps, not {workflow!r:.100}",
                hint="holdwater.steps.Workflow(name=..., steps=[...])",
            )
        if not workflow.name:
            raise WorkflowError("a workflow that is run by itself has a name", hint='Workflow(name="...", steps=[...])')
        if start_from is not None and workflow.get_step(start_from) is None:
            raise WorkflowError(
                f"start_from={start_from!r} is no step of workflow {workflow.name!r}",
                hint=did_you_mean(start_from, workflow.step_names()) or f"steps: {workflow.step_names()[:20]}",
            )

    def _make_definition(self, workflow: Workflow) -> RunnerWorkflowDefinition:
        return RunnerWorkflowDefinition(workflow, self._settings, self._lazy_engine.pause_if_long_wait)

    def _with_visibility(self, workflow: Workflow, context: WorkflowContext | None) -> WorkflowContext | None:
        config = self.config
        kept = "none" if not config.checkpoint_enabled else "all" if config.checkpoint_every_step else "marked"
        metadata = RunVisibility(kept, config.emit_events).to_metadata()
        if config.dry_run:
            metadata["dry_run"] = True
        if not metadata:
            return context
        return (context or WorkflowContext(workflow_name=workflow.name)).with_metadata(metadata)

    def _continue_run(
        self, info: RunInfo, workflow: Workflow, params: Mapping[str, Any] | None, start_from: str | None
    ) -> WorkflowResult:
        machinery = self._lazy_engine
        engine = machinery.engine
        if workflow.structure != info.structure:
            raise workflow_lookup.structure_changed_error(info, workflow)
        if info.status == RunStatus.COMPLETED and start_from is None:
            return WorkflowResult(engine.reader.view(info.id), workflow)
        machinery.acquire_run(info.id)
        run = engine.reader.view(info.id)
        if RunVisibility.from_run(run).checkpoints == "none":
            raise InvalidTransition(
                f"run {info.id} was executed without checkpoints and cannot go on",
                hint="execute it anew; checkpoint_enabled=True keeps what a run needs",
            )
        sleeps_until = machinery.long_wait_until(run) if start_from is None else None
        if sleeps_until is not None and info.status == RunStatus.PAUSED:
            return WorkflowResult(run, workflow, len(run.journal))
        data = run.data
        assert isinstance(data, StepsRunData)
        start = None if start_from is None else workflow.step_index(start_from)
        left_behind = info.status == RunStatus.RUNNING and not params and start is None
        inputs = {} if left_behind else data.resume_inputs(params, start)
        machinery.register_definitions([self._make_definition(workflow)])
        with self._attempt_wrapper.attached(info.id), engine.pause_on_interrupt(info.id):
            engine.control.continue_here(info.id, inputs, start)
            if sleeps_until is not None:
                machinery.pause_if_long_wait(info.id, sleeps_until)
            return WorkflowResult(
                self._wait_for_run(engine.future(info.id), engine.reader.view(info.id)), workflow, len(run.journal)
            )

    def _wait_for_run(self, future: RunFuture, known: RunView | None = None) -> RunView:
        """Until it has ended or is paused; if this runner is closed meanwhile, the run as it was then.

        `known`: the run as it was read before.
        """
        try:
            return future.result()
        except RunnerClosed:
            found = future.in_memory() or known
            if found is None:
                raise
            return found

    def _require_run(self, run_id: str) -> RunInfo:
        engine = self._lazy_engine.engine
        found = engine.reader.find_info(run_id)
        if found is None or found.style != "steps":
            what = "no run" if found is None else "no run of a workflow of steps"
            raise RunNotFound(
                f"there is {what} {run_id!r} in {engine.store.url}", hint=self._lazy_engine.missing_run_hint
            )
        return found

    def _view_run(self, run_id: str) -> RunView:
        self._require_run(run_id)
        return self._lazy_engine.engine.reader.view(run_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._lazy_engine.url!r}{', dry_run=True' if self.config.dry_run else ''})"
