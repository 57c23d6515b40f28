"""WorkflowBuilder: collects the tasks of a workflow, checks them, and makes the workflow known."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.model import validation
from holdwater.model.registry import Registry, registry
from holdwater.tasks.compile import TaskResolver
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.namespaces import NAMESPACE_SEPARATOR, WorkflowContext
from holdwater.tasks.task_definition import Task
from holdwater.tasks.workflow import Workflow

_open_builders: ContextVar[tuple[WorkflowBuilder, ...]] = ContextVar("holdwater_open_builders", default=())


class WorkflowBuilder:
    """Defines one workflow: `with WorkflowBuilder("etl"): ...`; every `@task` inside belongs to it.

    At the end of the block the workflow is checked and known to this process under `workflow` (by default `name`);
    the same name again redefines it.  An exception in the block comes out, and nothing is registered.  Raises
    WorkflowError for names that are empty or hold "::".
    """

    def __init__(
        self,
        name: str,
        *,
        tenant: str | None = None,
        package: str | None = None,
        workflow: str | None = None,
        into: Registry = registry,
    ) -> None:
        self.name = _check_name("a workflow", name)
        self.namespace = WorkflowContext(
            _check_name("a tenant", "public" if tenant is None else tenant),
            _check_name("a package", "embedded" if package is None else package),
            _check_name("a workflow", name if workflow is None else workflow),
        )
        self._registry = into
        self._description = ""
        self._tags: dict[str, str] = {}
        self._tasks: dict[str, Task] = {}

    def description(self, text: str) -> WorkflowBuilder:
        """Say what the workflow is for."""
        self._description = text
        return self

    def tag(self, key: str, value: str) -> WorkflowBuilder:
        """Label the workflow; part of its version."""
        if not isinstance(key, str) or not isinstance(value, str):
            raise WorkflowError(f"a tag is a pair of strings, not {key!r}: {value!r}")
        self._tags[key] = value
        return self

    def add_task(self, task: str | Callable[..., Any]) -> WorkflowBuilder:
        """Take a task by its id or function: of this block, or of the workflow registered under the same full name.

        Raises WorkflowError if there is no such task.
        """
        if not isinstance(task, str) and not callable(task):
            raise WorkflowError(f"add_task takes a string task ID or a function object, not {task!r}")
        known = {**self._registered_tasks(), **self._tasks}
        task_id = TaskResolver(known, self.namespace).resolve(task, "add_task")
        self._tasks.setdefault(task_id, known[task_id])
        return self

    def register(self, task: Task) -> None:
        """Take a task that was decorated in this block.  Raises WorkflowError if another function has its id."""
        _check_name("a task", task.id)
        if task.id == "*":
            raise WorkflowError("'*' cannot be the id of a task: it stands for the initial context")
        known = self._tasks.get(task.id)
        if known is not None and known.function is not task.function:
            raise WorkflowError(
                f"workflow {self.name!r} has two tasks with the id {task.id!r}", hint="give one of them another id="
            )
        self._tasks[task.id] = task

    def build(self) -> Workflow:
        """The workflow of the tasks so far; it is not registered.  Raises WorkflowError."""
        return Workflow(self.name, self._tasks, self.namespace, description=self._description, tags=self._tags)

    def __enter__(self) -> WorkflowBuilder:
        _open_builders.set((*_open_builders.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _open_builders.set(_open_builders.get()[:-1])
        if kind is None:
            self._registry.register(self.build().program())

    def _registered_tasks(self) -> dict[str, Task]:
        program = self._registry.find(self.namespace.workflow_id)
        if isinstance(program, TaskWorkflowDefinition) and program.workflow.namespace == self.namespace:
            return {task.id: task for task in program.workflow.tasks}
        return {}


def current_builder() -> WorkflowBuilder:
    """The builder whose block we are in.  Raises WorkflowError outside of any."""
    builders = _open_builders.get()
    if not builders:
        raise WorkflowError(
            "No workflow context: this task belongs to no workflow",
            hint="decorate it inside `with WorkflowBuilder('name'):`",
        )
    return builders[-1]


def _check_name(role: str, name: Any) -> str:
    made = validation.check_text(
        f"the name of {role}", name, at_most_bytes=validation.LONGEST_NAME_BYTES, error=WorkflowError
    )
    if NAMESPACE_SEPARATOR in made:
        raise WorkflowError(f"the name of {role} cannot hold {NAMESPACE_SEPARATOR!r}: {validation.shorten_repr(made)}")
    return made
