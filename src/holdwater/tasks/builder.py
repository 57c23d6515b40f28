"""WorkflowBuilder: collects the tasks of a workflow, checks and registers it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from holdwater.errors import WorkflowError
from holdwater.model import validation
from holdwater.model.input_declaration import InputDeclaration
from holdwater.model.registry import Registry, registry
from holdwater.tasks.compile import TaskResolver
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.namespaces import NAMESPACE_SEPARATOR, WorkflowNamespace
from holdwater.tasks.task_definition import Task
from holdwater.tasks.workflow import TaskWorkflow

_open_builders: ContextVar[tuple[WorkflowBuilder, ...]] = ContextVar("holdwater_open_builders", default=())


class WorkflowBuilder:
    """Defines one workflow: `with WorkflowBuilder("etl"): ...`; every `@task` inside belongs to it.

    At the end of the block the workflow is checked and registered in this process under `workflow` (by default `name`);
    registering the same name again replaces it.  An exception in the block propagates, and nothing is registered.
    Raises WorkflowError for names that are empty or contain "::".
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
        self.namespace = WorkflowNamespace(
            _check_name("a tenant", "public" if tenant is None else tenant),
            _check_name("a package", "embedded" if package is None else package),
            _check_name("a workflow", name if workflow is None else workflow),
        )
        self._registry = into
        self._description = ""
        self._tags: dict[str, str] = {}
        self._inputs: InputDeclaration | None = None
        self._tasks: dict[str, Task] = {}

    def description(self, text: str) -> WorkflowBuilder:
        """Set the description of the workflow; part of its version."""
        self._description = text
        return self

    def tag(self, key: str, value: str) -> WorkflowBuilder:
        """Set a tag of the workflow; part of its version.  Raises WorkflowError if either is not a string."""
        if not isinstance(key, str) or not isinstance(value, str):
            raise WorkflowError(f"a tag is a pair of strings, not {key!r}: {value!r}")
        self._tags[key] = value
        return self

    def inputs(self, declared: type | None = None, /, **annotations: Any) -> WorkflowBuilder:
        """Declare the keys of the initial context with their types: by a TypedDict, or by keywords.

        A run that is not given all of them is refused (MissingInputError), except those that are `NotRequired[...]`.
        Other keys are allowed.  The types are shown in the catalog; values given as JSON by a process without the code
        are checked and converted by them: a string to a date, an object to a dataclass.
        Raises WorkflowError for what is neither.
        """
        if (declared is None) == (not annotations):
            raise WorkflowError("inputs are declared by a TypedDict or by keywords", hint="inputs(day=datetime.date)")
        of_keywords = InputDeclaration(annotations)
        self._inputs = of_keywords if declared is None else InputDeclaration.of_typed_dict(declared)
        return self

    def declare_inputs(self, declared: InputDeclaration) -> None:
        """Set the declaration of the keys of the initial context."""
        self._inputs = declared

    def add_task(self, task: str | Callable[..., Any]) -> WorkflowBuilder:
        """Add a task by id or function: of this block, or of the workflow registered under the same full name.

        Raises WorkflowError if there is no such task.
        """
        if not isinstance(task, str) and not callable(task):
            raise WorkflowError(f"add_task takes a string task ID or a function object, not {task!r}")
        known = {**self._registered_tasks(), **self._tasks}
        task_id = TaskResolver(known, self.namespace).resolve(task, "add_task")
        self._tasks.setdefault(task_id, known[task_id])
        return self

    def register(self, task: Task) -> None:
        """Add a task that was decorated in this block.  Raises WorkflowError if another function has its id."""
        _check_name("a task", task.id)
        if task.id == "*":
            raise WorkflowError("'*' cannot be the id of a task: it stands for the initial context")
        known = self._tasks.get(task.id)
        if known is not None and known.function is not task.function:
            raise WorkflowError(
                f"workflow {self.name!r} has two tasks with the id {task.id!r}", hint="give one of them another id="
            )
        self._tasks[task.id] = task

    @property
    def is_empty(self) -> bool:
        """True as long as the workflow has no task."""
        return not self._tasks

    def build(self) -> TaskWorkflow:
        """Create the workflow of the tasks so far, without registering it.  Raises WorkflowError."""
        return TaskWorkflow(
            self.name,
            self._tasks,
            self.namespace,
            description=self._description,
            tags=self._tags,
            inputs=self._inputs,
        )

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
    """Return the builder of the enclosing `with` block.  Raises WorkflowError outside of one."""
    builders = _open_builders.get()
    if not builders:
        raise WorkflowError(
            "No workflow context: this task belongs to no workflow",
            hint="decorate it inside `with WorkflowBuilder('name'):`",
        )
    return builders[-1]


def _check_name(role: str, name: Any) -> str:
    made = validation.check_text(
        f"the name of {role}", name, max_bytes=validation.MAX_NAME_BYTES, error_class=WorkflowError
    )
    if NAMESPACE_SEPARATOR in made:
        raise WorkflowError(f"the name of {role} cannot hold {NAMESPACE_SEPARATOR!r}: {validation.shorten_repr(made)}")
    return made
