"""DataFrames of graphs: the stage of a graph as an expression of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import GraphFailed
from holdwater.model.error_report import describe_error
from holdwater.model.statuses import RunStatus
from holdwater.runners.graphs.daft import columns as kinds
from holdwater.runners.graphs.daft.library import import_daft, runs_on_ray
from holdwater.runners.graphs.daft.row_order import ROW_COLUMN, number_rows, spread_rows
from holdwater.runners.graphs.daft.stage import Rows, Stage
from holdwater.runners.graphs.local.error_location import find_location
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    import daft

    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.map_items import MapItems
    from holdwater.runners.graphs.durable.map_results import DurableMapResult

ERROR_COLUMN: Final = "_error"
"""text of the error of a row, with the node that raised it; null for rows without one"""
PAUSED_TEXT: Final = "paused: it has not run; call map() again with this workflow_id"
_OUTCOME_COLUMN: Final = "_outcome"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options of the batch function.  `batch_size`: maximum of rows.  `num_cpus`, `num_gpus`: per call of it."""

    batch_size: int | None = None
    num_cpus: float | None = None
    num_gpus: float = 0


def map_frame(items: MapItems, stage: Stage, options: BatchOptions) -> daft.DataFrame:
    """Make the lazy DataFrame of a map: mapped inputs, outputs and errors, in the order of the items.

    Raises TaskNotPortable as `with_outputs` does.
    """
    frame, sources = _numbered_frame(items), {name: name for name in items.params}
    if not runs_on_ray():
        return with_outputs(frame.exclude(ROW_COLUMN), stage, sources, options)
    made = with_outputs(spread_rows(frame, len(items)), stage, sources, options)
    return made.sort(ROW_COLUMN).exclude(ROW_COLUMN)


def recorded_frame(
    items: MapItems, outputs: Sequence[str], graph: GraphProtocol, results: DurableMapResult
) -> daft.DataFrame:
    """Make the DataFrame of a durable map that has been called, with the columns of `map_frame`."""
    texts = {row.index: row.error or "failed" for row in results.iter_failed_rows()}
    columns: list[list[Any]] = [[] for _ in outputs]
    for index, result in enumerate(results):
        for name, column in zip(outputs, columns, strict=True):
            column.append(result.get(name))
        if result.status is RunStatus.PAUSED:
            texts[index] = PAUSED_TEXT
    rows, typed = Rows(columns, {}), [(name, _kind_of_output(graph, name)) for name in outputs]
    made = _typed_series(typed, rows)
    if rows.errors:
        rows.clear_failed()
        made = _typed_series(typed, rows)
        texts.update({index: error_text(error) for index, error in rows.errors.items()})
    inputs = {name: kinds.make_input_series([row[k] for row in items.rows]) for k, name in enumerate(items.params)}
    return import_daft().from_pydict({**inputs, **made, ERROR_COLUMN: _text_series(texts, len(items))})


def _typed_series(outputs: Sequence[tuple[str, str]], rows: Rows) -> dict[str, Any]:
    return {
        name: kinds.make_output_series(kind, column, name, rows.errors)
        for (name, kind), column in zip(outputs, rows.columns, strict=True)
    }


def _numbered_frame(items: MapItems) -> daft.DataFrame:
    """Make a DataFrame of the mapped inputs and the numbers of the rows."""
    columns = {name: [row[k] for row in items.rows] for k, name in enumerate(items.params)}
    made = {name: kinds.make_input_series(column) for name, column in columns.items()}
    return import_daft().from_pydict({**made, ROW_COLUMN: number_rows(len(items))})


def with_outputs(
    frame: daft.DataFrame, stage: Stage, sources: Mapping[str, str], options: BatchOptions
) -> daft.DataFrame:
    """Add the outputs of the stage and a column of errors, lazily.  `sources`: input -> column.

    Raises TaskNotPortable where the stage runs on other machines and cannot be sent there.
    """
    outputs = [(name, _kind_of_output(stage.prepared.compiled.graph, name)) for name in stage.outputs]
    outputs = [(name, kind) for name, kind in outputs if name not in frame.column_names]

    def evaluate(*series: Any) -> Any:
        rows = _run_series(stage, series)
        count_failed = len(rows.errors)
        made = _output_series(stage, outputs, rows)
        if len(rows.errors) > count_failed:  # values that their columns cannot hold: these rows have nulls, as others
            rows.clear_failed()
            made = _output_series(stage, outputs, rows)
        texts = {index: error_text(error) for index, error in rows.errors.items()}
        return _pack_struct({**made, ERROR_COLUMN: _text_series(texts, len(series[0]))})

    struct = {**{name: kinds.daft_type(kind) for name, kind in outputs}, ERROR_COLUMN: kinds.daft_type(kinds.STRING)}
    library = import_daft()
    call = _batch_function(stage, evaluate, library.DataType.struct(struct), options, unnest=True)
    kept = [library.col(name) for name in frame.column_names]
    return frame.select(*kept, call(*_arguments(frame, stage, sources)))


