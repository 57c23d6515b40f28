"""Pipelines: named functions or classes that steps run."""

from __future__ import annotations

import datetime as dt
import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, ClassVar, Final, TypeVar, overload

from holdwater.errors import PipelineNotFound, StepReturnError
from holdwater.model.coroutines import run_awaitable
from holdwater.model.registry import registry
from holdwater.model.signatures import signature_of
from holdwater.model.suggestions import did_you_mean
from holdwater.steps.error_categories import category_name

S = TypeVar("S", bound=Callable[..., Any])
T = TypeVar("T")


class PipelineStatus(StrEnum):
    """Status of a pipeline."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class PipelineRunResult:
    """The result of a pipeline.  `metrics`: become the output of the step that ran it."""

    status: PipelineStatus | str = PipelineStatus.COMPLETED
    started_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    error: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error_category: str | None = None

    @property
    def duration_seconds(self) -> float | None:
        """Duration in seconds; None if start or end is unknown."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at).total_seconds()

    @property
    def failed(self) -> bool:
        """True for a failed or cancelled pipeline."""
        return str(self.status) in (PipelineStatus.FAILED, PipelineStatus.CANCELLED)

    def to_dict(self) -> dict[str, Any]:
        """Return the part that a step stores."""
        data: dict[str, Any] = {"status": str(self.status)}
        if self.failed:
            return {**data, "error": self.error}
        times = {"started_at": self.started_at, "completed_at": self.completed_at}
        return {**data, "metrics": self.metrics, **{name: at for name, at in times.items() if at is not None}}


class Pipeline:
    """Base of pipeline classes; an instance is created per run, with its `params`."""

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        self.params: dict[str, Any] = dict(params or {})

    def run(self) -> Any:
        """Execute the pipeline; may be `async def`.  Returns a PipelineRunResult, a dict of metrics or None."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")


class PipelineRegistry:
    """Pipelines by name; thread-safe.  Registering a name again replaces its pipeline."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Any] = {}
        self._lock = threading.Lock()

    def register(self, name: str, source: Any) -> None:
        """Register a pipeline."""
        with self._lock:
            self._pipelines[name] = source

    def find(self, name: str) -> Any:
        """Find a pipeline by name."""
        with self._lock:
            return self._pipelines.get(name)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        with self._lock:
            return sorted(self._pipelines)

    def unregister(self, name: str) -> None:
        """Unregister a name; an unknown one is ignored."""
        with self._lock:
            self._pipelines.pop(name, None)

    def not_found(self, name: str) -> PipelineNotFound:
        """Build the error for a name that is neither a pipeline nor a workflow, with similar names as a hint."""
        known = [*self.names(), *registry.names()]
        if close := did_you_mean(name, known):
            hint = close
        else:
            hint = f"this process knows {', '.join(map(repr, known[:10]))}" if known else "register it with @pipeline"
        return PipelineNotFound(f"no pipeline or workflow named {name!r} is registered in this process", hint=hint)


pipeline_registry: Final = PipelineRegistry()
"""the registry of `@pipeline` and of steps"""


@overload
def pipeline(name: S, /) -> S: ...


@overload
def pipeline(name: str | None = None, *, into: PipelineRegistry = pipeline_registry) -> Callable[[S], S]: ...


def pipeline(name: Any = None, *, into: PipelineRegistry = pipeline_registry) -> Any:
    """Register a function of the params, or a class with `run()`, as a pipeline; it is returned unchanged.

    `name`: by default its `name` attribute, or the name it is defined with.  A function may be `async def` and returns
    a PipelineRunResult, a dict of metrics or None.
    """

    def register(source: S) -> S:
        known_as = name if isinstance(name, str) else getattr(source, "name", "") or getattr(source, "__name__", "")
        if not callable(source) or not known_as:
            raise StepReturnError(f"a pipeline is a function or a class with run(), not {source!r}")
        into.register(known_as, source)
        return source

    return register if name is None or isinstance(name, str) else register(name)


# -- execution

PipelineCall = Callable[[], Any]


def prepare_call(source: Any, params: dict[str, Any]) -> PipelineCall:
    """Return a call of a pipeline with these params; its return value may have to be awaited."""
    if isinstance(source, type):
        if not signature_of(source).parameters:
            return lambda: source().run(params)
        return lambda: source(params).run()
    run = getattr(source, "run", None)
    if run is None:
        return lambda: source(params)
    return lambda: run(params) if signature_of(run).parameters else run()


def prepare_dispatch(dispatcher: Any, name: str, params: dict[str, Any]) -> PipelineCall:
    """Return a call of a dispatcher: `submit(name, params)`, `run(name, params)`, or a function of both."""
    for method in ("submit", "run"):
        found = getattr(dispatcher, method, None)
        if callable(found):
            return lambda: found(name, params)
    return lambda: dispatcher(name, params)


def run_pipeline(call: PipelineCall, name: str) -> PipelineRunResult:
    """Run a pipeline in this thread.  Its exceptions propagate.  Raises StepReturnError for an invalid return value."""
    began = dt.datetime.now(dt.UTC)
    given = call()
    if inspect.isawaitable(given):
        given = run_awaitable(given)
    return _to_pipeline_result(given, name, began)


_SUCCESS_STATUSES: Final = ("completed", "success", "succeeded", "ok")
_FAILURE_STATUSES: Final = ("failed", "failure", "error", "cancelled", "timed_out", "dead_lettered")


def _to_pipeline_result(returned: Any, name: str, started_at: dt.datetime) -> PipelineRunResult:
    now = dt.datetime.now(dt.UTC)
    if returned is None or (isinstance(returned, Mapping) and not {"status", "metrics"} <= returned.keys()):
        return PipelineRunResult(PipelineStatus.COMPLETED, started_at, now, metrics=dict(returned or {}))
    read = returned.get if isinstance(returned, Mapping) else lambda key, default=None: getattr(returned, key, default)
    status = read("status")
    if status is None:
        raise StepReturnError(
            f"pipeline {name!r} returned {type(returned).__name__}",
            hint="return a PipelineRunResult, a dict (its metrics) or None",
        )
    word = str(status.value if isinstance(status, Enum) else status).lower()
    metrics = read("metrics")
    inner = read("result")  # the execution of a dispatcher contains the pipeline's own result
    if metrics is None and inner is not None:
        metrics = getattr(inner, "metrics", inner)
    error, category = read("error"), read("error_category")
    if word in _SUCCESS_STATUSES:
        kept = dict(metrics) if isinstance(metrics, Mapping) else {} if metrics is None else {"result": metrics}
        return PipelineRunResult(
            PipelineStatus.COMPLETED, read("started_at") or started_at, read("completed_at") or now, metrics=kept
        )
    if word not in _FAILURE_STATUSES:
        error = f"pipeline {name!r} is {word!r}: it was returned before it had ended"
        category = category or "DEPENDENCY"
    failed = PipelineStatus.CANCELLED if word == "cancelled" else PipelineStatus.FAILED
    return PipelineRunResult(
        failed,
        read("started_at") or started_at,
        read("completed_at") or now,
        error=str(error or f"pipeline {name!r} {word}"),
        error_category=None if category is None else category_name(category),
    )
