"""Conversion of the arguments of `run` and `map` to a request, and of an outcome to a result."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args
from weakref import WeakSet

from holdwater.errors import (
    ConfigError,
    GraphConfigError,
    IncompatibleRunnerError,
    InputError,
    MissingInputError,
    MissingOutputError,
)
from holdwater.graphs.graph import Graph
from holdwater.graphs.graph_protocol import GraphProtocol
from holdwater.graphs.inputs import merge_inputs
from holdwater.graphs.map_items import expand_items
from holdwater.graphs.messages import join_names
from holdwater.graphs.nodes.map_config import MapMode
from holdwater.graphs.runner_compatibility import validate_runner_compatibility
from holdwater.model.statuses import RunStatus
from holdwater.model.suggestions import did_you_mean
from holdwater.runners.graphs.local.prepare import GivenInputs, OptionalNames, PreparedRequest, prepare_request
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.results import MapResult, RunResult, make_map_result

if TYPE_CHECKING:
    from holdwater.caching import CacheBackend
    from holdwater.events.dispatcher import EventDispatcher
    from holdwater.events.processors import EventProcessor
    from holdwater.graphs.node_call import NodeCacheProtocol
    from holdwater.runners.graphs.base import BaseRunner
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo

ErrorHandling = Literal["raise", "continue"]
OnMissing = Literal["ignore", "warn", "error"]
ResumeMode = Literal["merge", "strict"]


class CompatibilityCache:
    """The graphs that were found compatible with a runner."""

    def __init__(self, runner: BaseRunner) -> None:
        self._runner = runner
        self._compatible: WeakSet[GraphProtocol] = WeakSet()

    def __getstate__(self) -> dict[str, Any]:
        """Support pickle, without the cached graphs: another process checks them again."""
        return {"_runner": self._runner}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_runner"])  # type: ignore[misc]

    def check_graph(self, graph: GraphProtocol) -> None:
        """Check a graph.  Raises IncompatibleRunnerError, and GraphConfigError for an object that is not a graph."""
        if not isinstance(graph, Graph):
            what = repr(graph) if isinstance(graph, str) else f"a {type(graph).__name__}"
            raise GraphConfigError(
                f"{type(self._runner).__name__} runs graphs, not {what}",
                hint='make one: Graph([...], name="...")',
            )
        if graph in self._compatible:
            return
        validate_runner_compatibility(graph, self._runner)
        self._check_timeouts(graph)
        self._compatible.add(graph)

    def _check_timeouts(self, graph: GraphProtocol) -> None:
        """Check that only asynchronous nodes have a time-out: a thread cannot be stopped.  Raises GraphConfigError."""
        todo: list[tuple[GraphProtocol, Any]] = [(graph, self._runner)]
        while todo:
            graph, runner = todo.pop()
            for name, node in graph.nodes.items():
                if node.timeout is not None and not (node.is_async and runner.capabilities.supports_async_nodes):
                    raise IncompatibleRunnerError(
                        f"node {name!r} has a timeout, but {type(runner).__name__} cannot stop a plain function",
                        node_name=name,
                        capability="timeout",
                        hint="make it an async def under AsyncRunner, or use a durable runner",
                    )
            todo += [(one.graph, one.explicit_runner or runner) for one in graph.nested_graphs]


def check_interrupt_handlers(graph: GraphProtocol, handlers: Iterable[str]) -> None:
    """Check that every handler belongs to an interrupt of the graph.  Raises InputError."""
    todo, known = [(graph, "")], dict[str, None]()
    while todo:
        one, stem = todo.pop()
        for name in [name for name, node in one.nodes.items() if node.is_interrupt]:
            known.update({name: None, stem + name: None})
        todo += [(nested.graph, f"{stem}{nested.node_name}/") for nested in one.nested_graphs]
    for key in handlers:
        name = "/".join([part for part in key.split("/") if not part.isdecimal()])  # without the indexes of items
        if name not in known:
            raise InputError(
                f"interrupt_handlers names {key!r}, and the graph has no such interrupt",
                hint=did_you_mean(name, known) or f"its interrupts: {join_names(known)}",
            )


def build_request(
    graph: GraphProtocol, given: GivenInputs, select: Iterable[str] | None, entrypoint: str | Sequence[str] | None
) -> PreparedRequest:
    """Build the request of a run.  Raises InputError, MissingInputError, GraphConfigError."""
    return prepare_request(graph, given, normalize_names(select), normalize_names(entrypoint))


def make_failed_map_result(
    error: MissingInputError, graph: GraphProtocol, given: GivenInputs, map_over: str | Iterable[str], map_mode: MapMode
) -> MapResult:
    """Build the result of a map whose items all lack an input.  Raises MapOverError."""
    merged = merge_inputs(graph, given.inputs, values=given.values, keywords=given.keywords)
    items = expand_items(merged, map_over, map_mode)
    return make_map_result(
        [RunResult.from_outcome(RunOutcome({}, error)) for _ in items.rows], items.params, map_mode, ""
    )


def check_options(
    *,
    error_handling: str,
    on_missing: str = "ignore",
    resume: str = "merge",
    max_iterations: int | None = None,
    workflow_id: str | None = None,
    has_checkpointer: bool = False,
) -> None:
    """Check options before anything runs.  `has_checkpointer`: of the runner.  Raises ConfigError (a ValueError)."""
    for name, given, allowed in (
        ("error_handling", error_handling, get_args(ErrorHandling)),
        ("on_missing", on_missing, get_args(OnMissing)),
        ("resume", resume, get_args(ResumeMode)),
    ):
        if given not in allowed:
            raise ConfigError(f"{name} is one of {', '.join(allowed)}, not {given!r}")
    if max_iterations is not None and (type(max_iterations) is not int or max_iterations < 1):
        raise ConfigError(f"max_iterations is an integer of 1 or more, or None for no limit, not {max_iterations!r}")
    if workflow_id is not None:
        if not has_checkpointer:
            raise ConfigError(
                f"workflow_id {workflow_id!r} was given, but the runner has no checkpointer to keep the workflow",
                hint="AsyncRunner(checkpointer=...), or leave it out",
            )
        if "/" in workflow_id:
            raise ConfigError(f'a workflow_id cannot contain "/": {workflow_id!r}')


def to_result(
    outcome: RunOutcome,
    outputs: Sequence[str],
    error_handling: str,
    on_missing: str,
    **attributes: Any,
) -> RunResult:
    """Convert an outcome to the result with these outputs.

    Raises the error of a failed run unless `error_handling` is "continue", and MissingOutputError.
    """
    if outcome.error is not None and error_handling == "raise":
        raise outcome.error
    if on_missing != "ignore" and outcome.status == RunStatus.COMPLETED:
        _report_missing_outputs(outcome, outputs, on_missing)
    return RunResult.from_outcome(outcome, **attributes)


def make_node_cache(cache: CacheBackend | None) -> NodeCacheProtocol | None:
    """Wrap a runner's cache for its runs; None without a cache."""
    if cache is None:
        return None
    from holdwater.runners.graphs.local.cache_lookup import NodeCacheAdapter

    return NodeCacheAdapter(cache)


