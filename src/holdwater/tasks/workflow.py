"""A workflow of tasks: a checked definition that can be run, drawn and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from holdwater.errors import WorkflowError
from holdwater.fingerprint.shallow import code_rows, json_digest
from holdwater.model.input_declaration import InputDeclaration
from holdwater.model.plan import Plan
from holdwater.model.registry import Registry, registry
from holdwater.tasks.compile import build_plan, topological_levels
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.namespaces import WorkflowNamespace
from holdwater.tasks.task_definition import Task

if TYPE_CHECKING:
    from holdwater.drawing.colours import Theme
    from holdwater.drawing.picture import Picture


class TaskWorkflow:
    """Tasks in definition order, with a name.  Immutable by convention.  Raises WorkflowError for an invalid workflow.

    `namespace`: the full name of the workflow, which the full names of its tasks begin with.  `inputs`: those declared;
    None: its runs may be given anything.
    """

    def __init__(
        self,
        name: str,
        tasks: Mapping[str, Task],
        namespace: WorkflowNamespace,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        inputs: InputDeclaration | None = None,
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.description = description
        self.tags: dict[str, str] = dict(tags or {})
        self.namespace = namespace
        self.plan: Plan = build_plan(namespace.workflow_id, tasks, namespace)
        self.tasks: tuple[Task, ...] = tuple(tasks.values())

    @property
    def structure(self) -> str:
        """Fingerprint of tasks, order, dependencies and rules, 16 hex digits; a run resumes only with the same one."""
        return self.plan.structure

    @cached_property
    def code(self) -> str:
        """Fingerprint of the bodies, retry policies and time-outs: 16 hex digits.  For information."""
        return json_digest(code_rows([(task.id, task.function, task.policy) for task in self.tasks]), digits=16)

    @cached_property
    def version(self) -> str:
        """Fingerprint of the whole definition, description and tags included, 16 hex digits."""
        tags = sorted(self.tags.items())
        parts = [self.structure, self.code, self.name, str(self.namespace), self.description, tags]
        return json_digest(parts, digits=16)

    def topological_sort(self) -> list[str]:
        """List the full names of all tasks in topological order."""
        return [self._full_name(task_id) for task_id in topological_levels(self.plan)]

    def get_execution_levels(self) -> list[list[str]]:
        """List full names by level; the tasks of a level may run concurrently, after those of earlier levels."""
        levels: list[list[str]] = []
        for task_id, level in topological_levels(self.plan).items():
            while len(levels) <= level:
                levels.append([])
            levels[level].append(self._full_name(task_id))
        return levels

    def get_roots(self) -> list[str]:
        """List the full names of the tasks without dependencies."""
        return [self._full_name(node.name) for node in self.plan.nodes if not node.after]

    def get_leaves(self) -> list[str]:
        """List the full names of the tasks that no task depends on."""
        inner = {name for node in self.plan.nodes for name in node.after}
        return [self._full_name(node.name) for node in self.plan.nodes if node.name not in inner]

    def validate(self) -> None:
        """Check names and cycles again.  Raises WorkflowError."""
        build_plan(self.plan.name, {task.id: task for task in self.tasks}, self.namespace)

    def to_mermaid(self) -> str:
        """Render a Mermaid flow chart: solid edges are dependencies, dotted ones are mentions in rules."""
        from holdwater.drawing.mermaid import render_mermaid

        return str(render_mermaid(self._make_picture()))

    def to_text(self) -> str:
        """Render one line per task, in an order in which they can run."""
        from holdwater.drawing.text import render_tree

        return render_tree(self._make_picture())

    def to_svg(self, *, theme: Theme = "auto") -> str:
        """Render a self-contained SVG drawing.  Raises GraphConfigError for an unknown theme."""
        from holdwater.drawing.notebook import make_drawing

        return make_drawing(self._make_picture(), theme).svg

    def _make_picture(self) -> Picture:
        from holdwater.drawing.plan_pictures import picture_of

        return picture_of(self.plan)

    def program(self, name: str | None = None) -> TaskWorkflowDefinition:
        """Return the definition the engine runs, optionally under another name."""
        return TaskWorkflowDefinition(self, self.plan if name is None else replace(self.plan, name=name))

    def __repr__(self) -> str:
        return f"Workflow(name={self.name!r}, tasks={len(self.tasks)})"

    def _full_name(self, task_id: str) -> str:
        return str(self.namespace.task_namespace(task_id))


def register_workflow_constructor(
    name: str, constructor: Callable[[], TaskWorkflow], *, into: Registry = registry
) -> None:
    """Call `constructor` once and register its workflow as `name`.  Raises WorkflowError if it returns none."""
    workflow = constructor()
    if not isinstance(workflow, TaskWorkflow):
        raise WorkflowError(
            f"the constructor of workflow {name!r} returned {type(workflow).__name__}, not a Workflow",
            hint="return WorkflowBuilder(...).build()",
        )
    into.register(workflow.program(name))
