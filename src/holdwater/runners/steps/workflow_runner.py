"""WorkflowRunner: executes workflows of steps, and goes on with those that did not come to their end."""

from __future__ import annotations

import difflib
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from holdwater.errors import ConfigError, InvalidTransition, RunnerClosed, RunNotFound, WorkflowError
from holdwater.model import events as ev
from holdwater.model import ids, validation
from holdwater.model.ports import Clock
from holdwater.model.records import RunRow
from holdwater.runners.steps import workflow_lookup
from holdwater.runners.steps.checkpoints import Checkpoint, checkpoints_of
from holdwater.runners.steps.config import WorkflowRunnerConfig
from holdwater.runners.steps.events import WorkflowEvent, events_of
from holdwater.runners.steps.hooks import StepHooks, noting_given
from holdwater.runners.steps.lazy_engine import Machinery
from holdwater.runners.steps.middleware import Middleware
from holdwater.runners.steps.open_store import open_runs
from holdwater.runners.steps.results import WorkflowResult
from holdwater.runners.steps.runner_definition import RunnerProgram
from holdwater.runners.steps.step_wrapping import Conductor
from holdwater.runners.steps.tracing import Tracing
from holdwater.runners.steps.visibility import Recording
from holdwater.runtime.active_run import LiveRun
from holdwater.steps import Settings, StepsBoard, StepsInput, Workflow, WorkflowContext

M = TypeVar("M", bound=Middleware)


