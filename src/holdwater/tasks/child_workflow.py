"""`@task(invokes=...)`: after its body, a task runs another workflow of any style as a child and keeps what it made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from holdwater.errors import NodeFailure, TaskReturnError, WorkflowError
from holdwater.model.ports import WorkflowDefinition
from holdwater.model.registry import registry
from holdwater.tasks.context import Context

TaskFunction = Callable[..., Any]


@runtime_checkable
class Invokable(Protocol):
    """A definition of any style."""

    name: str | None

    def program(self, name: str | None = None) -> WorkflowDefinition: ...


def wrap_with_child_run(
    function: TaskFunction, takes_handle: bool, is_async: bool, invokes: Any, post_invocation: TaskFunction | None
) -> TaskFunction:
    """The body with what it invokes: body, child run, its results into the context by name, `after(context)`.

    The child is given what the context has of its inputs.  If it does not complete, this attempt fails.
    Raises WorkflowError for what cannot be invoked.
    """
    name = _resolve_child_name(invokes)
    if post_invocation is not None and (not callable(post_invocation) or inspect.iscoroutinefunction(post_invocation)):
        raise WorkflowError(f"post_invocation= takes a plain function of the context, not {post_invocation!r}")

    def given_to(context: Context) -> Any:
        return registry.get(name).select_inputs(context.to_dict())

    def kept(context: Context, result: Any) -> Context:
        if result.status != "Completed":
            why = result.error_message or result.reason or "nobody said why"
            raise NodeFailure("CHILD", f"{name!r} was invoked and is {result.status}: {why}")
        context.update_from_dict(result.final_context.to_dict())
        return (
            context
            if post_invocation is None
            else _merge_return_value(context, post_invocation(context), "post_invocation")
        )

    def invoke(context: Context, handle: Any) -> Context:
        given = function(context, handle) if takes_handle else function(context)
        merged = _merge_return_value(context, given, "the body")
        return kept(merged, handle.execute(name, given_to(merged)))

    async def invoke_async(context: Context, handle: Any) -> Context:
        given = function(context, handle) if takes_handle else function(context)
        merged = _merge_return_value(context, await given if inspect.isawaitable(given) else given, "the body")
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
    """The name of what is invoked; a definition is registered under its own, and is what runs."""
    if isinstance(invokes, str) and invokes:
        return invokes
    if not isinstance(invokes, Invokable) or not isinstance(invokes.name, str) or not invokes.name:
        raise WorkflowError(
            f"invokes= takes the name of a workflow, or a workflow or graph that has one, not {invokes!r}",
            hint="give the graph a name: Graph(nodes, name=...)",
        )
    registry.register(invokes.program(), invokes.name)
    return invokes.name
