"""Fields and checks common to all kinds of steps."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from holdwater.errors import InvalidArgument, WorkflowError
from holdwater.model import validation
from holdwater.model.limits import check_limit_name
from holdwater.model.policies import RetryPolicy
from holdwater.steps.jump_targets import JumpTargets
from holdwater.steps.step_config import copy_config

S = TypeVar("S", bound="BaseStep")


class StepType(StrEnum):
    """The kinds of steps."""

    LAMBDA = "lambda"
    PIPELINE = "pipeline"
    CHOICE = "choice"
    MAP = "map"
    WAIT = "wait"


class ErrorPolicy(StrEnum):
    """Effect of a failed step.  STOP: the run fails.  CONTINUE: the next step runs.  RETRY: retry, then STOP."""

    STOP = "stop"
    CONTINUE = "continue"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseStep:
    """A step of any kind, as data; `Step` documents the fields.  Raises WorkflowError for an invalid step."""

    step_type: ClassVar[StepType]
    has_children: ClassVar[bool] = False
    """True if steps of this class can have child runs"""
    takes_async: ClassVar[bool] = False
    """True if its function may be `async def`"""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    on_error: ErrorPolicy | str = ErrorPolicy.STOP
    retry_policy: RetryPolicy | None = None
    timeout: float | None = None
    limit: str | None = None
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
        if self.limit is not None:
            try:
                check_limit_name(self.limit)
            except InvalidArgument as error:
                raise self._invalid_error(f"limit={self.limit!r}", error.hint) from error
        if not self.takes_async and inspect.iscoroutinefunction(self.function):
            raise self._invalid_error(
                f"the async function {self.function!r}", "only handlers and pipelines are awaited"
            )
        for name, seconds in (("timeout", self.timeout), ('config["timeout"]', self.config.get("timeout"))):
            if seconds is not None:
                validation.check_seconds(f"{name} of step {self.name!r}", seconds, error_class=WorkflowError)

    @property
    def timeout_seconds(self) -> float | None:
        """Time limit of an attempt, seconds; None if the step has none."""
        seconds = self.config.get("timeout", self.timeout)
        return None if seconds is None else float(seconds)

    @property
    def function(self) -> Callable[..., Any] | None:
        """The user's function it calls; None if there is none."""
        return None

    def check_targets(self, targets: JumpTargets) -> None:
        """Check the jumps of the step within a workflow.  Raises WorkflowError."""

    def with_own_config(self: S) -> S:
        """Return the step for one attempt, with a copy of its configuration, which middleware may change."""
        if not self.config:
            return self
        own = copy.copy(self)
        own._set_field("config", copy_config(self.config))
        return own

    def _set_field(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _invalid_error(self, subject: str, hint: str) -> WorkflowError:
        return WorkflowError(f"step {self.name!r}: {subject} cannot be used", hint=hint)
