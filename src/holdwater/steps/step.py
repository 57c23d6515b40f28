"""Steps, as data."""

from __future__ import annotations

import datetime as dt
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from holdwater.errors import FallThroughWarning, WorkflowError
from holdwater.model import validation
from holdwater.model.policies import RetryPolicy
from holdwater.model.signatures import accepts_arguments
from holdwater.steps.base_step import BaseStep, ErrorPolicy, StepType
from holdwater.steps.base_workflow import BaseWorkflow
from holdwater.steps.context import WorkflowContext
from holdwater.steps.jump_targets import JumpTargets
from holdwater.steps.quality import QualityThresholds
from holdwater.steps.step_config import copy_config, copy_containers
from holdwater.steps.step_options import Condition, Handler, KeywordOptions, StepOptions, to_step_fields


class Step(BaseStep):
    """A step of a workflow, created by `lambda_`, `pipeline`, `choice`, `map` and `wait`.  Raises WorkflowError.

    `config`: for the handler and middleware; its containers are copied here and for each attempt, other objects in it
    are shared.  `config["timeout"]`, or `timeout`: time limit of an attempt, seconds.  `limit`: name of a concurrency
    limit, which counts the steps that name it and run at once, across all runners of the database.  `retry_policy`:
    applies with any `on_error`, which takes effect when the attempts are exhausted.  `checkpoint`: marks the step for
    runners that do not checkpoint after every step.
    """

    @staticmethod
    def lambda_(
        name: str,
        handler: Handler,
        config: Mapping[str, Any] | None = None,
        on_error: ErrorPolicy | str = ErrorPolicy.STOP,
        retry: RetryPolicy | None = None,
        *,
        quality_thresholds: QualityThresholds | Mapping[str, Any] | None = None,
        **more: Unpack[StepOptions],
    ) -> LambdaStep:
        """Call `handler(context, config)`, a function or an object with `__call__`; it may be `async def`.

        It returns a StepResult, a dict (the output) or None; an exception fails the step.  Metrics that violate the
        `quality_thresholds` fail it with DATA_QUALITY.
        """
        thresholds: Any = quality_thresholds
        if isinstance(thresholds, Mapping):
            thresholds = QualityThresholds.from_config(thresholds)
        return LambdaStep(
            name=name,
            handler=handler,
            config=dict(config or {}),
            on_error=on_error,
            retry_policy=retry,
            quality_thresholds=thresholds,
            **more,
        )

    @staticmethod
    def pipeline(
        name: str,
        pipeline: Any = None,
        params: Mapping[str, Any] | None = None,
        on_error: ErrorPolicy | str = ErrorPolicy.STOP,
        retry: RetryPolicy | None = None,
        *,
        pipeline_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        **more: Unpack[StepOptions],
    ) -> RunPipelineStep:
        """Run a pipeline: a registered name, a function of its params, a class with `run()`, or another Workflow.

        Its params are those of the context, overridden by `params`.  Output: its metrics, and `pipeline_result` with
        `status`, `metrics`, `started_at` and `completed_at`.  A workflow is run as a child of this run; its metrics
        are the output of its last step.
        """
        if (pipeline is None) == (pipeline_name is None):
            raise WorkflowError(
                f"step {name!r} names its pipeline once", hint=f"Step.pipeline({name!r}, 'my.pipeline')"
            )
        return RunPipelineStep(
            name=name,
            source=pipeline_name if pipeline is None else pipeline,
            params=dict(params or {}),
            config=dict(config or {}),
            on_error=on_error,
            retry_policy=retry,
            **more,
        )

    @staticmethod
    def choice(
        name: str,
        condition: Condition | None = None,
        then_step: str | None = None,
        else_step: str | None = None,
        *,
        join: str | None = None,
        when: Condition | None = None,
        then: str | None = None,
        otherwise: str | None = None,
        **options: Unpack[KeywordOptions],
    ) -> ChoiceStep:
        """Jump to `then_step` if `condition(context)` is true, else to `else_step`; both must come later.

        From there on every step runs, those of the other branch included, unless `join` names the step at which the
        branches meet: then the other branch is skipped.  Without an `else_step` a false condition skips `then_step`
        (with `join`: all steps before it).  `when`, `then` and `otherwise`: aliases of the first three.
        Output: `condition_result`, `branch`.
        """
        return ChoiceStep(
            name=name,
            condition=_exactly_one(name, "condition", condition, "when", when),
            then_step=_exactly_one(name, "then_step", then_step, "then", then),
            else_step=else_step if otherwise is None else otherwise,
            join=join,
            **to_step_fields(options),
        )

    @staticmethod
    def map(
        name: str,
        items: Iterable[Any] | Callable[[WorkflowContext], Iterable[Any]] | None = None,
        *,
        items_path: str | None = None,
        items_from: Callable[[WorkflowContext], Iterable[Any]] | None = None,
        iterator: BaseWorkflow[Step] | None = None,
        iterator_workflow: BaseWorkflow[Step] | None = None,
        step: Step | None = None,
        item_param: str = "item",
        max_concurrency: int = 10,
        **options: Unpack[KeywordOptions],
    ) -> MapStep:
        """Run a workflow (`iterator`), or one `step`, for each item, as child runs, `max_concurrency` at a time.

        Items: a list, a function of the context (`items` or `items_from`), or `items_path`, a dotted path into the
        params, then into the outputs (`"step.key"`).  A child has the params of the context, without the list itself
        if the path names a param, and in addition `item_param` and `__map_index__`.

        Output: `results` in the order of the items, each the output of the child's last completed step (None if the
        child failed or was not started), `item_count`, `completed`, `failed`, and `errors`, a list of `index` and
        `error`.  With STOP a failed item fails the step and no further item starts; with CONTINUE all items run.
        """
        sources = [given for given in (items, items_from) if given is not None]
        if len(sources) + (items_path is not None) != 1:
            raise WorkflowError(
                f"map step {name!r} has one source of items, not {len(sources) + (items_path is not None)}",
                hint="give items=[...], items=function, or items_path='param'",
            )
        bodies = [body for body in (iterator, iterator_workflow, step) if body is not None]
        if len(bodies) != 1:
            raise WorkflowError(f"map step {name!r} needs one of iterator=Workflow(...) and step=Step...(...)")
        return MapStep(
            name=name,
            items=sources[0] if sources else None,
            items_path=items_path,
            iterator_workflow=_to_iterator_workflow(name, bodies[0]),
            item_param=item_param,
            max_concurrency=max_concurrency,
            **to_step_fields(options),
        )

    @staticmethod
    def wait(
        name: str,
        seconds: float | dt.timedelta | None = None,
        *,
        duration_seconds: float | None = None,
        duration_path: str | None = None,
        until: dt.datetime | Callable[[WorkflowContext], dt.datetime] | None = None,
        next_step: str | None = None,
        **options: Unpack[KeywordOptions],
    ) -> WaitStep:
        """Wait for `seconds`, the number of seconds in a param (`duration_path`), or `until` an instant.

        The wake-up instant is recorded: a resumed run waits for the remaining time.  Continues with `next_step`, by
        default the following one.  Output: `waited_seconds`, or `waited_until` for an instant.  Dry runs do not wait.
        """
        fixed = duration_seconds if seconds is None else seconds
        if isinstance(fixed, dt.timedelta):
            fixed = fixed.total_seconds()
        return WaitStep(
            name=name,
            duration_seconds=fixed,
            duration_path=duration_path,
            until=until,
            next_step=next_step,
            **to_step_fields(options),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LambdaStep(Step):
    """A step that calls a function."""

    step_type = StepType.LAMBDA
    takes_async = True

    handler: Handler
    quality_thresholds: QualityThresholds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.handler) or not accepts_arguments(self.handler, 2):
            raise self._invalid_error(f"handler {self.handler!r}", "give a function (context, config)")
        if self.quality_thresholds is not None and not isinstance(self.quality_thresholds, QualityThresholds):
            raise self._invalid_error(f"quality_thresholds={self.quality_thresholds!r}", "give QualityThresholds(...)")

    @property
    def function(self) -> Callable[..., Any]:
        return self.handler

    @property
    def is_async(self) -> bool:
        """True if the handler must be awaited."""
        called = getattr(type(self.handler), "__call__")  # noqa: B004, B009 - of a callable object
        return inspect.iscoroutinefunction(self.handler) or inspect.iscoroutinefunction(called)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunPipelineStep(Step):
    """A step that runs a pipeline; a step of a pipeline group is a `PipelineStep`."""

    step_type = StepType.PIPELINE
    has_children = True
    takes_async = True

    source: Any
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set_field("params", copy_config(self.params or {}))
        named = isinstance(self.source, str) and bool(self.source)
        if not named and (isinstance(self.source, str) or not (callable(self.source) or _is_runnable(self.source))):
            raise self._invalid_error(
                f"pipeline {self.source!r}", "give a name, a function, a class with run() or a Workflow"
            )

    @property
    def function(self) -> Callable[..., Any] | None:
        return self.source if callable(self.source) else None

    @property
    def pipeline_name(self) -> str:
        """The registered name of the pipeline, or its own name."""
        if isinstance(self.source, str):
            return self.source
        return str(getattr(self.source, "name", None) or getattr(self.source, "__name__", type(self.source).__name__))


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceStep(Step):
    """A step that chooses the next one."""

    step_type = StepType.CHOICE

    condition: Condition
    then_step: str
    else_step: str | None = None
    join: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.condition) or not accepts_arguments(self.condition, 1):
            raise self._invalid_error(f"condition {self.condition!r}", "give a function of the context")

    @property
    def function(self) -> Callable[..., Any]:
        return self.condition

    def check_targets(self, targets: JumpTargets) -> None:
        then = targets.index_after(self.name, "then_step", self.then_step)
        other = None if self.else_step is None else targets.index_after(self.name, "else_step", self.else_step)
        last = then if other is None else max(then, other)
        if self.join is not None and targets.index_after(self.name, "join", self.join) < last:
            raise WorkflowError(
                f"choice step {self.name!r}: join {self.join!r} comes before {targets.name(last)!r}",
                hint="join names the step after both branches",
            )
        if self.join is None and other is not None and other != then:
            first, second = targets.name(min(then, other)), targets.name(max(then, other))
            warnings.warn(
                f"choice step {self.name!r}: the branch that begins with {first!r} runs on into "
                f"{second!r}; say join= with the step where both branches meet (join={second!r} if this is meant)",
                FallThroughWarning,
                stacklevel=4,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class MapStep(Step):
    """A step that runs a workflow for each item."""

    step_type = StepType.MAP
    has_children = True

    iterator_workflow: BaseWorkflow[Step]
    items: Iterable[Any] | Callable[[WorkflowContext], Iterable[Any]] | None = None
    items_path: str | None = None
    item_param: str = "item"
    max_concurrency: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.items is not None and not callable(self.items):
            if isinstance(self.items, (str, bytes, Mapping)) or not isinstance(self.items, Iterable):
                raise self._invalid_error(f"items={self.items!r}", "give a list, or a function of the context")
            self._set_field("items", copy_containers(list(self.items)))
        if not isinstance(self.item_param, str) or not self.item_param:
            raise self._invalid_error(f"item_param={self.item_param!r}", "the name of the param that holds the item")
        if type(self.max_concurrency) is not int or self.max_concurrency < 1:
            raise self._invalid_error(f"max_concurrency={self.max_concurrency!r}", "an integer of 1 or more")

    @property
    def function(self) -> Callable[..., Any] | None:
        return self.items if callable(self.items) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class WaitStep(Step):
    """A step that waits."""

    step_type = StepType.WAIT

    duration_seconds: float | None = None
    duration_path: str | None = None
    until: dt.datetime | Callable[[WorkflowContext], dt.datetime] | None = None
    next_step: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [x for x in (self.duration_seconds, self.duration_path, self.until) if x is not None]
        if len(given) != 1:
            raise WorkflowError(
                f"wait step {self.name!r} says once how long, not {len(given)} times",
                hint="give seconds=, duration_path= or until=",
            )
        if self.duration_seconds is not None:
            what = f"seconds= of wait step {self.name!r}"
            validation.check_seconds(what, self.duration_seconds, positive=False, error_class=WorkflowError)
        if isinstance(self.until, dt.datetime) and self.until.tzinfo is None:
            self._set_field("until", self.until.astimezone())

    @property
    def function(self) -> Callable[..., Any] | None:
        return self.until if callable(self.until) else None

    def check_targets(self, targets: JumpTargets) -> None:
        if self.next_step is not None:
            targets.index_after(self.name, "next_step", self.next_step)


def _exactly_one(step: str, name: str, value: Any, other_name: str, other_value: Any) -> Any:
    if (value is None) == (other_value is None):
        raise WorkflowError(f"choice step {step!r} needs {name} (or {other_name}), once")
    return other_value if value is None else value


def _to_iterator_workflow(name: str, source: Any) -> BaseWorkflow[Step]:
    if isinstance(source, Step):
        return BaseWorkflow(steps=[source])
    if not isinstance(source, BaseWorkflow):
        raise WorkflowError(f"map step {name!r} runs a Workflow or a Step for each item, not {source!r}")
    return source


def _is_runnable(thing: Any) -> bool:
    return callable(getattr(thing, "run", None)) or callable(getattr(thing, "program", None))
