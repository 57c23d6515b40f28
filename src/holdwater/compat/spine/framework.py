"""`spine.framework`: pipelines and their dispatcher, on Holdwater's registry of pipelines."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from holdwater import steps
from holdwater.compat.spine.params import BadParamsError, ParamDef, PipelineSpec, ValidationResult
from holdwater.errors import PipelineNotFound, WorkflowError
from holdwater.model.error_report import describe_error
from holdwater.steps import PipelineRunResult as PipelineResult
from holdwater.steps import PipelineStatus, pipeline, pipeline_registry
from holdwater.steps.error_categories import classify_error
from holdwater.steps.pipelines import prepare_call, run_pipeline

S = TypeVar("S", bound=Callable[..., Any])

PipelineNotFoundError = PipelineNotFound


class Lane(StrEnum):
    """Urgency of a pipeline; recorded with its execution, without effect."""

    NORMAL = "normal"
    BACKFILL = "backfill"
    SLOW = "slow"


class TriggerSource(StrEnum):
    """Origin of an execution; recorded with it, without effect."""

    CLI = "cli"
    API = "api"
    SCHEDULER = "scheduler"
    RETRY = "retry"
    MANUAL = "manual"


class Pipeline(steps.Pipeline):
    """Holdwater's pipeline, with the parameters that its `spec` declares."""

    spec: ClassVar[PipelineSpec | None] = None

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Create a pipeline.  Raises BadParamsError (a ValueError) for parameters that do not match the `spec`."""
        super().__init__(params)
        self.validate_params()

    def validate_params(self) -> None:
        """Add the defaults of omitted parameters, and check all.  Raises BadParamsError."""
        if self.spec is None:
            return
        self.params = self.spec.with_defaults(self.params)
        found = self.spec.validate(self.params)
        if not found.valid:
            raise BadParamsError(self.name or type(self).__name__, found)


def register_pipeline(name: str) -> Callable[[S], S]:
    """Register a pipeline under a new name.  Raises WorkflowError (a ValueError) for a name in use."""

    def register(source: S) -> S:
        if pipeline_registry.find(name) is not None:
            raise WorkflowError(f"a pipeline {name!r} is already registered", hint="clear_registry() unregisters all")
        return pipeline(name)(source)

    return register


def get_pipeline(name: str) -> Any:
    """Return the pipeline registered under a name.  Raises PipelineNotFound (a KeyError)."""
    found = pipeline_registry.find(name)
    if found is None:
        raise pipeline_registry.not_found(name)
    return found


def list_pipelines() -> list[str]:
    """Return all names, sorted."""
    return pipeline_registry.names()


def clear_registry() -> None:
    """Unregister all pipelines."""
    for name in pipeline_registry.names():
        pipeline_registry.unregister(name)


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution of a pipeline.  `status`: completed or failed.  `result`: the result of the pipeline."""

    pipeline: str
    params: dict[str, Any]
    result: PipelineResult
    lane: Lane = Lane.NORMAL
    trigger_source: TriggerSource = TriggerSource.CLI
    logical_key: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def status(self) -> str:
        return str(self.result.status)

    @property
    def error(self) -> str | None:
        return self.result.error

    @property
    def error_category(self) -> str | None:
        return self.result.error_category

    @property
    def started_at(self) -> dt.datetime | None:
        return self.result.started_at

    @property
    def completed_at(self) -> dt.datetime | None:
        return self.result.completed_at


class PipelineRunner:
    """Runs registered pipelines synchronously, in the calling thread."""

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> PipelineResult:
        """Run a pipeline to its end; an exception of the pipeline is part of the result.

        Raises PipelineNotFound, and BadParamsError for parameters that do not match its `spec`.
        """
        source, began = get_pipeline(name), dt.datetime.now(dt.UTC)
        try:
            return run_pipeline(prepare_call(source, dict(params or {})), name)
        except BadParamsError:
            raise
        except Exception as error:  # noqa: BLE001 - an exception of the pipeline is its result
            return PipelineResult(
                PipelineStatus.FAILED,
                began,
                dt.datetime.now(dt.UTC),
                error=describe_error(error),
                error_category=classify_error(error),
            )

    def run_all(self, names: Iterable[str], params: Mapping[str, Any] | None = None) -> list[PipelineResult]:
        """Run pipelines one after the other, until one has failed.  Raises PipelineNotFound, BadParamsError."""
        results: list[PipelineResult] = []
        for name in names:
            results.append(self.run(name, params))
            if results[-1].failed:
                break
        return results


class Dispatcher:
    """Runs registered pipelines as PipelineRunner does, and keeps the executions in memory."""

    def __init__(self) -> None:
        self._runner = PipelineRunner()
        self._executions: dict[str, Execution] = {}
        self._lock = threading.Lock()

    def submit(
        self,
        pipeline: str,
        params: Mapping[str, Any] | None = None,
        lane: Lane = Lane.NORMAL,
        trigger_source: TriggerSource = TriggerSource.CLI,
        logical_key: str | None = None,
    ) -> Execution:
        """Run a pipeline to its end.  Raises PipelineNotFound, BadParamsError."""
        given = dict(params or {})
        result = self._runner.run(pipeline, given)
        execution = Execution(pipeline, given, result, lane, trigger_source, logical_key)
        with self._lock:
            self._executions[execution.id] = execution
        return execution

    def get_execution(self, execution_id: str) -> Execution | None:
        """Find an execution by id."""
        with self._lock:
            return self._executions.get(execution_id)

    def list_executions(self, pipeline: str | None = None, status: str | None = None) -> list[Execution]:
        """List executions, newest first."""
        with self._lock:
            found = [*self._executions.values()]
        return [one for one in reversed(found) if pipeline in (None, one.pipeline) and status in (None, one.status)]


_dispatcher = Dispatcher()


def get_dispatcher() -> Dispatcher:
    """Return the dispatcher of this process."""
    return _dispatcher


def reset_dispatcher() -> None:
    """Replace the dispatcher by one without executions."""
    global _dispatcher
    _dispatcher = Dispatcher()


__all__ = [
    "BadParamsError",
    "Dispatcher",
    "Execution",
    "Lane",
    "ParamDef",
    "Pipeline",
    "PipelineNotFoundError",
    "PipelineResult",
    "PipelineRunner",
    "PipelineSpec",
    "PipelineStatus",
    "TriggerSource",
    "ValidationResult",
    "clear_registry",
    "get_dispatcher",
    "get_pipeline",
    "list_pipelines",
    "register_pipeline",
    "reset_dispatcher",
]
