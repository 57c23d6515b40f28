"""Runners with the original's options.  Every result has a log, and `show_progress` shows progress bars."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from holdwater.compat.hypergraph.results import MapResult, RunResult
from holdwater.compat.hypergraph.unsupported import UnsupportedRunnerMethods, reject_unsupported_options
from holdwater.events import RichProgressProcessor, RunLogProcessor
from holdwater.runners import graphs as runners
from holdwater.runners.graphs import BaseRunner, PauseInfo, RunnerCapabilities, RunStatus
from holdwater.runners.graphs.arguments import ErrorHandling, check_options
from holdwater.runners.graphs.local.nesting import ExecutionStrategy, get_execution_strategy

if TYPE_CHECKING:
    import daft

InputValues = Mapping[str, Any] | None


class SyncRunner(runners.SyncRunner, UnsupportedRunnerMethods):
    """Holdwater's, with the original's options."""

    def __init__(
        self, cache: Any = None, checkpointer: Any = None, show_progress: bool = False, event_processors: Any = None
    ) -> None:
        super().__init__(cache=cache, checkpointer=checkpointer, event_processors=event_processors)
        self.show_progress = show_progress

    def run(self, graph: Any, values: InputValues = None, **options: Any) -> RunResult:  # type: ignore[override]
        """Run as Holdwater does.  Raises NotInThisVersion for `fork_from` and other options of forks."""
        _translate_options(graph, options, self.show_progress)
        log = _add_run_log_processor(options)
        result = super().run(graph, values=values, **options)
        return RunResult.from_result(result, log.log)

    def map(self, graph: Any, values: InputValues = None, **options: Any) -> MapResult:  # type: ignore[override]
        """Map as Holdwater does.  Raises NotInThisVersion for options of forks."""
        _translate_options(graph, options, self.show_progress)
        log = _add_run_log_processor(options)
        results = super().map(graph, values=values, **options)
        return MapResult.from_results(results, log.log)


class AsyncRunner(runners.AsyncRunner, UnsupportedRunnerMethods):
    """Holdwater's, with the original's options."""

    def __init__(
        self,
        cache: Any = None,
        checkpointer: Any = None,
        show_progress: bool = False,
        max_concurrency: int | None = None,
        event_processors: Any = None,
    ) -> None:
        super().__init__(
            cache=cache, checkpointer=checkpointer, max_concurrency=max_concurrency, event_processors=event_processors
        )
        self.show_progress = show_progress

    async def run(self, graph: Any, values: InputValues = None, **options: Any) -> RunResult:  # type: ignore[override]
        """Run as Holdwater does.  Raises NotInThisVersion for `fork_from` and other options of forks."""
        _translate_options(graph, options, self.show_progress)
        return cast("RunResult", await super().run(graph, values=values, **options))

    def iter(self, graph: Any, values: InputValues = None, **options: Any) -> runners.RunHandle:  # type: ignore[override]
        """Run as Holdwater does; `run.result`, set after the last event, may also be called and awaited."""
        options.pop("buffer_size", None)
        _translate_options(graph, options, self.show_progress)
        return super().iter(graph, values=values, **options)

    async def map(self, graph: Any, values: InputValues = None, **options: Any) -> MapResult:  # type: ignore[override]
        """Map as Holdwater does.  Raises NotInThisVersion for options of forks."""
        _translate_options(graph, options, self.show_progress)
        log = _add_run_log_processor(options)
        results = await super().map(graph, values=values, **options)
        return MapResult.from_results(results, log.log)

    async def _run_graph(self, *arguments: Any, **options: Any) -> RunResult:
        log = _add_run_log_processor(options)
        return RunResult.from_result(await super()._run_graph(*arguments, **options), log.log)


class DaftRunner(runners.DaftRunner, UnsupportedRunnerMethods):
    """Holdwater's, with the original's options: `map` returns results, and `map_dataframe` a lazy DataFrame."""

    def run(self, graph: Any, values: InputValues = None, **options: Any) -> RunResult:  # type: ignore[override]
        """Run as Holdwater does.  Raises NotInThisVersion for `fork_from` and other options of forks."""
        _drop_listeners(options)
        return RunResult.from_result(super().run(graph, values=values, **options), None)

    def map(self, graph: Any, values: InputValues = None, **options: Any) -> MapResult:  # type: ignore[override]
        """Map now, and return the results.  Raises NotInThisVersion for options of forks."""
        _drop_listeners(options)
        return MapResult.from_results(self.collect_map(graph, values=values, **options), None)

    def map_dataframe(self, graph: Any, df: daft.DataFrame, **options: Any) -> daft.DataFrame:
        """Add the outputs of a graph to a DataFrame, as Holdwater does; failed rows have a text in `_error`."""
        _drop_listeners(options)
        return super().map_dataframe(graph, df, **options)


def _drop_listeners(options: dict[str, Any]) -> None:
    """Remove event processors and progress bars in place, with a warning.  Raises NotInThisVersion."""
    reject_unsupported_options(options)
    if options.pop("event_processors", None) or options.pop("show_progress", False):
        warnings.warn("DaftRunner sends no events: event_processors and show_progress have no effect", stacklevel=3)


def _translate_options(graph: Any, options: dict[str, Any], show_progress: bool) -> None:
    """Translate options in place.  Raises NotInThisVersion, and ConfigError for an unknown `on_missing`."""
    reject_unsupported_options(options)
    check_options(error_handling="raise", on_missing=options.get("on_missing", "ignore"))
    if options.get("select") is None and getattr(graph, "selected", None) is None:
        options.pop("on_missing", None)  # an output skipped by a gate is missing only if it was selected
    if options.pop("show_progress", show_progress):
        options["event_processors"] = [*(options.get("event_processors") or ()), RichProgressProcessor()]


def _add_run_log_processor(options: dict[str, Any]) -> RunLogProcessor:
    """Add a log processor to the options in place; returns it."""
    log = RunLogProcessor()
    options["event_processors"] = [*(options.get("event_processors") or ()), log]
    return log


__all__ = [
    "AsyncRunner",
    "BaseRunner",
    "DaftRunner",
    "ErrorHandling",
    "ExecutionStrategy",
    "MapResult",
    "PauseInfo",
    "RunResult",
    "RunStatus",
    "RunnerCapabilities",
    "SyncRunner",
    "get_execution_strategy",
]
