"""A declared task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from holdwater.model.error_report import ErrorText
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.definition import TaskControl
from holdwater.model.resources import Resources
from holdwater.tasks.context import Context
from holdwater.tasks.task_map import TaskMap
from holdwater.tasks.trigger_rules import Condition


class TaskHandleProtocol(TaskControl, Protocol):
    """The handle passed to a task function with a second parameter `handle`; implemented by the runner."""

    def defer_until(self, condition: Callable[[], Any], poll_interval_ms: int = 1000) -> None:
        """Release the slot until the condition returns true, checked every `poll_interval_ms`."""
        ...

    def is_slot_held(self) -> bool:
        """Return True if this task occupies a slot of the limit of concurrent tasks now."""
        ...


_ONE_ATTEMPT: Final = NodePolicy()

OnSuccess = Callable[[str, Context], Any]
OnFailure = Callable[[str, ErrorText, Context], Any]


OnError = Literal["fail", "handled"]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A task: function, dependencies, rule and policy.

    `dependencies`: ids, full names or functions, as declared.  `rule`: None runs it when every dependency has
    succeeded or was skipped by a rule of its own.  `executor`: name of the executor; None: the runner's routing
    decides.  `invoking_function`: the function wrapped with a child run (`invokes`), called in its place.
    `on_error`: "fail", a final failure fails the run, or "handled", the rule of another task reacts to it.
    `resources`: what the function asks of an executor that places work by resources.  `task_map`: the list it is
    mapped over; None: it is called once.
    """

    id: str
    function: Callable[..., Any]
    dependencies: tuple[Any, ...] = ()
    rule: Condition | None = None
    policy: NodePolicy = _ONE_ATTEMPT
    on_success: OnSuccess | None = None
    on_failure: OnFailure | None = None
    takes_handle: bool = False
    is_async: bool = False
    executor: str | None = None
    invoking_function: Callable[[Context, Any], Any] | None = None
    on_error: OnError = "fail"
    resources: Resources = field(default_factory=dict)
    task_map: TaskMap | None = None

    def run_function(self, context: Context, handle: Any) -> Any:
        """Call the function; the return value may have to be awaited."""
        if self.invoking_function is not None:
            return self.invoking_function(context, handle)
        return self.function(context, handle) if self.takes_handle else self.function(context)
