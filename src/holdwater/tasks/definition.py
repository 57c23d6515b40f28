"""A workflow of tasks as the engine runs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdwater.model.error_report import ErrorText, describe
from holdwater.model.fanout import Spread
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports import Program, Style
from holdwater.tasks.context import MAX_CONTEXT_BYTES, Context
from holdwater.tasks.layered_map import View
from holdwater.tasks.patch import Patch
from holdwater.tasks.remote import TaskBody, left_behind, receive, send
from holdwater.tasks.run_data import INPUT, TaskStyle
from holdwater.tasks.task_definition import Task

if TYPE_CHECKING:
    from holdwater.tasks.workflow import Workflow


@dataclass(slots=True)
class TaskPerformance:
    """What a body gave."""

    values: tuple[Patch, ...]
    decision: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    question: Any = None
    spread: Spread | None = None
    wait_until: int | None = None


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

    def chosen(self, inputs: Any) -> TaskProgram:
        """There is only this one."""
        return self

    def variant(self, description: str) -> TaskProgram:
        """There is only this one."""
        return self

    def inputs_among(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of it: a context takes anything."""
        return values

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

    def full_name(self, node: int) -> str:
        """`tenant::package::workflow::task`."""
        return str(self.workflow.where.task_namespace(self._tasks[node].id))

    def executor(self, node: int) -> str | None:
        """The executor the task asks for."""
        return self._tasks[node].executor

    def perform(self, node: int, view: View, control: Any) -> TaskPerformance:
        """Call the body with a context of its own.  What it raises comes out.

        Raises TaskReturnError, EncodingError and ContextTooLarge for what it leaves behind.
        """
        task = self._tasks[node]
        context = self._context(view)
        given = task.call(context, control)
        return self._observed(task, view, left_behind(task, context, given))

    async def perform_async(self, node: int, view: View, control: Any) -> TaskPerformance:
        """Like `perform`, for a body that is awaited."""
        task = self._tasks[node]
        context = self._context(view)
        given = task.call(context, control)
        if inspect.isawaitable(given):
            given = await given
        return self._observed(task, view, left_behind(task, context, given))

    def body(self, node: int) -> TaskBody:
        """The body alone, to be pickled."""
        return TaskBody.of(self._tasks[node], self.max_context_bytes)

    def send(self, node: int, view: View) -> tuple[bytes, list[Any]]:
        """What the body will see, as bytes, and the classes and registered types of it."""
        return send(view)

    def receive(self, node: int, view: View, answer: bytes) -> TaskPerformance:
        """What `TaskBody.perform` gave, with the observer told of it.  Raises DecodingError."""
        return self._observed(self._tasks[node], view, receive(answer))

    def children(self) -> Mapping[int, Program]:
        """None: a task starts its child runs itself."""
        return {}

    def answer(self, node: int, value: Any) -> tuple[Patch, ...]:
        """Tasks ask nothing."""
        return self.style.answer(1, value)

    def accepted(self, node: int, cells: tuple[Patch, ...]) -> tuple[Patch, ...]:
        """As they are."""
        return cells

    def failed(self, node: int, view: View, error: ErrorText) -> tuple[str, ...]:
        """Tell the task's observer of a failed attempt; returns what the observer itself raised."""
        task = self._tasks[node]
        observer = task.on_failure
        if observer is None:
            return ()
        return _called("on_failure", task, lambda: observer(task.id, error, self._context(view)))

    def _context(self, view: View) -> Context:
        return Context.over(view, max_bytes=self.max_context_bytes)

    def _observed(self, task: Task, view: View, patch: Patch) -> TaskPerformance:
        observer = task.on_success
        if observer is None:
            return TaskPerformance((patch,))
        observed = self._context(view)
        observed.apply(patch.set, patch.removed)
        notes = _called("on_success", task, lambda: observer(task.id, observed))
        return TaskPerformance((patch,), notes=notes)


def _called(observer: str, task: Task, call: Callable[[], object]) -> tuple[str, ...]:
    """Call an observer, which never fails the run; what it raised, SystemExit too, is a note of the attempt."""
    try:
        call()
    except BaseException as mishap:  # noqa: BLE001 - it is told in the note
        return (f"{observer} of {task.id!r} raised {describe(mishap)}",)
    return ()
