"""`@trigger` with the original's arguments: also without a workflow, and with a cron expression."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakSet

from holdwater import tasks
from holdwater.errors import ScheduleError, WorkflowError
from holdwater.model import validation
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import registry
from holdwater.model.triggers import TriggerReturn
from holdwater.schedules import Cron
from holdwater.tasks import TaskWorkflow
from holdwater.tasks.builder import current_builder
from holdwater.tasks.definition import TaskWorkflowDefinition

F = TypeVar("F", bound=Callable[[], Any])
_BindFn = Callable[[str], None]


def trigger(
    workflow: str | TaskWorkflow | None = None,
    *,
    on: str | TaskWorkflow | None = None,
    name: str | None = None,
    poll_interval: str | int | timedelta | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    allow_concurrent: bool = False,
) -> Callable[[F], F]:
    """Start a workflow when the function returns true, as `holdwater.trigger` does, or at the times of `cron`.

    The function itself is returned unchanged.

    - `workflow`, or `on`: the workflow to start.  By default, inside a `with WorkflowBuilder(...)` block that workflow,
      otherwise the one that the function's module defines, before or after the function.
    - `poll_interval`: "5s" by default.
    - `cron`, `timezone` ("UTC" by default): a cron schedule of the trigger's name, in every database that a
      DefaultRunner of this process opens.  It replaces polling: the function is never called.

    Raises ScheduleError for `cron` together with `poll_interval`, without a workflow, or malformed; for both `workflow`
    and `on`; and for neither if the module defines several workflows.
    """
    if cron is None and timezone is not None:
        raise ScheduleError("timezone= of a trigger goes with cron=")
    if cron is not None:
        if poll_interval is not None:
            raise ScheduleError("a trigger has cron= or poll_interval=, not both")
        if workflow is None and on is None:
            raise ScheduleError("a trigger with cron= says which workflow it starts", hint="on='name of the workflow'")
        return _cron_trigger(_workflow_name(workflow, on), name, Cron(cron, timezone or "UTC"))

    def bound(to: str | TaskWorkflow | None) -> Callable[[Callable[[], TriggerReturn]], Any]:
        every = "5s" if poll_interval is None else poll_interval
        return tasks.trigger(to, on=on, name=name, poll_interval=every, allow_concurrent=allow_concurrent)

    if workflow is not None or on is not None or _inside_builder():
        return bound(workflow)
    bound("its module's")  # raises for other invalid arguments now

    def decorate(function: F) -> F:
        if not callable(function):
            bound("its module's")(function)
        known_as = str(name or getattr(function, "__name__", ""))
        _bind_to_module(function, known_as, lambda found: bound(found)(function))
        return function

    return decorate


def _workflow_name(workflow: str | TaskWorkflow | None, on: str | TaskWorkflow | None) -> str:
    if workflow is not None and on is not None:
        raise ScheduleError("say which workflow a trigger starts with `workflow` or with `on`, not both")
    wanted = on if workflow is None else workflow
    name = wanted.name if isinstance(wanted, TaskWorkflow) else wanted
    what = "the workflow a trigger starts, by its name,"
    return validation.check_text(what, name, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError)


def _inside_builder() -> bool:
    try:
        current_builder()
    except WorkflowError:
        return False
    return True


# -- workflow of the module


_pending_bindings: Final[dict[tuple[str, str], Callable[[], None]]] = {}
"""(module, name) of triggers whose module has not defined a workflow yet -> function that stops waiting for it"""


def _bind_to_module(function: Callable[..., Any], name: str, bind: _BindFn) -> None:
    """Bind the trigger to the workflow of its module, now or as soon as it is defined.  Raises ScheduleError."""
    module = getattr(inspect.unwrap(function), "__module__", "")
    found = [known for known in registry.names() if module in _task_modules(registry.find(known))]
    if len(found) > 1:
        raise ScheduleError(
            f"trigger {name!r} does not say which workflow it starts, and its module defines several: "
            f"{', '.join(map(repr, found))}",
            hint=f"@trigger(on={found[0]!r})",
        )
    if found:
        bind(found[0])
        return

    def look(known: str, program: WorkflowDefinition) -> None:
        if module in _task_modules(program) and _pending_bindings.pop((module, name), None) is not None:
            stop()
            bind(known)

    stop = registry.add_listener(look)
    before = _pending_bindings.get((module, name))
    if before is not None:  # the same name again redefines it
        before()
    _pending_bindings[module, name] = stop


def _task_modules(program: WorkflowDefinition | None) -> set[str]:
    """Return the names of the modules that define the tasks of a workflow."""
    if not isinstance(program, TaskWorkflowDefinition):
        return set()
    return {getattr(inspect.unwrap(task.function), "__module__", "") for task in program.workflow.tasks}


# -- cron schedules


class CronRunner(Protocol):
    """A runner that stores cron schedules."""

    def register_cron_workflow(
        self, workflow_name: str, cron_expression: str, timezone: str, *, name: str | None, allow_unknown: bool
    ) -> object:
        """Store a schedule."""


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """A trigger with a cron expression."""

    name: str
    workflow: str
    cron: Cron

    def register_with(self, runner: CronRunner) -> None:
        runner.register_cron_workflow(
            self.workflow, self.cron.expression, self.cron.timezone, name=self.name, allow_unknown=True
        )


_lock: Final = threading.Lock()
_cron_triggers: Final[dict[str, CronTrigger]] = {}
_runners: Final[WeakSet[CronRunner]] = WeakSet()


def _cron_trigger(workflow: str, name: str | None, cron: Cron) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        known_as = getattr(function, "__name__", "") if name is None else name
        validation.check_text(
            "the name of a trigger", known_as, max_bytes=validation.MAX_NAME_BYTES, error_class=ScheduleError
        )
        made = CronTrigger(known_as, workflow, cron)
        with _lock:
            _cron_triggers[known_as] = made
            runners = [*_runners]
        for runner in runners:
            made.register_with(runner)
        return function

    return decorate


def cron_triggers() -> list[CronTrigger]:
    """List the triggers of this process with a cron expression, by name."""
    with _lock:
        return [_cron_triggers[name] for name in sorted(_cron_triggers)]


def unbound_triggers() -> list[str]:
    """List the names of triggers that name no workflow, and whose module has defined none."""
    return sorted([name for _, name in _pending_bindings])


def attach_runner(runner: CronRunner) -> None:
    """Store the schedules of this process's cron triggers in a runner's database, and those declared from now on.

    Warns (UserWarning) of triggers whose module has not defined a workflow.
    """
    with _lock:
        _runners.add(runner)
        known = [*_cron_triggers.values()]
    for one in known:
        one.register_with(runner)
    for module, name in [*_pending_bindings]:
        warnings.warn(
            f"trigger {name!r} starts nothing yet: it names no workflow, and module {module} has defined none",
            stacklevel=3,
        )


def detach_runner(runner: CronRunner) -> None:
    """Stop storing schedules in a runner's database."""
    with _lock:
        _runners.discard(runner)


def unregister(name: str) -> None:
    """Unregister a cron trigger of this process, or one that waits for its workflow; an unknown name is ignored.

    Stored schedules stay until they are deleted.
    """
    with _lock:
        _cron_triggers.pop(name, None)
    for module, waiting in [*_pending_bindings]:
        if waiting == name:
            _pending_bindings.pop((module, name))()