class WorkflowRunner(StepHooks):
    """Executes workflows of steps, one after the other or from several threads at once.

    `db_engine`: where runs are recorded: a database URL, an SQLAlchemy Engine, or a store; None: the memory of this
    process, which all runners without a database share.  `dispatcher`: runs named pipelines.  The other options are
    those of WorkflowRunnerConfig; an argument that is given beats `config`.

    Opened when it is first used.  A context manager; closed by itself when it is collected and at interpreter exit.

    Raises ConfigError and DatabaseURLError (both ValueErrors), StoreUnavailable.
    """

    _given: frozenset[str]

    @noting_given
    def __init__(
        self,
        db_engine: Any = None,
        dispatcher: Any = None,
        checkpoint_enabled: bool = True,
        dry_run: bool = False,
        *,
        config: WorkflowRunnerConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        if config is not None and not isinstance(config, WorkflowRunnerConfig):
            raise ConfigError(f"config must be a WorkflowRunnerConfig, not {type(config).__name__}")
        given = {"checkpoint_enabled": checkpoint_enabled, "dry_run": dry_run}
        options = {name: value for name, value in given.items() if name in self._given}
        self.config = (config or WorkflowRunnerConfig()).but(**options)
        self.dispatcher = dispatcher
        self._conductor = Conductor(self._execute_step, Tracing(self.config.trace_enabled))
        self._machinery = Machinery(open_runs(db_engine, self.config), self.config, clock)
        self._settings = Settings(
            dry_run=self.config.dry_run,
            dispatcher=dispatcher,
            conduct=self._conductor.conduct,
            conversations=self._conductor.conversations,
            default_retry=self.config.default_retry_policy,
            default_timeout_s=self.config.default_step_timeout,
            max_concurrent_steps=self.config.max_concurrent_steps,
        )
        self._finalizer = weakref.finalize(self, self._machinery.close, wait=False)
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
    ) -> WorkflowResult:
        """Run a workflow to its end and wait for it.  A failed step is a result, not an exception.

        `context`: what the run begins with; `params` and `partition` are merged over its own.  `start_from`: the first
        step to run; those before it are not.  `run_id`: the id the run has.  A run there is already goes on instead,
        with `params` over what it has, from `start_from` if that is given; one that is completed is left alone then
        and its result returned.

        Raises WorkflowError (no such step), EncodingError, RunInProgress, StructureChanged, StoreUnavailable,
        RunnerClosed.
        """
        self._check(workflow, start_from)
        if run_id is not None and (not isinstance(run_id, str) or not run_id):
            raise ConfigError(f"run_id must be a string that is not empty, or None, not {run_id!r}")
        workflow_lookup.remember(workflow)
        if run_id is not None:
            head = self._find(run_id)
            if head is not None:
                over = {**(context.params.to_dict() if context is not None else {}), **(params or {})}
                return self._go_on(head, workflow, over, start_from)
        engine = self._machinery.engine
        name = ids.run_id(engine.clock.now()) if run_id is None else run_id
        passed = () if start_from is None else (workflow.steps[0].name, start_from)
        inputs = StepsInput(params, partition, self._recording(workflow, context))
        with self._conductor.calling(name, workflow.name), engine.attending(name):
            program = self._program(workflow)
            self._machinery.know(program.children().values())
            run = engine.begin(program, inputs, run_id=name, passed=passed)
            return self._result(self._wait(run), workflow, 0)

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
        head = self._head(run_id)
        found = workflow_lookup.workflow_of(head) if workflow is None else workflow
        self._check(found, None)
        if head.status == "completed" and params_override:
            raise InvalidTransition(
                f"run {run_id} is completed: there is nothing left to do with other params",
                hint="execute(workflow, run_id=..., start_from=...) does it again from a step on",
            )
        return self._go_on(head, found, params_override, None)

    def cancel(self, run_id: str, reason: str = "") -> None:
        """Stop a run: nothing more starts, `execute` returns "stopped".  Raises RunNotFound, InvalidTransition."""
        self._head(run_id)
        self._machinery.engine.control(run_id, ev.CancelRequested(reason), "cancel")

    def middleware(self, function: M) -> M:
        """Register `function(step, context, next_fn)` around every attempt of every step; returns it.

        It returns a StepResult: that of `next_fn(step, context)`, or one of its own.
        """
        if not callable(function):
            raise ConfigError(f"middleware is a function (step, context, next_fn), not {function!r}")
        self._conductor.middleware.append(function)
        return function

    # -- looking

    def get_run(self, run_id: str) -> WorkflowResult:
        """A run as recorded so far, all its executions together.  Raises RunNotFound."""
        run = self._read(run_id)
        return WorkflowResult(run, workflow_lookup.find(run.row), live=True)

    def list_checkpoints(self, run_id: str) -> list[Checkpoint]:
        """The checkpoints of a run, one for each step that has succeeded, in order.  Raises RunNotFound."""
        return checkpoints_of(self._read(run_id))

    def get_checkpoint(self, run_id: str, step: str | None = None) -> Checkpoint | None:
        """The checkpoint of a step, by default the latest; None if there is none.  Raises RunNotFound."""
        found = [c for c in self.list_checkpoints(run_id) if step in (None, c.step_name)]
        return found[-1] if found else None

    def get_events(self, run_id: str) -> list[WorkflowEvent]:
        """What happened in a run, in order.  Raises RunNotFound."""
        return events_of(self._read(run_id))

    # -- lifetime

    def close(self) -> None:
        """Let running steps end (5 s), leave the rest to be resumed, release everything.  Idempotent."""
        self._finalizer.detach()
        self._machinery.close(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- within

    def _check(self, workflow: Workflow, start_from: str | None) -> None:
        if not isinstance(workflow, Workflow):
            raise WorkflowError(
                f"a WorkflowRunner executes workflows of steps, not {workflow!r:.100}",
                hint="holdwater.steps.Workflow(name=..., steps=[...])",
            )
        if not workflow.name:
            raise WorkflowError("a workflow that is run by itself has a name", hint='Workflow(name="...", steps=[...])')
        if start_from is not None and workflow.get_step(start_from) is None:
            close = difflib.get_close_matches(str(start_from), workflow.step_names(), n=3)
            raise WorkflowError(
                f"start_from={start_from!r} is no step of workflow {workflow.name!r}",
                hint=f"did you mean {' or '.join(map(repr, close))}?"
                if close
                else f"steps: {workflow.step_names()[:20]}",
            )

    def _program(self, workflow: Workflow) -> RunnerProgram:
        return RunnerProgram(workflow, self._settings, self._machinery.park)

    def _recording(self, workflow: Workflow, context: WorkflowContext | None) -> WorkflowContext | None:
        config = self.config
        kept = "none" if not config.checkpoint_enabled else "all" if config.checkpoint_every_step else "marked"
        metadata = Recording(kept, config.emit_events).to_metadata()
        if config.dry_run:
            metadata["dry_run"] = True
        if not metadata:
            return context
        return (context or WorkflowContext(workflow_name=workflow.name)).with_metadata(metadata)

    def _go_on(
        self, head: RunRow, workflow: Workflow, params: Mapping[str, Any] | None, start_from: str | None
    ) -> WorkflowResult:
        machinery = self._machinery
        engine = machinery.engine
        if workflow.structure != head.structure:
            raise workflow_lookup.changed(head, workflow)
        if head.status == "completed" and start_from is None:
            return WorkflowResult(engine.read(head.id), workflow)
        machinery.take(head.id)
        run = engine.read(head.id)
        if Recording.of(run).checkpoints == "none":
            raise InvalidTransition(
                f"run {head.id} was executed without checkpoints and cannot go on",
                hint="execute it anew; checkpoint_enabled=True keeps what a run needs",
            )
        sleeps_until = machinery.long_sleep(run) if start_from is None else None
        if sleeps_until is not None and head.status == "paused":
            return self._result(run, workflow, len(run.entries))
        board = run.board
        assert isinstance(board, StepsBoard)
        start = None if start_from is None else workflow.step_index(start_from)
        left_behind = head.status == "running" and not params and start is None
        inputs = {} if left_behind else board.override(params, start)
        machinery.know([self._program(workflow)])
        with self._conductor.calling(head.id, workflow.name), engine.attending(head.id):
            engine.resume(head.id, inputs, start)
            if sleeps_until is not None:
                machinery.park(head.id, sleeps_until)
            return self._result(self._wait(engine.read(head.id), live=False), workflow, len(run.entries))

    def _wait(self, run: LiveRun, live: bool = True) -> LiveRun:
        """Until it has ended or rests; if this runner is closed meanwhile, the run as it was then."""
        engine = self._machinery.engine
        try:
            return engine.wait(run.row.id, live=run if live else None)
        except RunnerClosed:
            return engine.driver.runs.get(run.row.id, run)

    def _result(self, run: LiveRun, workflow: Workflow, since: int) -> WorkflowResult:
        return WorkflowResult(run, workflow, since)

    def _find(self, run_id: str) -> RunRow | None:
        return self._machinery.engine.store.run(validation.sought("the id of a run", run_id))

    def _head(self, run_id: str) -> RunRow:
        head = self._find(run_id)
        if head is None or head.style != "steps":
            store = self._machinery.engine.store
            what = "no run" if head is None else "no run of a workflow of steps"
            raise RunNotFound(f"there is {what} {run_id!r} in {store.url}", hint=self._machinery.where_else)
        return head

    def _read(self, run_id: str) -> LiveRun:
        self._head(run_id)
        return self._machinery.engine.read(run_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._machinery.url!r}{', dry_run=True' if self.config.dry_run else ''})"
