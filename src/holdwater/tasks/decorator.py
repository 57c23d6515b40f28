"""`@task`: registers a function as a task of the workflow that is being defined."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, overload

from holdwater.errors import ConfigError, WorkflowError
from holdwater.model import validation
from holdwater.model.limits import check_limit_name
from holdwater.model.policies import NodePolicy, RetryPolicy
from holdwater.model.resources import Resources, check_resources
from holdwater.model.signatures import signature_of
from holdwater.tasks.builder import current_builder
from holdwater.tasks.task_definition import OnError, OnFailure, OnSuccess, Task
from holdwater.tasks.task_map import ErrorHandling, make_task_map
from holdwater.tasks.trigger_rules import parse_rule

F = TypeVar("F", bound=Callable[..., Any])

_HANDLE_PARAMETERS: Final = ("handle", "task_handle")


@overload
def task(function: F, /) -> F: ...


@overload
def task(
    *,
    id: str | None = None,
    dependencies: Iterable[str | Callable[..., Any]] | None = None,
    retry_attempts: int | None = None,
    retry_backoff: str | None = None,
    retry_delay_ms: float | None = None,
    retry_max_delay_ms: float | None = None,
    retry_condition: str | None = None,
    retry_jitter: bool | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
    retry: RetryPolicy | None = None,
    timeout_seconds: float | None = None,
    limit: str | None = None,
    executor: str | None = None,
    resources: Resources | None = None,
    trigger_rules: Any = None,
    on_error: OnError = "fail",
    invokes: Any = None,
    post_invocation: Any = None,
    map_over: str | None = None,
    map_result: str | None = None,
    map_concurrency: int | None = None,
    map_error_handling: ErrorHandling = "raise",
) -> Callable[[F], F]: ...


def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,
    dependencies: Iterable[str | Callable[..., Any]] | None = None,
    retry_attempts: int | None = None,
    retry_backoff: str | None = None,
    retry_delay_ms: float | None = None,
    retry_max_delay_ms: float | None = None,
    retry_condition: str | None = None,
    retry_jitter: bool | None = None,
    on_success: OnSuccess | None = None,
    on_failure: OnFailure | None = None,
    retry: RetryPolicy | None = None,
    timeout_seconds: float | None = None,
    limit: str | None = None,
    executor: str | None = None,
    resources: Resources | None = None,
    trigger_rules: Any = None,
    on_error: OnError = "fail",
    invokes: Any = None,
    post_invocation: Any = None,
    map_over: str | None = None,
    map_result: str | None = None,
    map_concurrency: int | None = None,
    map_error_handling: ErrorHandling = "raise",
) -> Any:
    """Register a function as a task of the open `with WorkflowBuilder(...)`; the function is returned unchanged.

    It is called with its context; a second parameter named `handle` or `task_handle` gets the task handle.  It may be
    `async def`.  It returns the context, None or a dict.

    - `id`: by default the function's name.  `dependencies`: ids or functions of earlier tasks, whose data this task
      sees, merged in this order.
    - `retry_attempts`: attempts, the first included (0 and 1: one; default one).  `retry_backoff`: "fixed", "linear" or
      "exponential" (default).  `retry_delay_ms` 1000, `retry_max_delay_ms` 60000.  `retry_condition`: "all" (default),
      "transient", "never".  `retry_jitter`: default off.  Or all of that as one policy: `retry`.
    - `timeout_seconds`: per attempt; None: the runner's.
    - `limit`: the name of a concurrency limit: how many task functions that name it run at once, across all runners of
      the database, is set there (`holdwater limits set NAME MAX`).
    - `executor`: the name of the runner's executor that runs the function; None: the runner's `routing` decides.
      `resources`: what the function needs where the executor places work by resources (RayExecutor): `num_cpus`,
      `num_gpus`, `memory` in bytes, custom ones by name; it comes before those of the routing and of the executor.
    - `on_success(task_id, context)`, `on_failure(task_id, error, context)`: observers, the latter after every failed
      attempt; their changes of the context and their exceptions do not affect the run.
    - `invokes`: a workflow of any style, or its name: after the function it runs as a child with the context, and its
      results are added to the context by name; then `post_invocation(context)` is called.
    - `trigger_rules`: the condition to run, instead of "every dependency succeeded or was skipped by its own rule".
    - `on_error`: "fail" (default): a failure of this task fails the run.  "handled": it is shown and does not fail the
      run; a rule of another task must react to it (`task_failed(...)`).
    - `map_over`: a key of the context with a list: the function is called for each item, in a child run of its own
      that is retried, timed out and executed as said above.  It takes `item`, and what it needs of `context` (a copy,
      without the list) and `handle`; its return value, of any kind, is the result of the item.
      `map_result`: the key the list of results gets, in the order of the items; by default the id of the task.
      `map_concurrency`: items that run at once, 1,000 at most.  `map_error_handling`: "raise" (default), after the
      failure of an item no more are started, and the task fails; "continue", failed items have None among the results,
      and the key with `_errors` behind it gets a list of `{"index", "error"}`.

    Raises WorkflowError or ConfigError (both ValueErrors) for invalid arguments, and outside of a builder.
    """
    if post_invocation is not None and invokes is None:
        raise WorkflowError("post_invocation requires invokes=", hint="it is called after what the task invokes")
    if map_over is None and (map_result is not None or map_concurrency is not None or map_error_handling != "raise"):
        raise WorkflowError("map_result, map_concurrency and map_error_handling need map_over=")
    if map_over is not None and invokes is not None:
        raise WorkflowError(
            "a task is mapped over a list or invokes a workflow, not both", hint="call handle.execute(...) for an item"
        )
    spelled = {
        "retry_attempts": retry_attempts,
        "retry_backoff": retry_backoff,
        "retry_delay_ms": retry_delay_ms,
        "retry_max_delay_ms": retry_max_delay_ms,
        "retry_condition": retry_condition,
        "retry_jitter": retry_jitter,
    }
    policy = NodePolicy(
        retry=_build_retry_policy({name: given for name, given in spelled.items() if given is not None}, retry),
        timeout_seconds=_check_timeout(timeout_seconds),
        limit=None if limit is None else check_limit_name(limit),
    )
    if executor is not None:
        validation.check_text("executor=", executor, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError)
    requested = {} if resources is None else check_resources("resources=", resources)
    if on_error not in ("fail", "handled"):
        raise ConfigError(f"on_error is 'fail' or 'handled', not {on_error!r}")
    after = _check_dependencies(dependencies)
    rule = None if trigger_rules is None else parse_rule(trigger_rules)
    for name, observer in (("on_success", on_success), ("on_failure", on_failure)):
        if observer is not None and (not callable(observer) or inspect.iscoroutinefunction(observer)):
            raise ConfigError(f"{name} must be a plain function, not {observer!r}")

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        builder = current_builder()
        if not callable(body):
            raise WorkflowError(f"@task decorates a function, not {body!r}", hint="all its arguments are keywords")
        task_id = getattr(body, "__name__", None) if id is None else id
        if not isinstance(task_id, str):
            raise WorkflowError(f"task {body!r} has no name", hint="give it an id=")
        mapped = (
            None
            if map_over is None
            else make_task_map(task_id, body, map_over, map_result, map_concurrency, map_error_handling)
        )
        takes_handle = mapped.takes_handle if mapped is not None else _takes_handle(task_id, body)
        is_async, invoking = _is_async(body), None
        if invokes is not None:
            from holdwater.tasks.child_workflow import wrap_with_child_run

            invoking = wrap_with_child_run(body, takes_handle, is_async, invokes, post_invocation)
        builder.register(
            Task(
                task_id,
                body,
                after,
                rule,
                policy,
                on_success,
                on_failure,
                takes_handle=takes_handle,
                is_async=is_async,
                executor=executor,
                invoking_function=invoking,
                on_error=on_error,
                task_map=mapped,
                resources=requested,
            )
        )
        return body

    return register if function is None else register(function)


def _build_retry_policy(options: dict[str, Any], policy: RetryPolicy | None) -> RetryPolicy:
    if policy is not None:
        if options:
            raise ConfigError(f"give retry= or {', '.join(options)}, not both")
        if not isinstance(policy, RetryPolicy):
            raise ConfigError(f"retry= takes a RetryPolicy, not {policy!r}")
        return policy
    attempts = options.get("retry_attempts", 1)
    validation.check_count("retry_attempts", attempts)
    for name in ("retry_delay_ms", "retry_max_delay_ms"):
        validation.check_seconds(
            name, options.get(name, 0), positive=False, maximum=validation.MAX_SECONDS * 1000, unit="milliseconds"
        )
    return RetryPolicy(
        max_attempts=max(attempts, 1),
        backoff=options.get("retry_backoff", "exponential"),
        initial_delay=options.get("retry_delay_ms", 1000) / 1000,
        max_delay=options.get("retry_max_delay_ms", 60_000) / 1000,
        condition=options.get("retry_condition", "all"),
        jitter=bool(options.get("retry_jitter", False)),
    )


def _check_timeout(seconds: float | None) -> float | None:
    return None if seconds is None else float(validation.check_seconds("timeout_seconds", seconds))


def _check_dependencies(dependencies: Iterable[Any] | None) -> tuple[Any, ...]:
    if dependencies is None:
        return ()
    if isinstance(dependencies, str) or callable(dependencies) or not isinstance(dependencies, Iterable):
        raise WorkflowError(f"dependencies is a list, not {dependencies!r}", hint=f"dependencies=[{dependencies!r}]")
    found = tuple(dependencies)
    for i, one in enumerate(found):
        if not isinstance(one, str) and not (callable(one) and hasattr(one, "__name__")):
            raise WorkflowError(f"dependency {i} must be a task id or a function, not {one!r}")
    return found


def _takes_handle(task_id: str, function: Callable[..., Any]) -> bool:
    """Return True if the second parameter is named `handle` or `task_handle`.  Raises WorkflowError without a first."""
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__") and not inspect.ismethod(function):
        names = code.co_varnames[: code.co_argcount]  # ten times faster than inspect.signature
        variadic = bool(code.co_flags & inspect.CO_VARARGS)
    else:
        try:
            parameters = list(signature_of(function).parameters.values())
        except (TypeError, ValueError):
            return False
        names = tuple([p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
        variadic = any([p.kind is p.VAR_POSITIONAL for p in parameters])
    if not names and not variadic:
        raise WorkflowError(f"task {task_id!r} takes no argument; it must take the context")
    return len(names) > 1 and names[1] in _HANDLE_PARAMETERS


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(type(function), "__call__"))  # noqa: B004, B009 - objects with one
