"""A graph as one batch function of a DataFrame: its columns in, outputs and errors out."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from holdwater.errors import ConfigError, FunctionCancelled, TaskNotPortable
from holdwater.graphs.compile import compile_graph
from holdwater.graphs.map_items import MapItems
from holdwater.graphs.nodes.call_node import CallNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.context_isolation import context_copier
from holdwater.model.coroutines import run_awaitable
from holdwater.model.error_report import describe_error, type_name
from holdwater.model.portable_code import is_picklable
from holdwater.runners.graphs.arguments import make_node_cache
from holdwater.runners.graphs.daft import node_calls
from holdwater.runners.graphs.daft.row_functions import (
    CallOptions,
    generate_row_function,
    generate_rows_function,
)
from holdwater.runners.graphs.daft.stage_runner import AsyncStageRunner, StageRunner
from holdwater.runners.graphs.local.limiter import CapacityLimiter, limited_by
from holdwater.runners.graphs.local.prepare import PreparedGraph
from holdwater.runners.graphs.local.run_context import RunContext, new_run_id
from holdwater.runtime.executors.event_loop import TaskEventLoop

if TYPE_CHECKING:
    from holdwater.caching import CacheBackend
    from holdwater.graphs.graph_protocol import GraphProtocol

MAX_RESTORED_STAGES: Final = 16
"""number of stages a worker process keeps, with their caches"""


@dataclass(slots=True)
class Rows:
    """The outcome of some rows: a list per output, and exceptions by row, for which the lists have None."""

    columns: list[list[Any]]
    errors: dict[int, BaseException]

    def clear_failed(self) -> None:
        """Set all outputs of failed rows to None."""
        for column in self.columns:
            for index in self.errors:
                column[index] = None


class Stage:
    """A graph for the rows of a DataFrame.

    In the process that made it, a stage that is pickled stands for itself, whatever its functions refer to; it is sent
    to other processes by value.
    """

    def __init__(
        self,
        prepared: PreparedGraph,
        items: MapItems,
        cache: CacheBackend | None,
        max_concurrency: int,
        context: Context,
        key: str = "",
    ) -> None:
        """Create a stage.  `items`: only names and shared values are used.  `context`: the caller's variables."""
        self.prepared, self.items, self.cache, self.max_concurrency = prepared, items, cache, max_concurrency
        self.key = key or new_run_id()
        self.is_async = prepared.compiled.graph.has_async_nodes
        self.is_remote = False
        """True in a process that the stage was sent to"""
        self._context = context
        self._limiter = CapacityLimiter(max_concurrency)
        self._has_own_loops = INSIDE_STAGE.get()  # a coroutine function that waits for this stage holds the shared loop
        self._node_cache = make_node_cache(cache)
        self._lock = threading.Lock()
        self._generated: Callable[..., Any] | None = None
        self._payload: bytes | None = None
        _OWN_STAGES[self.key] = self

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.prepared.outputs

    # -- rows

    def run_rows(self, columns: Sequence[Sequence[Any]], count: int) -> Rows:
        """Run the graph for so many rows, given the values of the mapped inputs.  Called by any thread.

        Raises FunctionCancelled for a function that raised SystemExit or KeyboardInterrupt.
        """
        rows: Iterable[Any] = columns[0] if len(columns) == 1 else zip(*columns) if columns else range(count)
        return self._context.copy().run(self._run, rows)

    def _run(self, rows: Iterable[Any]) -> Rows:
        INSIDE_STAGE.set(True)
        runner = AsyncStageRunner() if self.is_async else StageRunner()
        run_context = RunContext(runner=runner, node_cache=self._node_cache)
        try:
            if self.is_async:
                with limited_by(self._limiter):
                    running = self._run_async(rows, run_context)
                    return run_awaitable(running) if self._has_own_loops else _event_loop().run(running)
            return self._run_sync(rows, run_context)
        except Exception:
            raise
        except BaseException as error:  # Daft would never end
            raise FunctionCancelled(
                f"a function of the graph raised {type_name(error)}, which ends the query"
            ) from error

    def _run_sync(self, rows: Iterable[Any], run_context: RunContext) -> Rows:
        done = self._empty_rows()
        columns, errors = done.columns, done.errors

        def fail(error: BaseException) -> None:
            errors[len(columns[0])] = error
            for column in columns:
                column.append(None)

        arguments = (fail, context_copier(), run_context, *[column.append for column in columns])
        remaining = iter(rows)
        generated = self._generated
        if generated is None:  # the kind of a return value does not change, so it is checked in the first row
            checked = generate_rows_function(
                self.prepared, self.items, CallOptions(self._node_cache, is_async=False, checked=True)
            )
            checked(islice(remaining, 1), *arguments)
            generated = self._get_generated()
        generated(remaining, *arguments)
        return done

    async def _run_async(self, rows: Iterable[Any], run_context: RunContext) -> Rows:
        run_row, new, single = self._get_generated(), context_copier(), len(self.items.params) == 1
        inputs = [(row,) for row in rows] if single or not self.items.params else list(rows)
        if not self.items.params:
            inputs = [()] * len(inputs)
        made = await node_calls.run_concurrently([partial(run_row, new, run_context, *row) for row in inputs])
        done = self._empty_rows()
        for index, one in enumerate(made):
            if isinstance(one, node_calls.Raised):
                done.errors[index] = one.error
                one = [None] * len(done.columns)
            for column, value in zip(done.columns, one or (None,), strict=True):
                column.append(value)
        return done

    def _empty_rows(self) -> Rows:
        return Rows([[] for _ in self.outputs or ("",)], {})

    def _get_generated(self) -> Callable[..., Any]:
        with self._lock:
            if self._generated is None:
                generate = generate_row_function if self.is_async else generate_rows_function
                options = CallOptions(self._node_cache, is_async=self.is_async, checked=self.is_async)
                self._generated = generate(self.prepared, self.items, options)
            return self._generated

    # -- pickles

    def pack(self) -> bytes:
        """Pickle the stage for other processes.  Raises TaskNotPortable, which names the node."""
        if self._payload is None:
            import cloudpickle  # type: ignore[import-untyped, unused-ignore]

            compiled = self.prepared.compiled
            parts = (
                compiled.graph,
                compiled.scope,
                self.prepared.input_names,
                self.items,
                self.cache,
                self.max_concurrency,
            )
            try:
                self._payload = cloudpickle.dumps(parts)
            except Exception as error:  # whatever a __reduce__ may raise
                raise TaskNotPortable(
                    f"graph {compiled.graph.name or ''!r} cannot be sent to the workers: {describe_error(error)}"
                    f"{_find_unpicklable(compiled.graph, self.items.shared)}",
                    hint="create such things inside the function, or in a class marked as stateful, once per worker",
                ) from error
        assert self._payload is not None
        return self._payload

    def __reduce__(self) -> tuple[Any, ...]:
        from holdwater.runners.graphs.daft.library import runs_on_ray

        return (_restore_stage, (self.key, self.pack())) if runs_on_ray() else (_find_own_stage, (self.key,))


