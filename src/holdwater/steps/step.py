"""Steps: what a workflow is made of, as data."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

from holdwater.errors import WorkflowError
from holdwater.model import validation
from holdwater.model.policies import RetryPolicy
from holdwater.model.signatures import signature_of
from holdwater.steps.quality import QualityThresholds
from holdwater.steps.step_config import copy_config, copy_containers

if TYPE_CHECKING:
    from holdwater.steps.context import WorkflowContext
    from holdwater.steps.workflow import Workflow


class StepType(StrEnum):
    """The kinds of steps."""

    LAMBDA = "lambda"
    PIPELINE = "pipeline"
    CHOICE = "choice"
    MAP = "map"
    WAIT = "wait"


class ErrorPolicy(StrEnum):
    """What a failed step means.  STOP: the run fails.  CONTINUE: the next step runs.  RETRY: try again, then STOP."""

    STOP = "stop"
    CONTINUE = "continue"
    RETRY = "retry"


class StepOptions(TypedDict, total=False):
    """What every kind of step takes besides."""

    timeout: float | None
    description: str
    checkpoint: bool


class KeywordOptions(StepOptions, total=False):
    """What the kinds of steps take by keyword alone."""

    config: Mapping[str, Any] | None
    on_error: ErrorPolicy | str
    retry: RetryPolicy | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What all steps have.  Made by `lambda_`, `pipeline`, `choice`, `map` and `wait`.  Raises WorkflowError.

    `config`: for the handler and for middleware; its containers are copied here and for each attempt, other objects in
    it are shared.  `config["timeout"]`, or `timeout`, limits an attempt to so many seconds.  `retry_policy` holds under
    any `on_error`, which decides when its attempts are used up.  `checkpoint` marks the step for runners that do not
    make a checkpoint after every one.
    """

    step_type: ClassVar[StepType]

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    on_error: ErrorPolicy | str = ErrorPolicy.STOP
    retry_policy: RetryPolicy | None = None
    timeout: float | None = None
    description: str = ""
    checkpoint: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise WorkflowError(f"a step has a name, a string that is not empty, not {self.name!r}")
        if self.name.startswith("*") or "/" in self.name or not self.name.isprintable():
            raise WorkflowError(
                f"step name {self.name!r} cannot be used", hint="without a leading '*', without '/' and line breaks"
            )
        self._set_field("config", copy_config(self.config or {}))
        try:
            self._set_field("on_error", ErrorPolicy(self.on_error))
        except ValueError:
            raise self._invalid_error(f"on_error={self.on_error!r}", "one of stop, continue, retry") from None
        if self.retry_policy is not None and not isinstance(self.retry_policy, RetryPolicy):
            raise self._invalid_error(f"retry={self.retry_policy!r}", "give a RetryPolicy")
        if not isinstance(self, LambdaStep | RunPipelineStep) and inspect.iscoroutinefunction(self.function):
            raise self._invalid_error(
                f"the async function {self.function!r}", "only handlers and pipelines are awaited"
            )
        for name, seconds in (("timeout", self.timeout), ('config["timeout"]', self.config.get("timeout"))):
            if seconds is not None:
                validation.check_seconds(f"{name} of step {self.name!r}", seconds, error=WorkflowError)

    @property
    def timeout_s(self) -> float | None:
        """Seconds an attempt may take; None if the step does not say."""
        seconds = self.config.get("timeout", self.timeout)
        return None if seconds is None else float(seconds)

    @property
    def function(self) -> Callable[..., Any] | None:
        """The code of the user it calls, if it calls any."""
        return None

    def _set_field(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _invalid_error(self, subject: str, hint: str) -> WorkflowError:
        return WorkflowError(f"step {self.name!r}: {subject} cannot be used", hint=hint)

    # -- how steps are made

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

        It returns a StepResult, a dict (the output) or None; what it raises fails the step.  Metrics below the
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

        It gets the params of the context with `params` over them.  Output: its metrics, and `pipeline_result` with
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
        """Jump to `then_step` if `condition(context)` is true, else to `else_step`; both stand further down.

        From there on every step runs, also those of the other branch.  With `join` that branch is skipped, up to the
        step called so.  Without an `else_step` a false condition skips `then_step` (with `join`: all up to it).
        `when`, `then` and `otherwise` are other words for the first three.  Output: `condition_result`, `branch`.
        """
        return ChoiceStep(
            name=name,
            condition=_exactly_one(name, "condition", condition, "when", when),
            then_step=_exactly_one(name, "then_step", then_step, "then", then),
            else_step=else_step if otherwise is None else otherwise,
            join=join,
            **_to_step_fields(options),
        )

    @staticmethod
    def map(
        name: str,
        items: Iterable[Any] | Callable[[WorkflowContext], Iterable[Any]] | None = None,
        *,
        items_path: str | None = None,
        items_from: Callable[[WorkflowContext], Iterable[Any]] | None = None,
        iterator: Workflow | None = None,
        iterator_workflow: Workflow | None = None,
        step: Step | None = None,
        item_param: str = "item",
        max_concurrency: int = 10,
        **options: Unpack[KeywordOptions],
    ) -> MapStep:
        """Run a workflow (`iterator`), or one `step`, for each item: as child runs, `max_concurrency` at a time.

        Items: a list, a function of the context (`items` or `items_from`), or `items_path`, a dotted path into the
        params, then into the outputs (`"step.key"`).  A child has the params of the context, without the list itself
        where the path names a param, and with `item_param` and `__map_index__`.

        Output: `results` in the order of the items, each what the last completed step of the child has put out (None
        where it failed or never ran), `item_count`, `completed`, `failed`, and `errors`, a list of `index` and
        `error`.  Under STOP a failed item keeps others from starting and fails the step; under CONTINUE all run.
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
            **_to_step_fields(options),
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
        """Let time pass: so many seconds, as many as a param says (`duration_path`), or `until` an instant.

        The instant of waking up is recorded: who resumes the run waits for what is left.  Then `next_step`, or the
        next one.  Output: `waited_seconds`, or `waited_until` for an instant.  A dry run does not wait.
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
            **_to_step_fields(options),
        )


