"""`@task(invokes=...)`: after its function a task runs a child workflow and adds its results to the context."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from holdwater.errors import NodeFailure, TaskReturnError, WorkflowError
from holdwater.model.child_inputs import InputsToSelect
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import registry
from holdwater.tasks.context import Context

TaskFunction = Callable[..., Any]


@runtime_checkable
class Invokable(Protocol):
    """A definition of any authoring style that can be run as a child."""

    name: str | None

    def program(self, name: str | None = None) -> WorkflowDefinition: ...


@dataclass(frozen=True, slots=True)
class InvokingFunction:
    """Calls a task function, runs the child, adds its results to the context, calls `post_invocation(context)`.

    Picklable if its functions are.
    """

    function: TaskFunction
    takes_handle: bool
    is_async: bool
    workflow: str
    post_invocation: TaskFunction | None

    def __call__(self, context: Context, handle: Any) -> Any:
        """Return the context, or a coroutine that does."""
        if self.is_async:
            return self._invoke_async(context, handle)
        merged = _merge_return_value(context, self._call_function(context, handle), "the task function")
        return self._add_results(merged, handle.execute(self.workflow, InputsToSelect(merged.stored_values())))

    async def _invoke_async(self, context: Context, handle: Any) -> Context:
        given = self._call_function(context, handle)
        merged = _merge_return_value(context, await given if inspect.isawaitable(given) else given, "the task function")
        inputs = InputsToSelect(merged.stored_values())
        return self._add_results(merged, await handle.execute_async(self.workflow, inputs))

    def _call_function(self, context: Context, handle: Any) -> Any:
        return self.function(context, handle) if self.takes_handle else self.function(context)

    def _add_results(self, context: Context, result: Any) -> Context:
        if result.status != "Completed":
            why = result.error_message or result.reason or "no reason was recorded"
            raise NodeFailure("CHILD", f"{self.workflow!r} was invoked and is {result.status}: {why}")
        context.update_from_dict(result.final_context)
        if self.post_invocation is None:
            return context
        return _merge_return_value(context, self.post_invocation(context), "post_invocation")


def wrap_with_child_run(
    function: TaskFunction, takes_handle: bool, is_async: bool, invokes: Any, post_invocation: TaskFunction | None
) -> InvokingFunction:
    """Wrap a task function: the child gets those keys of the context that are its inputs.

    The attempt fails if the child does not complete.  Raises WorkflowError for an invalid `invokes` or
    `post_invocation`.
    """
    name = _resolve_child_name(invokes)
    if post_invocation is not None and (not callable(post_invocation) or inspect.iscoroutinefunction(post_invocation)):
        raise WorkflowError(f"post_invocation= takes a plain function of the context, not {post_invocation!r}")
    return InvokingFunction(function, takes_handle, is_async, name, post_invocation)


def _merge_return_value(context: Context, returned: Any, source: str) -> Context:
    if isinstance(returned, Context):
        return returned
    if isinstance(returned, dict):
        context.update_from_dict(returned)
    elif returned is not None:
        raise TaskReturnError(f"{source} returned {returned!r:.100}", hint="return the context, None or a dict")
    return context


def _resolve_child_name(invokes: Any) -> str:
    """Return the name of the child workflow; a definition is registered under its own name.  Raises WorkflowError."""
    if isinstance(invokes, str) and invokes:
        return invokes
    if not isinstance(invokes, Invokable) or not isinstance(invokes.name, str) or not invokes.name:
        raise WorkflowError(
            f"invokes= takes the name of a workflow, or a workflow or graph that has one, not {invokes!r}",
            hint="give the graph a name: Graph(nodes, name=...)",
        )
    registry.register(invokes.program(), invokes.name)
    return invokes.name
