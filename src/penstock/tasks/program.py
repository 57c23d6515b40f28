"""A workflow of tasks as the engine runs it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.model.errors import TaskReturnError
from penstock.model.plan import Plan
from penstock.model.ports import Style
from penstock.model.retry import NodePolicy
from penstock.tasks.board import INPUT, TaskStyle
from penstock.tasks.context import MAX_CONTEXT_BYTES, Context
from penstock.tasks.definition import Task
from penstock.tasks.patch import Patch
from penstock.tasks.view import View

if TYPE_CHECKING:
    from penstock.tasks.workflow import Workflow


@dataclass(slots=True)
class TaskPerformance:
    """What a body gave."""

    values: tuple[Patch, ...]
    decision: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


class TaskProgram:
    """The program of a workflow: its plan, and how to perform its tasks.

    `max_context_bytes` limits what a context may hold; a runner may change it.
    """

    style: Style = TaskStyle()

    def __init__(self, workflow: Workflow, plan: Plan | None = None) -> None:
        self.workflow = workflow
        self.plan: Plan = workflow.plan if plan is None else plan
        self.code = workflow.code
        self.max_context_bytes = MAX_CONTEXT_BYTES
        self._tasks: tuple[Task, ...] = workflow.tasks

    def start(self, inputs: Any) -> dict[str, Any]:
        """The initial context as a cell.  Accepts a Context, a mapping or None.  Raises EncodingError."""
        context = Context(inputs, max_bytes=self.max_context_bytes)
        return {INPUT: Patch(context.stored())}

    def policy(self, node: int) -> NodePolicy:
        """Retries and time-out of a task."""
        return self._tasks[node].policy

    def is_async(self, node: int) -> bool:
        """Whether the body is to be awaited."""
        return self._tasks[node].is_async

    def perform(self, node: int, view: View, control: Any) -> TaskPerformance:
        """Call the body with a context of its own.  What it raises comes out.

        Raises TaskReturnError, EncodingError and ContextTooLarge for what it leaves behind.
        """
        task = self._tasks[node]
        context = self._context(view)
        given = task.function(context, control) if task.takes_handle else task.function(context)
        return self._finish(task, view, context, given)

    async def perform_async(self, node: int, view: View, control: Any) -> TaskPerformance:
        """Like `perform`, for a body that is awaited."""
        task = self._tasks[node]
        context = self._context(view)
        given = task.function(context, control) if task.takes_handle else task.function(context)
        if inspect.isawaitable(given):
            given = await given
        return self._finish(task, view, context, given)

    def failed(self, node: int, view: View, error: str) -> tuple[str, ...]:
        """Tell the task's observer of a failed attempt; returns what the observer itself raised."""
        task = self._tasks[node]
        if task.on_failure is None:
            return ()
        try:
            task.on_failure(task.id, error, self._context(view))
        except Exception as mishap:  # noqa: BLE001 - an observer never fails the run
            return (_note("on_failure", task, mishap),)
        return ()

    def _context(self, view: View) -> Context:
        return Context.over(view, max_bytes=self.max_context_bytes)

    def _finish(self, task: Task, view: View, context: Context, given: Any) -> TaskPerformance:
        if given is None or given is context:
            changed, removed = context.delta()
        elif isinstance(given, Context):
            changed, removed = context.replaced_by(given)
        elif isinstance(given, dict):
            context.update_from_dict(given)
            changed, removed = context.delta()
        else:
            if inspect.iscoroutine(given):
                given.close()  # nobody will await it
            raise TaskReturnError(
                f"task {task.id!r} returned {_described(given)}",
                hint="return the context, None (what was changed in it is kept) or a dict (merged into it)",
            )
        patch = Patch(changed, tuple(removed))
        if task.on_success is None:
            return TaskPerformance((patch,))
        observed = self._context(view)
        observed.apply(changed, removed)
        try:
            task.on_success(task.id, observed)
        except Exception as mishap:  # noqa: BLE001 - an observer never fails the run
            return TaskPerformance((patch,), notes=(_note("on_success", task, mishap),))
        return TaskPerformance((patch,))


def _described(given: Any) -> str:
    if inspect.isawaitable(given):
        return "something to await from a body that is not `async def`"
    return f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")


def _note(observer: str, task: Task, error: Exception) -> str:
    return f"{observer} of {task.id!r} raised {type(error).__name__}: {error}"