def collect_outcomes(items: MapItems, stage: Stage, options: BatchOptions) -> list[RunOutcome]:
    """Run the stage for items now; returns their outcomes in order, with the exceptions themselves."""
    library = import_daft()
    frame = _numbered_frame(items)
    if runs_on_ray():
        frame = spread_rows(frame, len(items))

    def evaluate(*series: Any) -> Any:
        rows = _run_series(stage, series)
        if stage.is_remote:
            for name, column in zip(stage.outputs, rows.columns):
                kinds.find_unpicklable(column, name, rows.errors)
            rows.errors.update({index: _portable_error(error) for index, error in rows.errors.items()})
        made = [
            (None, rows.errors[index]) if index in rows.errors else (values, None)
            for index, values in enumerate(zip(*rows.columns, strict=True))
        ]
        return kinds.make_python_series(made)

    call = _batch_function(stage, evaluate, library.DataType.python(), options, unnest=False)
    sources = {name: name for name in items.params}
    outcome = call(*_arguments(frame, stage, sources)).alias(_OUTCOME_COLUMN)
    found = frame.select(library.col(ROW_COLUMN), outcome).to_pydict()
    done = [one for _, one in sorted(zip(found[ROW_COLUMN], found[_OUTCOME_COLUMN], strict=True), key=itemgetter(0))]
    outcomes = [RunOutcome({} if values is None else dict(zip(stage.outputs, values)), error) for values, error in done]
    return [one.for_item(index) for index, one in enumerate(outcomes)] if items.params else outcomes


def _arguments(frame: daft.DataFrame, stage: Stage, sources: Mapping[str, str]) -> Sequence[Any]:
    """Return the columns that the batch function is called with; without inputs one that tells the number of rows."""
    names = [sources[name] for name in stage.items.params] or [frame.column_names[0]]
    return [import_daft().col(name) for name in names]


def _batch_function(stage: Stage, evaluate: Any, dtype: Any, options: BatchOptions, *, unnest: bool) -> Any:
    if runs_on_ray():
        stage.pack()  # an error names the node
    evaluate.__qualname__ = evaluate.__name__ = stage.prepared.compiled.graph.name or "graph"
    evaluate.__module__ = "graphs"
    return import_daft().func.batch(
        return_dtype=dtype,
        unnest=unnest,
        batch_size=options.batch_size,
        cpus=options.num_cpus,
        gpus=options.num_gpus,
        use_process=False,  # by default Daft may move the function to another process while it runs
    )(evaluate)


def _output_series(stage: Stage, outputs: Sequence[tuple[str, str]], rows: Rows) -> dict[str, Any]:
    made = dict(zip(stage.outputs, rows.columns))
    if stage.is_remote:
        for name, kind in outputs:
            if kind == kinds.PYTHON:
                kinds.find_unpicklable(made[name], name, rows.errors)
    return {name: kinds.make_output_series(kind, made[name], name, rows.errors) for name, kind in outputs}


def _run_series(stage: Stage, series: Sequence[Any]) -> Rows:
    inputs = [one.to_pylist() for one in series[: len(stage.items.params)]]
    return stage.run_rows(inputs, len(series[0]))


def _pack_struct(series: Mapping[str, Any]) -> Any:
    """Make one column of several, without a look at their values."""
    from daft.functions import to_struct
    from daft.recordbatch import RecordBatch

    column = import_daft().col
    packed = RecordBatch.from_pydict(dict(series)).eval_expression_list([to_struct(*[column(name) for name in series])])
    return packed.get_column(0)


def _text_series(texts: Mapping[int, str], count: int) -> Any:
    """Make a column of texts by row, null for rows without one."""
    import pyarrow

    if not texts:
        return import_daft().Series.from_arrow(pyarrow.nulls(count, type=pyarrow.large_string()))
    column = [texts.get(index) for index in range(count)]
    return import_daft().Series.from_arrow(pyarrow.array(column, type=pyarrow.large_string()))


def error_text(error: BaseException) -> str:
    """`Type: message (in node 'name', inputs: x, y)`."""
    location = find_location(error)
    return describe_error(error) + (f" ({location})" if location is not None else "")


def _portable_error(error: BaseException) -> BaseException:
    """Return the exception, or one that tells its text if it cannot be pickled."""
    import pickle

    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    try:
        pickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        return GraphFailed(error_text(error), hint="its exception cannot be pickled, so only its text is known here")
    return error


def _kind_of_output(graph: GraphProtocol, name: str) -> str:
    makers = [graph.nodes[one] for one in graph.wiring.writers.get(name, ())]
    found = {kinds.kind_of_annotation(maker.get_output_type(name)) for maker in makers}
    return found.pop() if len(found) == 1 else kinds.PYTHON