INSIDE_STAGE: Final[ContextVar[bool]] = ContextVar("holdwater_daft_stage", default=False)
"""True in functions that run for the rows of a DataFrame"""
_OWN_STAGES: Final[WeakValueDictionary[str, Stage]] = WeakValueDictionary()
_RESTORED_STAGES: Final[OrderedDict[str, Stage]] = OrderedDict()
_RESTORE_LOCK: Final = threading.Lock()


def _find_own_stage(key: str) -> Stage:
    found = _OWN_STAGES.get(key)
    if found is None:
        raise ConfigError(
            "this DataFrame was made by another process, or before Daft was set to run on Ray",
            hint="call daft.set_runner_ray(...) first, once per process, and make the DataFrame after it",
        )
    return found


def _restore_stage(key: str, payload: bytes) -> Stage:
    """Restore a stage once per process, so that the batches of a worker share its caches."""
    with _RESTORE_LOCK:
        found = _OWN_STAGES.get(key)
        if found is None:
            import pickle

            graph, scope, input_names, items, cache, max_concurrency = pickle.loads(payload)
            prepared = PreparedGraph(compile_graph(graph, scope), input_names)
            found = Stage(prepared, items, cache, max_concurrency, Context(), key)
            found.is_remote = True
            _RESTORED_STAGES[key] = found
            if len(_RESTORED_STAGES) > MAX_RESTORED_STAGES:
                _RESTORED_STAGES.popitem(last=False)
        return found


def make_stage(prepared: PreparedGraph, items: MapItems, cache: CacheBackend | None, max_concurrency: int) -> Stage:
    """Create the stage of a request, with the caller's context variables."""
    names = MapItems(items.params, (), items.shared, items.cloned)
    return Stage(prepared, names, cache, max_concurrency, copy_context())


def _find_unpicklable(graph: GraphProtocol, shared: Mapping[str, Any]) -> str:
    """Say which function, input or bound value cannot be pickled."""
    todo: list[tuple[str, GraphProtocol]] = [("", graph)]
    while todo:
        path, one = todo.pop()
        for name, value in {**one.bound, **(shared if one is graph else {})}.items():
            if not is_picklable(value):
                return f"; it is the value of input {path + name!r}"
        for node in one.nodes.values():
            if isinstance(node, GraphNode):
                todo.append((f"{path}{node.name}/", node.graph))
            elif isinstance(node, CallNode) and not is_picklable(node.func):
                return f"; node {path + node.name!r} refers to it"
    return ""


# -- the event loop of coroutine functions, one per process

_LOOPS: Final[dict[int, TaskEventLoop]] = {}


def _event_loop() -> TaskEventLoop:
    """Return the loop of this process; clients that a coroutine function keeps can be used by the next batch."""
    process_id = os.getpid()
    with _RESTORE_LOCK:
        if process_id not in _LOOPS:
            _LOOPS[process_id] = loop = TaskEventLoop()
            atexit.register(loop.close)
        return _LOOPS[process_id]
