"""Names of the original that this version of Holdwater does not support; they raise NotInThisVersion when used.

Each is removed with the release that supports it; a test fails as soon as Holdwater has the name.
"""

from __future__ import annotations

from typing import Any, Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import stub_class, stub_function

# -- runners

_FORK_HINT: Final = "use checkpointer.fork(workflow_id, from_node, values), then run(graph, workflow_id=<the new id>)"
_EVENTS_HINT: Final = "use an event processor: its events have the inputs, the outputs and the errors of every node"
_BACKGROUND_RUN_HINT: Final = (
    "use asyncio.create_task(runner.run(...)), or DefaultRunner.submit(...), whose runs can be steered"
)

SyncHandle = stub_class("SyncHandle", _BACKGROUND_RUN_HINT)
AsyncHandle = stub_class("AsyncHandle", _BACKGROUND_RUN_HINT)
FailureEvidence = stub_class("FailureEvidence", _EVENTS_HINT)
get_failure_evidence = stub_function("get_failure_evidence", _EVENTS_HINT)
InspectionDisplay = stub_class("InspectionDisplay", _EVENTS_HINT)
ProcessLocalLimiter = stub_class("ProcessLocalLimiter", "use max_concurrency= of the run")
RetryAfterError = stub_class("RetryAfterError", "set initial_delay of the RetryPolicy")
NodeSpanRef = stub_class("NodeSpanRef", "use OpenTelemetryProcessor")
current_node_span = stub_function("current_node_span", "use OpenTelemetryProcessor")
set_display_mode = stub_function("set_display_mode", "use graph.visualize() or print")
get_display_mode = stub_function("get_display_mode", "use graph.visualize() or print")


class UnsupportedRunnerMethods:
    """Mixin after the runner in the list of bases, so that a method Holdwater adds takes precedence over its stub."""

    start_run = stub_function("start_run", _BACKGROUND_RUN_HINT)
    start_map = stub_function("start_map", _BACKGROUND_RUN_HINT)
    stop = stub_function("stop", "cancel the task that awaits the run")
    map_iter = stub_function("map_iter", "use map(): results come together, in the order of the items")


UNSUPPORTED_OPTIONS: Final = {
    "checkpoint": _FORK_HINT,
    "fork_from": _FORK_HINT,
    "retry_from": "run it again under the same workflow_id: what failed is tried again",
    "override_workflow": "give new inputs under the same workflow_id, or " + _FORK_HINT.removeprefix("use "),
    "inspect": _EVENTS_HINT,
}
"""option of `run` and `map` -> hint"""


def reject_unsupported_options(options: dict[str, Any]) -> None:
    """Remove unsupported options that are switched off.  Raises NotInThisVersion for one that is not."""
    for name, hint in UNSUPPORTED_OPTIONS.items():
        if options.pop(name, None):
            stub_function(f"{name}=", hint)()


# -- graphs


class UnsupportedGraphMethods:
    """Mixin after the graph in the list of bases."""

    with_processors = stub_function("with_processors", "give event_processors= to the runner or to the run")
    with_provider_limit = stub_function("with_provider_limit", "use max_concurrency= of the run")
    as_table = stub_function("as_table", "use a runner with a cache: what did not change is not computed again")


# -- checkpointers


class UnsupportedCheckpointerMethods:
    """Mixin after the checkpointer in the list of bases."""

    search = stub_function("search", "use list_workflows(status=..., graph_name=...)")
    search_async = stub_function("search_async", "use list_workflows(status=..., graph_name=...)")
    lineage = stub_function("lineage", "use get_workflow(workflow_id).forked_from")
    stats = stub_function("stats", "use get_steps(workflow_id), which has the durations")
    fork_workflow = stub_function("fork_workflow", _FORK_HINT)
    fork_workflow_async = stub_function("fork_workflow_async", _FORK_HINT)
    retry_workflow = stub_function("retry_workflow", UNSUPPORTED_OPTIONS["retry_from"])
    retry_workflow_async = stub_function("retry_workflow_async", UNSUPPORTED_OPTIONS["retry_from"])


_SERIALIZER_HINT: Final = "values are stored as JSON with tagged types, dataclasses and models too"

SqliteRunInspector = stub_class("SqliteRunInspector", "use SqliteCheckpointer, or `holdwater runs`")
PickleSerializer = stub_class("PickleSerializer", _SERIALIZER_HINT)
Serializer = stub_class("Serializer", _SERIALIZER_HINT + "; holdwater.register_type(...) for other types")

# -- events

_SUPERSTEPS_HINT: Final = "nodes start as soon as they can; RunEndEvent.iterations counts the supersteps of loops"
_ATTEMPTS_HINT: Final = "NodeErrorEvent and NodeEndEvent tell how the last attempt went"

SuperstepStartEvent = stub_class("SuperstepStartEvent", _SUPERSTEPS_HINT)
StopRequestedEvent = stub_class("StopRequestedEvent", "RunEndEvent.status tells how a run ended")
NodeAttemptStartEvent = stub_class("NodeAttemptStartEvent", _ATTEMPTS_HINT)
NodeAttemptEndEvent = stub_class("NodeAttemptEndEvent", _ATTEMPTS_HINT)
InnerCacheEvent = stub_class("InnerCacheEvent", "CacheHitEvent is for nodes with cache=True")

# -- families of names

_HOST_HINT: Final = "use DefaultRunner, register_graph(graph) and `holdwater runs`"
_STUB_HINTS_BY_PREFIX: Final = {
    "Host": _HOST_HINT,
    "RunHome": _HOST_HINT,
    "serve": _HOST_HINT,
    "HyperTable": "use a runner with a cache: what did not change is not computed again",
    "Diagnostic": "errors have a message and a hint",
    "Attempt": "use get_steps(workflow_id), which has the attempts of every node",
}
"""prefix of names -> hint"""


def stub_by_prefix(module: str, name: str) -> Any:
    """Return the stub for a name with a known prefix, for a module's `__getattr__`.  Raises AttributeError."""
    for start, hint in _STUB_HINTS_BY_PREFIX.items():
        if name.startswith(start):
            return stub_class(name, hint)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def __getattr__(name: str) -> Any:
    return stub_by_prefix(__name__, name)


compute_cache_key = stub_function("compute_cache_key", "use holdwater.caching.cache_key(node, inputs)")
