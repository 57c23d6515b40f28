"""`@task(invokes=...)`: after its function a task runs a child workflow and adds its results to the context."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from holdwater.errors import NodeFailure, TaskReturnError, WorkflowError
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import registry
from holdwater.tasks.context import Context

TaskFunction = Callable[..., Any]


@runtime_checkable
class Invokable(Protocol):
    """A definition of any authoring style that can be run as a child."""

    name: str | None

    def program(self, name: str | None = None) -> WorkflowDefinition: ...


def wrap_with_child_run(
    function: TaskFunction, takes_handle: bool, is_async: bool, invokes: Any, post_invocation: TaskFunction | None
) -> TaskFunction:
    """Wrap a task function: call it, run the child, add its results to the context, call `post_invocation(context)`.

    The child gets those keys of the context that are its inputs.  The attempt fails if the child does not complete.
    Raises WorkflowError for an invalid `invokes` or `post_invocation`.
    """
    name = _resolve_child_name(invokes)
    if post_invocation is not None and (not callable(post_invocation) or inspect.iscoroutinefunction(post_invocation)):
        raise WorkflowError(f"post_invocation= takes a plain function of the context, not {post_invocation!r}")

    def given_to(context: Context) -> Any:
        return registry.get(name).select_inputs(context.to_dict())

    def kept(context: Context, result: Any) -> Context:
        if result.status != "Completed":
            why = result.error_message or result.reason or "no reason was recorded"
            raise NodeFailure("CHILD", f"{name!r} was invoked and is {result.status}: {why}")
        context.update_from_dict(result.final_context.to_dict())
        return (
            context
            if post_invocation is None
            else _merge_return_value(context, post_invocation(context), "post_invocation")
        )

    def invoke(context: Context, handle: Any) -> Context:
        given = function(context, handle) if takes_handle else function(context)
        merged = _merge_return_value(context, given, "the task function")
        return kept(merged, handle.execute(name, given_to(merged)))

    async def invoke_async(context: Context, handle: Any) -> Context:
        given = function(context, handle) if takes_handle else function(context)
        merged = _merge_return_value(context, await given if inspect.isawaitable(given) else given, "the task function")
        return kept(merged, await handle.execute_async(name, given_to(merged)))

    return invoke_async if is_async else invoke


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
