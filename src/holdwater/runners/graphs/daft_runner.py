"""DaftRunner: graphs over the rows of Daft DataFrames, on this machine and on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import GraphConfigError
from holdwater.graphs.map_items import MapItems, expand_items
from holdwater.graphs.runner_compatibility import validate_map_compatible
from holdwater.model import validation
from holdwater.model.suggestions import did_you_mean
from holdwater.runners.graphs.arguments import (
    CompatibilityCache,
    ErrorHandling,
    OnMissing,
    ResumeMode,
    build_request,
    check_options,
    normalize_names,
    to_result,
)
from holdwater.runners.graphs.base import BaseRunner, MapMode
from holdwater.runners.graphs.capabilities import RunnerCapabilities
from holdwater.runners.graphs.daft import frames
from holdwater.runners.graphs.daft.library import check_gpus, import_daft
from holdwater.runners.graphs.daft.stage import INSIDE_STAGE, Stage, make_stage
from holdwater.runners.graphs.daft.stage_runner import StageRunner, daft_capabilities
from holdwater.runners.graphs.local.nesting import expand_inner_items, to_columns
from holdwater.runners.graphs.local.prepare import GivenInputs, PreparedGraph, prepare_nested, prepare_request
from holdwater.runners.graphs.local.run_context import RunContext
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.map_order import MapOrder
from holdwater.runners.graphs.results import MapResult, RunResult, make_map_result
from holdwater.runners.graphs.signatures import option_names

if TYPE_CHECKING:
    import daft

    from holdwater.caching import CacheBackend
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.durable.checkpointers import Checkpointer
    from holdwater.runners.graphs.durable.map_results import DurableMapResult

DEFAULT_MAX_CONCURRENCY: Final = 100
"""functions at once, per process, in graphs with coroutine functions"""
RECORDED_BATCH_ITEMS: Final = 500
"""items of a durable map in one DataFrame, recorded together"""


class DaftRunner(BaseRunner):
    """Runs graphs without loops, gates and interrupts over the rows of Daft DataFrames.

    The graph is compiled to one batch function, natively and, after `daft.set_runner_ray()`, on Ray.
    """

    def __init__(
        self,
        *,
        cache: CacheBackend | None = None,
        checkpointer: Checkpointer | None = None,
        max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
        batch_size: int | None = None,
        num_cpus: float | None = None,
        num_gpus: float = 0,
    ) -> None:
        """Create a runner.

        `cache`: stores the results of nodes with `cache=True`; a MemoryCache is one per worker process.
        `checkpointer`: records the items of maps with a `workflow_id`.
        `max_concurrency`: functions at once, per process, in graphs with coroutine functions.  `batch_size`: maximum of
        rows per batch; None: as Daft decides.  `num_cpus`, `num_gpus`: of each batch, for the scheduler.

        Raises ImportError without the package daft, ConfigError.
        """
        import_daft()
        validation.check_count("max_concurrency", max_concurrency, minimum=1)
        if batch_size is not None:
            validation.check_count("batch_size", batch_size, minimum=1)
        self.cache = cache
        self.checkpointer = checkpointer
        self.max_concurrency = max_concurrency
        self.batch_options = frames.BatchOptions(batch_size, num_cpus, num_gpus)
        self._compatibility = CompatibilityCache(self)

    @property
    def capabilities(self) -> RunnerCapabilities:
        return daft_capabilities()

    def run(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        error_handling: ErrorHandling = "raise",
        on_missing: OnMissing = "ignore",
        **keywords: Any,
    ) -> RunResult:
        """Run a graph once, as a DataFrame of one row.

        - `inputs`, `values`, keywords: input values by name.
        - `select`: outputs to return, by names and globs; by default the leaves.
        - `error_handling`: "continue" returns a failed result instead of raising.
        - `on_missing`: "ignore", "warn" or "error" for a selected output that was not written.

        Raises the exception of a node unchanged, or GraphFailed for one that cannot be pickled where it ran on another
        machine; MissingInputError, GraphConfigError, IncompatibleRunnerError, ConfigError, TaskNotPortable.
        """
        check_options(error_handling=error_handling, on_missing=on_missing)
        self._check(graph)
        asked = build_request(graph, GivenInputs(inputs, values, keywords, _RUN_OPTIONS), select, entrypoint)
        (outcome,) = self._collect(asked.prepared, MapItems((), [()], asked.inputs))
        return to_result(outcome, asked.prepared.outputs, error_handling, on_missing)

    def map(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        map_over: str | Iterable[str],
        map_mode: MapMode = "zip",
        values: Mapping[str, Any] | None = None,
        clone: bool | Iterable[str] = False,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        **keywords: Any,
    ) -> daft.DataFrame:
        """Return a lazy DataFrame with one row per item of the mapped inputs, which are lists, in their order.

        Its columns are the mapped inputs, the outputs, and `_error`: the text of the error of a failed row, which has
        nulls for outputs.  Functions run when the frame is collected or shown, and again for each other frame derived
        from one that is not collected.

        - `map_mode`: "zip" pairs the lists, "product" uses every combination, the last input varying fastest.
        - `clone`: every item gets deep copies of these other inputs (True: all of them); by default items share them.
        - `select`: outputs, by names and globs; by default the leaves.
        - `workflow_id`, `resume`: a durable map, as `collect_map` makes it: its missing and failed items run now, and
          the frame has what is recorded, so that nothing runs when it is collected.

        Raises MapOverError (a ValueError) for lists of unequal length, GraphConfigError, also for a graph with
        interrupts, MissingInputError, IncompatibleRunnerError, ConfigError, TaskNotPortable; with `workflow_id` also
        InvalidTransition, EncodingError, RunInProgress, StoreUnavailable.
        """
        given = GivenInputs(inputs, values, keywords, _MAP_OPTIONS)
        self._check_resume(workflow_id, resume)
        if workflow_id is not None:
            params = (map_over,) if isinstance(map_over, str) else tuple(map_over)
            wanted, entry = normalize_names(select), normalize_names(entrypoint)
            return self._map_recorded(
                MapOrder(graph, workflow_id, given, params, map_mode, clone, wanted, entry, resume, "continue")
            )
        prepared, items = self._prepare_map(graph, given, map_over, map_mode, clone, select, entrypoint)
        _check_columns(items.params, prepared.outputs)
        return frames.map_frame(items, self._make_stage(prepared, items), self.batch_options)

    def collect_map(
        self,
        graph: Graph,
        inputs: Mapping[str, Any] | None = None,
        *,
        map_over: str | Iterable[str],
        map_mode: MapMode = "zip",
        values: Mapping[str, Any] | None = None,
        clone: bool | Iterable[str] = False,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        error_handling: ErrorHandling = "raise",
        workflow_id: str | None = None,
        resume: ResumeMode = "merge",
        **keywords: Any,
    ) -> MapResult:
        """Map now, and return the results themselves, as a SyncRunner does; for values that are no columns.

        - `error_handling`: "raise" raises the first exception after all items have run; "continue" returns failed
          results in their places.
        - `workflow_id`, `resume`: as for `SyncRunner.map`, which may have begun the map or go on with it.  Items are
          recorded in batches of 500; "raise" draws no more items behind the batch of the first failure.

        Further arguments and exceptions as for `map`; also the exception of a node, as from `run`.
        """
        check_options(error_handling=error_handling)
        self._check_resume(workflow_id, resume)
        given = GivenInputs(inputs, values, keywords, _COLLECT_OPTIONS)
        if workflow_id is not None:
            order = MapOrder(
                graph,
                workflow_id,
                given,
                map_over,
                map_mode,
                clone,
                normalize_names(select),
                normalize_names(entrypoint),
                resume,
                error_handling,
            )
            return self._map_durably(order)
        prepared, items = self._prepare_map(graph, given, map_over, map_mode, clone, select, entrypoint)
        outcomes = self._collect(prepared, items) if len(items) else []
        results = [to_result(one, (), error_handling, "ignore") for one in outcomes]
        return make_map_result(results, items.params, map_mode, "")

    def map_dataframe(
        self,
        graph: Graph,
        df: daft.DataFrame,
        *,
        columns: Mapping[str, str] | Iterable[str] | None = None,
        values: Mapping[str, Any] | None = None,
        clone: bool | Iterable[str] = False,
        select: Iterable[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        **broadcast: Any,
    ) -> daft.DataFrame:
        """Add the outputs of a graph to a DataFrame, lazily: one run per row, and `_error` as in `map`.

        - `columns`: the columns that are inputs, or input -> column; by default those that have the name of an input.
        - `values`, keywords: inputs that all rows share.
        - `clone`: every row gets deep copies of these shared inputs (True: all of them).

        Raises GraphConfigError for a missing column, one that is also given as a value, and one that has the name of an
        output; further exceptions as for `map`.
        """
        validate_map_compatible(graph, f"{type(self).__name__}.map_dataframe() was called")
        self._check(graph)
        sources = _resolve_columns(graph, df.column_names, columns, {*(values or ()), *broadcast})
        placeholders = dict.fromkeys(sources, _COLUMN)
        given = GivenInputs(placeholders, values, broadcast, _MAP_DATAFRAME_OPTIONS)
        asked = build_request(graph, given, select, entrypoint)
        items = (
            expand_items({**asked.inputs, **{name: [] for name in sources}}, tuple(sources), "zip", clone)
            if sources
            else MapItems((), [], asked.inputs)
        )
        _check_columns(df.column_names, asked.prepared.outputs)
        return frames.with_outputs(df, self._make_stage(asked.prepared, items), sources, self.batch_options)

    def run_inside(self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run the graph of a node within an outer run: once or per item, as rows of a DataFrame.

        Inside a function that runs for a row of a DataFrame the graph runs in that process.
        """
        if INSIDE_STAGE.get():
            return StageRunner().run_inside(node, inputs, run_context)
        config = node.map_config
        if config is None:
            given = node.inner_inputs(inputs)
            prepared = prepare_nested(node.graph, given, node.inner_selection)
            (outcome,) = self._collect(prepared, MapItems((), [()], given))
            return outcome
        items = expand_inner_items(node, inputs)
        outcomes = self._collect(prepare_nested(node.graph, items.input_names, node.inner_selection), items)
        if config.error_handling == "raise":
            failed = next((one for one in outcomes if one.error is not None), None)
            if failed is not None:
                return RunOutcome({}, failed.error)
        return RunOutcome(to_columns(node, [None if one.error is not None else one.outputs for one in outcomes]))

    def _prepare_map(
        self,
        graph: Graph,
        given: GivenInputs,
        map_over: str | Iterable[str],
        map_mode: MapMode,
        clone: bool | Iterable[str],
        select: Iterable[str] | None,
        entrypoint: str | Sequence[str] | None,
    ) -> tuple[PreparedGraph, MapItems]:
        validate_map_compatible(graph, f"{type(self).__name__}.map() was called")
        self._check(graph)
        asked = build_request(graph, given, select, entrypoint)
        return asked.prepared, expand_items(asked.inputs, map_over, map_mode, clone)

    def _map_durably(self, order: MapOrder) -> DurableMapResult:
        from holdwater.runners.graphs.durable.map_request import run_map_in_batches

        assert self.checkpointer is not None
        validate_map_compatible(order.graph, f"a durable map of {type(self).__name__} was called")
        self._check(order.graph)
        context = RunContext(runner=self, workflow_id=order.workflow_id)
        return run_map_in_batches(self.checkpointer, order, context, self._collect, RECORDED_BATCH_ITEMS)

    def _map_recorded(self, order: MapOrder) -> daft.DataFrame:
        """Run what is missing of a durable map, and return the DataFrame of all that is recorded."""
        asked = prepare_request(order.graph, order.given, order.select, order.entrypoint)
        given = {  # read twice: iterators become lists
            name: list(value) if name in order.map_over and isinstance(value, Iterator) else value
            for name, value in asked.inputs.items()
        }
        items = expand_items(given, order.map_over, order.map_mode, order.clone)
        _check_columns(items.params, asked.prepared.outputs)
        results = self._map_durably(replace(order, given=GivenInputs(given, None, {})))
        return frames.recorded_frame(items, asked.prepared.outputs, order.graph, results)

    def _check_resume(self, workflow_id: str | None, resume: str) -> None:
        check_options(
            error_handling="raise",
            resume=resume,
            workflow_id=workflow_id,
            has_checkpointer=self.checkpointer is not None,
        )

    def _check(self, graph: GraphProtocol) -> None:
        self._compatibility.check_graph(graph)
        check_gpus(self.batch_options.num_gpus)

    def _make_stage(self, prepared: PreparedGraph, items: MapItems) -> Stage:
        return make_stage(prepared, items, self.cache, self.max_concurrency)

    def _collect(self, prepared: PreparedGraph, items: MapItems) -> list[RunOutcome]:
        return frames.collect_outcomes(items, self._make_stage(prepared, items), self.batch_options)


