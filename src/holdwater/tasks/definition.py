"""A workflow of tasks as the engine runs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from holdwater.model.error_report import ErrorText, describe
from holdwater.model.plan import Plan
from holdwater.model.policies import NodePolicy
from holdwater.model.ports import AuthoringStyle, WorkflowDefinition
from holdwater.model.results import NodeResult
from holdwater.tasks.context import MAX_CONTEXT_BYTES, Context
from holdwater.tasks.layered_map import LayeredMap
from holdwater.tasks.patch import Patch
from holdwater.tasks.remote import PicklableTask, build_context_patch, deserialize_patch, serialize_context
from holdwater.tasks.run_data import INPUT_CELL, TaskStyle
from holdwater.tasks.task_definition import Task

if TYPE_CHECKING:
    from holdwater.tasks.namespaces import WorkflowContext


class CheckedWorkflow(Protocol):
    """What a program knows of its workflow."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def tasks(self) -> tuple[Task, ...]: ...
    @property
    def namespace(self) -> WorkflowContext: ...
    @property
    def code(self) -> str: ...
    def get_roots(self) -> list[str]: ...


class TaskWorkflowDefinition:
    """The program of a workflow: its plan, and how to perform its tasks.

    `max_context_bytes` limits what a context may hold; a runner may change it.
    """

    style: AuthoringStyle = TaskStyle()

    def __init__(self, workflow: CheckedWorkflow, plan: Plan | None = None) -> None:
        self.workflow = workflow
        self.plan: Plan = workflow.plan if plan is None else plan
        self.code = workflow.code
        self.max_context_bytes = MAX_CONTEXT_BYTES
        self._tasks: tuple[Task, ...] = workflow.tasks

    def specialize(self, inputs: Any) -> TaskWorkflowDefinition:
        """There is only this one."""
        return self

    def variant(self, description: str) -> TaskWorkflowDefinition:
        """There is only this one."""
        return self

    def select_inputs(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of it: a context takes anything."""
        return values

    def start(self, inputs: Any) -> dict[str, Any]:
        """The initial context as a cell.  Accepts a Context, a mapping or None.  Raises EncodingError."""
        context = Context(inputs, max_bytes=self.max_context_bytes)
        return {INPUT_CELL: Patch(context.stored_values())}

    def policy(self, node: int) -> NodePolicy:
        """Retries and time-out of a task."""
        return self._tasks[node].policy

    def is_async(self, node: int) -> bool:
        """Whether the body is to be awaited."""
        return self._tasks[node].is_async

    def routing_key(self, node: int) -> str:
        """`tenant::package::workflow::task`."""
        return str(self.workflow.namespace.task_namespace(self._tasks[node].id))

    def executor(self, node: int) -> str | None:
        """The executor the task asks for."""
        return self._tasks[node].executor

    def execute(self, node: int, view: LayeredMap, control: Any) -> NodeResult:
        """Call the body with a context of its own.  What it raises comes out.

        Raises TaskReturnError, EncodingError and ContextTooLarge for what it leaves behind.
        """
        task = self._tasks[node]
        context = self._make_context(view)
        given = task.run_function(context, control)
        return self._notify_success(task, view, build_context_patch(task, context, given))

    async def execute_async(self, node: int, view: LayeredMap, control: Any) -> NodeResult:
        """Like `perform`, for a body that is awaited."""
        task = self._tasks[node]
        context = self._make_context(view)
        given = task.run_function(context, control)
        if inspect.isawaitable(given):
            given = await given
        return self._notify_success(task, view, build_context_patch(task, context, given))

    def body(self, node: int) -> PicklableTask:
        """The body alone, to be pickled."""
        return PicklableTask.from_task(self._tasks[node], self.max_context_bytes)

    def serialize_inputs(self, node: int, view: LayeredMap) -> tuple[bytes, list[Any]]:
        """What the body will see, as bytes, and the classes and registered types of it."""
        return serialize_context(view)

    def deserialize_result(self, node: int, view: LayeredMap, answer: bytes) -> NodeResult:
        """What `PicklableTask.perform` gave, with the observer told of it.  Raises DecodingError."""
        return self._notify_success(self._tasks[node], view, deserialize_patch(answer))

    def children(self) -> Mapping[int, WorkflowDefinition]:
        """None: a task starts its child runs itself."""
        return {}

    def answer(self, node: int, value: Any) -> tuple[Patch, ...]:
        """Tasks ask nothing."""
        return self.style.answer(1, value)

    def accepted(self, node: int, cells: tuple[Patch, ...]) -> tuple[Patch, ...]:
        """As they are."""
        return cells

    def on_failure(self, node: int, view: LayeredMap, error: ErrorText) -> tuple[str, ...]:
        """Tell the task's observer of a failed attempt; returns what the observer itself raised."""
        task = self._tasks[node]
        observer = task.on_failure
        if observer is None:
            return ()
        return _call_observer("on_failure", task, lambda: observer(task.id, error, self._make_context(view)))

    def _make_context(self, view: LayeredMap) -> Context:
        return Context.from_view(view, max_bytes=self.max_context_bytes)

    def _notify_success(self, task: Task, view: LayeredMap, patch: Patch) -> NodeResult:
        observer = task.on_success
        if observer is None:
            return NodeResult((patch,))
        observed = self._make_context(view)
        observed.apply_delta(patch.set, patch.removed)
        notes = _call_observer("on_success", task, lambda: observer(task.id, observed))
        return NodeResult((patch,), notes=notes)


def _call_observer(observer: str, task: Task, call: Callable[[], object]) -> tuple[str, ...]:
    """Call an observer, which never fails the run; what it raised, SystemExit too, is a note of the attempt."""
    try:
        call()
    except BaseException as mishap:  # noqa: BLE001 - it is told in the note
        return (f"{observer} of {task.id!r} raised {describe(mishap)}",)
    return ()
