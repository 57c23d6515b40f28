"""Results with the original's attributes."""

from __future__ import annotations

from collections.abc import Iterator, ValuesView
from typing import Any, Self

from holdwater.compat.hypergraph.unsupported import get_failure_evidence
from holdwater.events import MapLog, RunLog
from holdwater.runners import graphs as runners
from holdwater.runners.graphs import RunStatus


class CallableValues(dict[str, Any]):
    """Outputs as `result.values`, callable, because `result.values()` is also the method of a dictionary."""

    def __call__(self) -> ValuesView[Any]:
        return super().values()


class RunResult(runners.RunResult):
    """Holdwater's result, with `values` and `log`."""

    log: RunLog | None = None
    stopped = False
    restored = False
    checkpoint_ok = True
    checkpoint_errors: tuple[str, ...] = ()
    """always empty: an error of recording fails the run"""

    @classmethod
    def from_result(cls, result: runners.RunResult, log: RunLog | MapLog | None) -> Self:
        """Convert one of Holdwater's results, adding the log of its run."""
        new = cls(result)
        vars(new).update(vars(result))
        new.log = log if isinstance(log, RunLog) else None
        return new

    @property
    def values(self) -> CallableValues:  # type: ignore[override]
        return CallableValues(self)

    @property
    def failure(self) -> Any:
        """None for a run that did not fail.  Raises NotInThisVersion for one that did."""
        return get_failure_evidence(self.error) if self.failed else None

    @property
    def node_failures(self) -> tuple[Any, ...]:
        """Empty for a run that did not fail.  Raises NotInThisVersion for one that did."""
        return () if self.failure is None else (self.failure,)

    async def _return_self(self) -> Self:
        return self

    def __call__(self, *, raise_on_failure: bool = True) -> Any:
        """Return the result itself, awaitable, for the original's `await run.result()` after `iter()`."""
        return self._return_self()

    def summary(self) -> str:
        """Summarise the result in one line."""
        return f"{self.status.value}: {', '.join(self) or 'no outputs'}"

    def to_dict(self) -> dict[str, Any]:
        """Describe the run without its values, JSON-safe."""
        error = None if self.error is None else f"{type(self.error).__name__}: {self.error}"
        return {
            "status": self.status.value,
            "run_id": self.run_id,
            "workflow_id": self.workflow_id,
            "error": error,
            "log": None if self.log is None else self.log.to_dict(),
        }


class MapResult(runners.MapResult):
    """Holdwater's result of a map, with `results`, `log` and properties by status."""

    log: MapLog | None = None
    stopped = False
    restored_count = 0
    unstarted_item_indexes: tuple[int, ...] = ()
    checkpoint_ok = True
    checkpoint_errors: tuple[str, ...] = ()

    @classmethod
    def from_results(cls, results: runners.MapResult, log: RunLog | MapLog | None) -> Self:
        """Convert one of Holdwater's results, adding the log of the map; those of a durable map are loaded.

        Items have no logs if some were completed by an earlier call.
        """
        restored = getattr(results, "restored_count", 0)
        logs: Iterator[RunLog] = iter(log.items if isinstance(log, MapLog) and not restored else ())
        new = cls([RunResult.from_result(result, next(logs, None)) for result in results])
        vars(new).update({name: value for name, value in vars(results).items() if not name.startswith("_")})
        new.log = log if isinstance(log, MapLog) else None
        return new

    @property
    def results(self) -> tuple[runners.RunResult, ...]:
        return tuple(self)

    @property
    def requested_count(self) -> int:
        return len(self)

    @property
    def graph_name(self) -> str | None:
        return None if self.log is None else self.log.graph_name

    @property
    def total_duration_ms(self) -> float:
        """Duration of the map, ms; 0 for a map without items."""
        return 0.0 if self.log is None else self.log.total_duration_ms

    @property
    def failed(self) -> bool:
        return self.status is RunStatus.FAILED

    @property
    def partial(self) -> bool:
        return self.status is RunStatus.PARTIAL

    @property
    def paused(self) -> bool:
        return self.status is RunStatus.PAUSED

    @property
    def any_failed(self) -> bool:
        return bool(self.failures)

    def summary(self) -> str:
        """Summarise the result in one line."""
        return f"{self.status.value}: {len(self)} items, {len(self.failures)} failed"

    def to_dict(self) -> dict[str, Any]:
        """Describe the map without its values, JSON-safe."""
        return {
            "status": self.status.value,
            "run_id": self.run_id,
            "graph_name": self.graph_name,
            "map_over": list(self.map_over),
            "map_mode": self.map_mode,
            "total_duration_ms": self.total_duration_ms,
            "results": [RunResult.to_dict(result) for result in self if isinstance(result, RunResult)],
        }


__all__ = ["MapResult", "RunResult", "RunStatus"]