def copy_with_own_config(step: Step) -> Step:
    """The step for one attempt: what code around it writes into its configuration is seen there only."""
    if not step.config:
        return step
    own = copy.copy(step)
    own._set_field("config", copy_config(step.config))
    return own


Handler = Callable[["WorkflowContext", dict[str, Any]], Any]
Condition = Callable[["WorkflowContext"], Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class LambdaStep(Step):
    """Calls a function."""

    step_type = StepType.LAMBDA

    handler: Handler
    quality_thresholds: QualityThresholds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.handler) or not _accepts_arguments(self.handler, 2):
            raise self._invalid_error(f"handler {self.handler!r}", "give a function (context, config)")
        if self.quality_thresholds is not None and not isinstance(self.quality_thresholds, QualityThresholds):
            raise self._invalid_error(f"quality_thresholds={self.quality_thresholds!r}", "give QualityThresholds(...)")

    @property
    def function(self) -> Callable[..., Any]:
        return self.handler

    @property
    def is_async(self) -> bool:
        """Whether the handler is to be awaited."""
        called = getattr(type(self.handler), "__call__")  # noqa: B004, B009 - objects with one
        return inspect.iscoroutinefunction(self.handler) or inspect.iscoroutinefunction(called)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunPipelineStep(Step):
    """Runs a pipeline.  (`PipelineStep` is a step of a pipeline group.)"""

    step_type = StepType.PIPELINE

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
        """The name it is registered under, or its own."""
        if isinstance(self.source, str):
            return self.source
        return str(getattr(self.source, "name", None) or getattr(self.source, "__name__", type(self.source).__name__))


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceStep(Step):
    """Decides where to go on."""

    step_type = StepType.CHOICE

    condition: Condition
    then_step: str
    else_step: str | None = None
    join: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.condition) or not _accepts_arguments(self.condition, 1):
            raise self._invalid_error(f"condition {self.condition!r}", "give a function of the context")

    @property
    def function(self) -> Callable[..., Any]:
        return self.condition


@dataclass(frozen=True, kw_only=True, eq=False)
class MapStep(Step):
    """Runs a workflow for each of several items."""

    step_type = StepType.MAP

    iterator_workflow: Workflow
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
    """Lets time pass."""

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
            validation.check_seconds(what, self.duration_seconds, positive=False, error=WorkflowError)
        if isinstance(self.until, dt.datetime) and self.until.tzinfo is None:
            self._set_field("until", self.until.astimezone())

    @property
    def function(self) -> Callable[..., Any] | None:
        return self.until if callable(self.until) else None


def _to_step_fields(options: KeywordOptions) -> dict[str, Any]:
    given: dict[str, Any] = dict(options)
    if "retry" in given:
        given["retry_policy"] = given.pop("retry")
    return given


def _exactly_one(step: str, name: str, value: Any, other_name: str, other_value: Any) -> Any:
    if (value is None) == (other_value is None):
        raise WorkflowError(f"choice step {step!r} needs {name} (or {other_name}), once")
    return other_value if value is None else value


def _to_iterator_workflow(name: str, source: Any) -> Workflow:
    from holdwater.steps.workflow import Workflow

    if isinstance(source, Step):
        return Workflow(steps=[source])
    if not isinstance(source, Workflow):
        raise WorkflowError(f"map step {name!r} runs a Workflow or a Step for each item, not {source!r}")
    return source


def _is_runnable(thing: Any) -> bool:
    return callable(getattr(thing, "run", None)) or callable(getattr(thing, "program", None))


def _accepts_arguments(function: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many arguments; what has no signature is taken at its word."""
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
