"""The definition of a task workflow as the engine runs it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from holdwater.model.base_definition import BaseDefinition
from holdwater.model.error_report import ErrorText, describe_error
from holdwater.model.input_declaration import InputDeclaration
from holdwater.model.input_requests import convert_or_mark
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.definition import AuthoringStyle, WorkflowDefinition
from holdwater.model.resources import Resources
from holdwater.model.results import NodeResult
from holdwater.model.rules import UPSTREAM_FAILED
from holdwater.model.workflow_description import ANY_OBJECT, WorkflowDescription
from holdwater.tasks.context import MAX_CONTEXT_BYTES, Context
from holdwater.tasks.layered_map import LayeredMap
from holdwater.tasks.patch import Patch
from holdwater.tasks.remote import PicklableTask, build_context_patch, check_patch
from holdwater.tasks.run_data import INPUT_CELL, TaskStyle
from holdwater.tasks.task_definition import Task
from holdwater.tasks.task_map import FinishedItems, ItemFunction, ItemWorkflow, TaskMap, collect_items, request_items

if TYPE_CHECKING:
    from holdwater.tasks.namespaces import WorkflowNamespace

_ONE_ATTEMPT: Final = NodePolicy()
DEFAULT_EXECUTOR: Final = "default"
"""the one that every runner has, in its own process"""


class CheckedWorkflow(Protocol):
    """The part of a workflow that its definition uses."""

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
    def namespace(self) -> WorkflowNamespace: ...
    @property
    def code(self) -> str: ...
    @property
    def inputs(self) -> InputDeclaration | None: ...
    def get_roots(self) -> list[str]: ...


class TaskWorkflowDefinition(BaseDefinition):
    """The plan of a workflow, and the execution of its tasks.

    `max_context_bytes`: limit of a context; a runner may change it.
    """

    style: AuthoringStyle = TaskStyle()

    def __init__(self, workflow: CheckedWorkflow, plan: Plan | None = None) -> None:
        self.workflow = workflow
        self.plan: Plan = workflow.plan if plan is None else plan
        self.code_fingerprint = workflow.code
        self.max_context_bytes = MAX_CONTEXT_BYTES
        self._tasks: tuple[Task, ...] = workflow.tasks

    def encode_inputs(self, inputs: Any) -> dict[str, Any]:
        """Build the initial cells.  `inputs`: a Context, a mapping or None.

        Raises EncodingError, ContextTooLarge, MissingInputError for a declared input that is not given.
        """
        context = Context(inputs, max_bytes=self.max_context_bytes)
        declared = self.workflow.inputs
        if declared is None:
            return {INPUT_CELL: Patch(context.stored_values())}
        declared.check_given(context.keys(), self.plan.name)
        return {INPUT_CELL: Patch({**declared.defaults, **context.stored_values()})}

    def validate_inputs(self, cells: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Convert declared inputs that were given as JSON by a process without this code; invalid ones are marked."""
        declared = self.workflow.inputs
        if declared is None:
            return cells
        return self.style.replace_inputs(
            cells, lambda name, value: convert_or_mark(value, partial(declared.convert, name), strict=strict)
        )

    def describe(self) -> WorkflowDescription:
        """Describe the workflow; a context may have keys that are not declared."""
        workflow = self.workflow
        return WorkflowDescription(
            workflow.description,
            tuple([f"{key}={value}" for key, value in workflow.tags.items()]),
            tuple([task.function for task in self._tasks]),
            dict(ANY_OBJECT) if workflow.inputs is None else workflow.inputs.schema(),
            {} if workflow.inputs is None else workflow.inputs.defaults,
            observed_nodes=frozenset([i for i, task in enumerate(self._tasks) if task.on_failure is not None]),
        )

    def policy(self, node: int) -> NodePolicy:
        """Return retries and time-out of a task; those of a mapped one are of its items."""
        task = self._tasks[node]
        return task.policy if task.task_map is None else _ONE_ATTEMPT

    @cached_property
    def node_limits(self) -> Mapping[int, str]:
        """Return the names of the limits of tasks; that of a mapped one is of its items."""
        limits = {i: task.policy.limit for i, task in enumerate(self._tasks) if task.task_map is None}
        return {i: name for i, name in limits.items() if name is not None}

    def is_async(self, node: int) -> bool:
        """Return True if the task function must be awaited; that of a mapped one is, in the runs of its items."""
        task = self._tasks[node]
        return task.is_async and task.task_map is None

    def routing_key(self, node: int) -> str:
        """Return the full name of a task, `tenant::package::workflow::task`."""
        return str(self.workflow.namespace.task_namespace(self._tasks[node].id))

    def executor_name(self, node: int) -> str | None:
        """Return the name of the executor the task requests; None if it requests none.

        A mapped task starts its items in the process of the runner; they are executed where it requests.
        """
        task = self._tasks[node]
        return task.executor if task.task_map is None else DEFAULT_EXECUTOR

    def resources(self, node: int) -> Resources:
        """Return the resources the task requests."""
        task = self._tasks[node]
        return task.resources if task.task_map is None else {}

    def execute(self, node: int, view: LayeredMap, control: Any) -> NodeResult:
        """Call the task function with a context of its own.  Its exceptions propagate.

        Raises TaskReturnError, EncodingError, ContextTooLarge for an invalid return value or context.
        """
        task = self._tasks[node]
        if task.task_map is not None:
            return self._execute_map(task, task.task_map, view)
        context = self._make_context(view)
        given = task.run_function(context, control)
        return self._notify_success(task, view, build_context_patch(task, context, given))

    def _execute_map(self, task: Task, task_map: TaskMap, view: LayeredMap) -> NodeResult:
        """Request the runs of the items, or collect their results."""
        if isinstance(view, FinishedItems):
            return self._notify_success(task, view, collect_items(task_map, view.child_results))
        return NodeResult(child_runs=request_items(task.id, task_map, view, INPUT_CELL))

    def child_definitions(self) -> Mapping[int, WorkflowDefinition]:
        """Return the definitions of the items of mapped tasks, by node."""
        for child in self._item_definitions.values():
            child.max_context_bytes = self.max_context_bytes
        return self._item_definitions

    @cached_property
    def _item_definitions(self) -> dict[int, TaskWorkflowDefinition]:
        return {
            node: self._item_definition(task, task.task_map)
            for node, task in enumerate(self._tasks)
            if task.task_map is not None
        }

    def _item_definition(self, task: Task, task_map: TaskMap) -> TaskWorkflowDefinition:
        name = f"{self.plan.name}/{task.id}"
        plan = Plan(
            name,
            (PlanNode(task.id, outcome_if_not_run=UPSTREAM_FAILED, writes=(task.id,), on_error="fail"),),
            inputs=(INPUT_CELL,),
        )
        one = replace(
            task,
            function=ItemFunction(task.function, task_map, task.is_async),
            takes_handle=task_map.takes_handle,
            dependencies=(),
            rule=None,
            on_success=None,
            on_error="fail",
            task_map=None,
        )
        return TaskWorkflowDefinition(ItemWorkflow(name, plan, (one,), self.workflow.namespace, self.code_fingerprint))

    async def execute_async(self, node: int, view: LayeredMap, control: Any) -> NodeResult:
        """Execute as `execute` does, for a task function that must be awaited."""
        task = self._tasks[node]
        context = self._make_context(view)
        given = task.run_function(context, control)
        if inspect.isawaitable(given):
            given = await given
        return self._notify_success(task, view, build_context_patch(task, context, given))

    def runs_user_code(self, node: int, view: LayeredMap) -> bool:
        """Return False for a mapped task, whose items the engine starts and collects."""
        return self._tasks[node].task_map is None

    def portable_task(self, node: int) -> PicklableTask:
        """Return the task in a form that can be pickled."""
        return PicklableTask.from_task(self._tasks[node], self.max_context_bytes)

    def accept_result(self, node: int, view: LayeredMap, result: NodeResult) -> NodeResult:
        """Check a patch of another process and call the observer.  Raises BadAnswer."""
        patch: Patch = super().accept_result(node, view, result).values[0]
        check_patch(self._tasks[node].id, view, patch, self.max_context_bytes)
        return self._notify_success(self._tasks[node], view, patch)

    def on_failure(self, node: int, view: LayeredMap, error: ErrorText) -> tuple[str, ...]:
        """Call the task's `on_failure` observer; returns descriptions of the observer's own exceptions."""
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
        return NodeResult((patch,), observer_errors=notes)


def _call_observer(observer: str, task: Task, call: Callable[[], object]) -> tuple[str, ...]:
    """Call an observer; its exceptions, SystemExit included, are returned as notes of the attempt."""
    try:
        call()
    except BaseException as mishap:  # noqa: BLE001 - it is told in the note
        return (f"{observer} of {task.id!r} raised {describe_error(mishap)}",)
    return ()