def make_dispatcher(
    *processors: Sequence[EventProcessor] | None,
) -> EventDispatcher | None:
    """Create the dispatcher to all these processors; None if there are none."""
    listening = [processor for several in processors for processor in several or ()]
    if not listening:
        return None
    from holdwater.events.dispatcher import EventDispatcher

    return EventDispatcher(listening)


def _report_missing_outputs(outcome: RunOutcome, outputs: Sequence[str], on_missing: str) -> None:
    missing = [name for name in outputs if name not in outcome.outputs]
    if not missing:
        return
    text = f"not made in this run: {', '.join(missing)}"
    if on_missing == "error":
        raise MissingOutputError(text, hint="a gate may have closed the way there; on_missing='ignore' leaves them out")
    warnings.warn(text, UserWarning, stacklevel=4)


def normalize_names(value: str | Iterable[str] | None) -> OptionalNames:
    """Convert one name or several to a tuple; None stays None."""
    return None if value is None else (value,) if isinstance(value, str) else tuple(value)


def warn_of_lost_answers(answered_ids: Collection[str], pauses: Sequence[PauseInfo]) -> None:
    """Warn (UserWarning) if only some paused items of a map were answered: unrecorded answers are lost."""
    answered = {
        _without_item_numbers(pause_id) for pause_id in answered_ids if _without_item_numbers(pause_id) != pause_id
    }
    left = [pause.pause_id for pause in pauses if _without_item_numbers(pause.pause_id) in answered]
    if left:
        warnings.warn(
            f"{join_names(left)} still wait for answers, and those that were given are not kept: "
            "without a checkpointer "
            "every run begins anew. Give the answers of all items at once (result.pauses), or use a checkpointer",
            UserWarning,
            stacklevel=2,
        )


def _without_item_numbers(pause_id: str) -> str:
    return "/".join([part for part in pause_id.split("/") if not part.isdecimal()])
