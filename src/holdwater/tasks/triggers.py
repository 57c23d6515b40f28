"""`@trigger`: a function that is polled and decides if a workflow runs (a sensor)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from holdwater.errors import ScheduleError, WorkflowError
from holdwater.model import validation
from holdwater.model.triggers import Trigger, TriggerReturn, triggers
from holdwater.schedules import parse_duration_us
from holdwater.tasks.builder import current_builder
from holdwater.tasks.workflow import TaskWorkflow

F = TypeVar("F", bound=Callable[[], TriggerReturn])


def trigger(
    workflow: str | TaskWorkflow | None = None,
    *,
    on: str | TaskWorkflow | None = None,
    name: str | None = None,
    poll_interval: str | int | timedelta = "5s",
    allow_concurrent: bool = False,
) -> Callable[[F], F]:
    """Call the decorated function every `poll_interval` to decide if `workflow` runs; it is returned unchanged.

    It takes no arguments, may be `async def`, and returns `TriggerResult.skip()` or `TriggerResult.fire(context)`.  Of
    the runners of a database that have registered it, one calls it each time.  `trigger_name` and `triggered_at` are
    added to the context.

    - `workflow`, or `on`: the workflow to run; by default that of the enclosing `with WorkflowBuilder(...)` block.
    - `name`: by default the function's; registering the same name again replaces it.
    - `poll_interval`: "500ms", "5s", "2m", "1h", a number of seconds or a timedelta.
    - `allow_concurrent`: fire although an unfinished run of this trigger started with the same context.

    Raises ScheduleError, WorkflowError.
    """
    if workflow is not None and on is not None:
        raise ScheduleError("say which workflow a trigger starts with `workflow` or with `on`, not both")
    wanted: Any = on if workflow is None else workflow
    if callable(wanted) and not isinstance(wanted, TaskWorkflow):
        raise ScheduleError("@trigger has no workflow to start", hint='write @trigger("name of the workflow")')
    if wanted is None:
        try:
            wanted = current_builder().namespace.workflow_id
        except WorkflowError:
            raise ScheduleError(
                "a trigger says which workflow it starts", hint='write @trigger("name of the workflow")'
            ) from None
    target = wanted.name if isinstance(wanted, TaskWorkflow) else wanted
    what = "the workflow a trigger starts, by its name,"
    validation.check_text(what, target, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError)
    every = parse_duration_us(poll_interval)

    def decorate(function: F) -> F:
        known_as = getattr(function, "__name__", "") if name is None else name
        if not callable(function):
            raise ScheduleError(f"a trigger is a function with a name, not {validation.shorten_repr(function)}")
        validation.check_text(
            "the name of a trigger", known_as, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
        )
        triggers.register(Trigger(known_as, target, every, bool(allow_concurrent), function))
        return function

    return decorate
