"""The code of a single task, for its execution in another process."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdwater.errors import BadAnswer, TaskReturnError
from holdwater.model.coroutines import run_awaitable
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.portable_code import global_names, source_file
from holdwater.model.results import NodeResult
from holdwater.tasks.context import Context
from holdwater.tasks.layered_map import LayeredMap
from holdwater.tasks.patch import Patch
from holdwater.tasks.run_data import CONTEXT_GROUP
from holdwater.tasks.task_definition import Task


@dataclass(frozen=True, slots=True)
class PicklableTask:
    """A task to be pickled, without observers, dependencies and rule, which need not be picklable."""

    task: Task
    max_context_bytes: int

    @classmethod
    def from_task(cls, task: Task, max_context_bytes: int) -> PicklableTask:
        """Convert a task."""
        return cls(replace(task, dependencies=(), rule=None, on_success=None, on_failure=None), max_context_bytes)

    def source_file(self) -> str:
        """Return the source file of the function, "" if that is unknown."""
        return source_file(self.task.function)

    def referenced_names(self) -> Mapping[str, Any]:
        """Return the globals and closure variables of the function by name, for messages of a failed pickling."""
        return global_names(self.task.function)

    def execute(self, inputs: NodeInputs, control: Any) -> NodeResult:
        """Execute the function; an `async def` function gets an event loop of its own.  Its exceptions propagate."""
        view = LayeredMap.from_values(inputs.groups[CONTEXT_GROUP])
        context = Context.from_view(view, max_bytes=self.max_context_bytes)
        given = self.task.run_function(context, control)
        if self.task.is_async and inspect.isawaitable(given):
            given = run_awaitable(given)
        return NodeResult((build_context_patch(self.task, context, given),))


def check_patch(task_id: str, view: LayeredMap, patch: Patch, max_context_bytes: int) -> None:
    """Check a patch of another process against the view of its task, as `Context` does here.  Raises BadAnswer."""
    size = view.size_bytes
    for key in patch.removed:
        if key in patch.set or view.get_stored(key) is None:
            raise BadAnswer(f"task {task_id!r} removed the key {key!r:.80}, which its context does not have")
    for key, value in patch.set.items():
        old = view.get_stored(key)
        size += value.size_bytes + (len(key) if old is None else -old.size_bytes)
    if size > max_context_bytes:
        raise BadAnswer(
            f"task {task_id!r} makes the context {size:,} bytes large; at most {max_context_bytes:,} are allowed",
            hint="keep large data in a file or a table and put its address into the context",
        )


def build_context_patch(task: Task, context: Context, returned: Any) -> Patch:
    """Build the patch of an execution by its return value.  Raises TaskReturnError, EncodingError, ContextTooLarge."""
    if returned is None or returned is context:
        changed, removed = context.delta()
    elif isinstance(returned, Context):
        changed, removed = context.delta_to(returned)
    elif isinstance(returned, dict):
        context.update_from_dict(returned)
        changed, removed = context.delta()
    else:
        if inspect.iscoroutine(returned):
            returned.close()  # it is never awaited
        raise TaskReturnError(
            f"task {task.id!r} returned {_describe_return_value(returned)}",
            hint="return the context, None (changes of the context are kept) or a dict (merged into it)",
        )
    return Patch(changed, tuple(removed))


def _describe_return_value(returned: Any) -> str:
    if inspect.isawaitable(returned):
        return "something to await from a function that is not `async def`"
    return f"{type(returned).__module__}.{type(returned).__qualname__}".removeprefix("builtins.")
