"""What the original has and this version of Holdwater has not: names that say so when they are used.

Each goes away with the release that brings the thing itself; a test fails as soon as Holdwater has the name.
"""

from __future__ import annotations

from typing import Any, Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import class_, function

# -- runners

_FORK: Final = "use checkpointer.fork(workflow_id, from_node, values), then run(graph, workflow_id=<the new id>)"
_ALL_EVENTS: Final = "use an event processor: its events have the inputs, the outputs and the errors of every node"
_ALONGSIDE: Final = "use asyncio.create_task(runner.run(...)), or DefaultRunner.submit(...), whose runs can be steered"

DaftRunner = class_("DaftRunner", "use AsyncRunner().map(..., max_concurrency=...)")
SyncHandle = class_("SyncHandle", _ALONGSIDE)
AsyncHandle = class_("AsyncHandle", _ALONGSIDE)
FailureEvidence = class_("FailureEvidence", _ALL_EVENTS)
get_failure_evidence = function("get_failure_evidence", _ALL_EVENTS)
InspectionDisplay = class_("InspectionDisplay", _ALL_EVENTS)
ProcessLocalLimiter = class_("ProcessLocalLimiter", "use max_concurrency= of the run")
RetryAfterError = class_("RetryAfterError", "set initial_delay of the RetryPolicy")
NodeSpanRef = class_("NodeSpanRef", "use OpenTelemetryProcessor")
current_node_span = function("current_node_span", "use OpenTelemetryProcessor")
set_display_mode = function("set_display_mode", "use graph.visualize() or print")
get_display_mode = function("get_display_mode", "use graph.visualize() or print")


class RunnerMethods:
    """Comes after the runner among its bases, so that a method Holdwater gets wins over its stand-in."""

    start_run = function("start_run", _ALONGSIDE)
    start_map = function("start_map", _ALONGSIDE)
    stop = function("stop", "cancel the task that awaits the run")
    map_iter = function("map_iter", "use map(): results come together, in the order of the items")


REFUSED_OPTIONS: Final = {
    "checkpoint": _FORK,
    "fork_from": _FORK,
    "retry_from": "run it again under the same workflow_id: what failed is tried again",
    "override_workflow": "give new inputs under the same workflow_id, or " + _FORK.removeprefix("use "),
    "inspect": _ALL_EVENTS,
}
"""options of `run` and `map` -> what to do instead"""


def refuse_options(options: dict[str, Any]) -> None:
    """Drop options that are switched off.  Raises NotInThisVersion for one that is not."""
    for name, hint in REFUSED_OPTIONS.items():
        if options.pop(name, None):
            function(f"{name}=", hint)()


# -- graphs


class GraphMethods:
    """As for runners."""

    with_processors = function("with_processors", "give event_processors= to the runner or to the run")
    with_provider_limit = function("with_provider_limit", "use max_concurrency= of the run")
    as_table = function("as_table", "use a runner with a cache: what did not change is not computed again")


# -- checkpointers


class CheckpointerMethods:
    """As for runners."""

    search = function("search", "use list_workflows(status=..., graph_name=...)")
    search_async = function("search_async", "use list_workflows(status=..., graph_name=...)")
    lineage = function("lineage", "use get_workflow(workflow_id).forked_from")
    stats = function("stats", "use get_steps(workflow_id), which has the durations")
    fork_workflow = function("fork_workflow", _FORK)
    fork_workflow_async = function("fork_workflow_async", _FORK)
    retry_workflow = function("retry_workflow", REFUSED_OPTIONS["retry_from"])
    retry_workflow_async = function("retry_workflow_async", REFUSED_OPTIONS["retry_from"])


_TAGGED: Final = "values are stored as JSON with tagged types, dataclasses and models too"

SqliteRunInspector = class_("SqliteRunInspector", "use SqliteCheckpointer, or `holdwater runs`")
PickleSerializer = class_("PickleSerializer", _TAGGED)
Serializer = class_("Serializer", _TAGGED + "; holdwater.register_type(...) for other types")

# -- events

_NO_SUPERSTEPS: Final = "nodes start as soon as they can; RunEndEvent.iterations counts the supersteps of loops"
_ATTEMPTS: Final = "NodeErrorEvent and NodeEndEvent tell how the last attempt went"

SuperstepStartEvent = class_("SuperstepStartEvent", _NO_SUPERSTEPS)
StopRequestedEvent = class_("StopRequestedEvent", "RunEndEvent.status tells how a run ended")
NodeAttemptStartEvent = class_("NodeAttemptStartEvent", _ATTEMPTS)
NodeAttemptEndEvent = class_("NodeAttemptEndEvent", _ATTEMPTS)
InnerCacheEvent = class_("InnerCacheEvent", "CacheHitEvent is for nodes with cache=True")

# -- families of names

_HOST: Final = "use DefaultRunner, register_graph(graph) and `holdwater runs`"
_FAMILIES: Final = {
    "Host": _HOST,
    "RunHome": _HOST,
    "serve": _HOST,
    "HyperTable": "use a runner with a cache: what did not change is not computed again",
    "Diagnostic": "errors have a message and a hint",
    "Attempt": "use get_steps(workflow_id), which has the attempts of every node",
}
"""what the names begin with -> what to do instead"""


def of_family(module: str, name: str) -> Any:
    """The stand-in for a name of a family, as a module's `__getattr__` wants it.  Raises AttributeError."""
    for start, hint in _FAMILIES.items():
        if name.startswith(start):
            return class_(name, hint)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def __getattr__(name: str) -> Any:
    return of_family(__name__, name)


compute_cache_key = function("compute_cache_key", "use holdwater.caching.cache_key(node, inputs)")