class _Column:
    """In the place of a value: a column of the DataFrame."""


_COLUMN: Final = _Column()
_RUN_OPTIONS: Final = option_names(DaftRunner.run)
_MAP_OPTIONS: Final = option_names(DaftRunner.map)
_COLLECT_OPTIONS: Final = option_names(DaftRunner.collect_map)
_MAP_DATAFRAME_OPTIONS: Final = option_names(DaftRunner.map_dataframe)


def _resolve_columns(
    graph: Graph, there: Sequence[str], columns: Mapping[str, str] | Iterable[str] | None, shared: set[str]
) -> dict[str, str]:
    """Return input -> column.  Raises GraphConfigError."""
    if columns is None:
        return {name: name for name in there if name in graph.input_names and name not in shared}
    asked = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    for name, column in asked.items():
        if column not in there:
            raise GraphConfigError(
                f"the DataFrame has no column {column!r}", hint=did_you_mean(column, there) or f"it has {list(there)}"
            )
        if name in shared:
            raise GraphConfigError(f"input {name!r} is given twice: as column {column!r} and as a value")
    return asked


def _check_columns(columns: Iterable[str], outputs: Iterable[str]) -> None:
    for name in columns:
        if name in (*outputs, frames.ERROR_COLUMN):
            raise GraphConfigError(
                f"the DataFrame would have two columns {name!r}: one that is there, and one that the graph makes",
                hint="select other outputs, or rename the column or the output",
            )
