"""Results of runs of graphs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from holdwater.model.map_items import MapProgress
from holdwater.model.statuses import RunStatus
from holdwater.runners.graphs.local.pending_inputs import PauseInfo
from holdwater.runners.graphs.local.run_context import new_run_id

if TYPE_CHECKING:
    from holdwater.runners.graphs.local.run_outcome import RunOutcome


class RunResult(dict[str, Any]):
    """A dictionary of the outputs of a run, with its status.

    `error`: the exception of a failed run that was not raised, with a note of the node.  `item_index`: of an item of a
    map that failed or is paused.  `pauses`: open questions in the order of the graph; `pause` is the first.  `notes`:
    exceptions of event processors, which do not affect the run.
    """

    status: RunStatus = RunStatus.COMPLETED
    error: BaseException | None = None
    item_index: int | None = None
    pauses: tuple[PauseInfo, ...] = ()
    workflow_id: str | None = None
    session_id: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_outcome(cls, outcome: RunOutcome, **attributes: Any) -> RunResult:
        """Create the result of an outcome.  `attributes`: further attributes by name."""
        result = cls(outcome.outputs)
        if outcome.error is not None or outcome.pauses:
            result.status = outcome.status
            result.error = outcome.error
            result.pauses = outcome.pauses
            result.item_index = outcome.item_index
        for name, value in attributes.items():
            if value:
                setattr(result, name, value)
        return result

    def __missing__(self, name: object) -> Any:
        raise KeyError(
            f"the run did not return {name!r}, but {', '.join(self) or 'nothing'}; select=[...] returns other outputs,"
            ' select=["*"] all'
        )

    @cached_property
    def run_id(self) -> str:
        """32 hex digits; for a run without listeners generated on first access."""
        return new_run_id()

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs by name: this dictionary."""
        return self

    @property
    def pause(self) -> PauseInfo | None:
        """The first open question."""
        return self.pauses[0] if self.pauses else None

    @property
    def completed(self) -> bool:
        return self.status is RunStatus.COMPLETED

    @property
    def failed(self) -> bool:
        return self.status is RunStatus.FAILED

    @property
    def paused(self) -> bool:
        return self.status is RunStatus.PAUSED

    def __repr__(self) -> str:
        status = "" if self.completed else f", status={self.status.value}"
        error = "" if self.error is None else f", error={self.error!r}"
        return f"RunResult({dict.__repr__(self)}{status}{error})"


class MapResult(list[RunResult]):
    """The results of the items of a map, in their order; `results["name"]` is a column, None where an item has none."""

    map_over: tuple[str, ...] = ()
    map_mode: str = "zip"

    @cached_property
    def run_id(self) -> str:
        """32 hex digits, shared by the items if the map had listeners."""
        return new_run_id()

    @overload
    def __getitem__(self, key: SupportsIndex) -> RunResult: ...
    @overload
    def __getitem__(self, key: slice) -> list[RunResult]: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> RunResult | list[Any]:
        """Return a result by index, results by slice, a column by name.  Raises KeyError if no item has the name."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        if self and not any(key in result for result in self):
            made = dict.fromkeys(name for result in self for name in result)
            raise KeyError(f"no item has an output {key!r}; there are: {', '.join(made) or 'none'}")
        return [result.get(key) for result in self]

    def get(self, key: str, default: Any = None) -> list[Any]:
        """Return a column, with `default` where an item lacks it."""
        return [result.get(key, default) for result in self]

    @property
    def status(self) -> RunStatus:
        """Status of the map: PARTIAL if only some items failed; PAUSED if none failed and some are paused."""
        found = {result.status for result in self}
        if RunStatus.FAILED in found:
            return RunStatus.FAILED if len(found) == 1 else RunStatus.PARTIAL
        return RunStatus.PAUSED if RunStatus.PAUSED in found else RunStatus.COMPLETED

    @property
    def completed(self) -> bool:
        return self.status is RunStatus.COMPLETED

    @property
    def progress(self) -> MapProgress:
        """Number of items, of those that completed and of those that failed."""
        failed = sum([result.failed for result in self])
        return MapProgress(len(self), sum([result.completed for result in self]), failed)

    @property
    def failures(self) -> list[RunResult]:
        """Results of the failed items, each with its `item_index`."""
        return [result for result in self if result.failed]

    def __repr__(self) -> str:
        return f"MapResult({list.__repr__(self)})"


def make_map_result(results: Iterable[RunResult], params: Iterable[str], mode: str, run_id: str) -> MapResult:
    """Create the result of a map.  `params`: the mapped inputs.  `run_id`: empty without listeners."""
    made = MapResult(results)
    made.map_over, made.map_mode = tuple(params), mode
    if run_id:
        made.run_id = run_id
        for result in made:
            result.run_id = run_id
    return made
