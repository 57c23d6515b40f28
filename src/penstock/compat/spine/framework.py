"""`spine.framework`: pipelines and the dispatcher that runs them, over Penstock's register of pipelines."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from penstock.model.errors import WorkflowError
from penstock.model.exceptions import describe
from penstock.steps import Pipeline, PipelineNotFound, PipelineResult, PipelineStatus, pipeline, pipeline_registry
from penstock.steps.categories import category_of
from penstock.steps.pipelines import carried_out, starter

S = TypeVar("S", bound=Callable[..., Any])

PipelineNotFoundError = PipelineNotFound


def register_pipeline(name: str) -> Callable[[S], S]:
    """`penstock.steps.pipeline` under a name that is still free.  Raises WorkflowError (a ValueError)."""

    def register(source: S) -> S:
        if pipeline_registry.find(name) is not None:
            raise WorkflowError(f"a pipeline {name!r} is already registered", hint="clear_registry() forgets all")
        return pipeline(name)(source)

    return register


def get_pipeline(name: str) -> Any:
    """What is registered under the name.  Raises PipelineNotFound (a KeyError)."""
    found = pipeline_registry.find(name)
    if found is None:
        raise pipeline_registry.not_found(name)
    return found


def list_pipelines() -> list[str]:
    """All names, sorted."""
    return pipeline_registry.names()


def clear_registry() -> None:
    """Forget all pipelines."""
    for name in pipeline_registry.names():
        pipeline_registry.forget(name)


@dataclass(frozen=True, slots=True)
class Execution:
    """A pipeline that was run.  `status`: completed or failed; `result`: what it gave."""

    pipeline: str
    params: dict[str, Any]
    result: PipelineResult
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

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


class Dispatcher:
    """Runs registered pipelines, at once and in the thread that asks."""

    def submit(self, pipeline: str, params: Mapping[str, Any] | None = None) -> Execution:
        """Run a pipeline to its end; what it raises is in the result.  Raises PipelineNotFound."""
        source, given = get_pipeline(pipeline), dict(params or {})
        began = dt.datetime.now(dt.UTC)
        try:
            result = carried_out(starter(source, given), pipeline)
        except Exception as error:  # noqa: BLE001 - whatever a pipeline raises is its result
            result = PipelineResult(
                PipelineStatus.FAILED,
                began,
                dt.datetime.now(dt.UTC),
                error=describe(error),
                error_category=category_of(error),
            )
        return Execution(pipeline, given, result)


_DISPATCHER: Final = Dispatcher()


def get_dispatcher() -> Dispatcher:
    """The dispatcher of this process."""
    return _DISPATCHER


__all__ = [
    "Dispatcher",
    "Execution",
    "Pipeline",
    "PipelineNotFoundError",
    "PipelineResult",
    "PipelineStatus",
    "clear_registry",
    "get_dispatcher",
    "get_pipeline",
    "list_pipelines",
    "register_pipeline",
]
