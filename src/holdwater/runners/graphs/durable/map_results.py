"""Results of durable maps: loaded from the database when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, SupportsIndex, cast, overload

from holdwater.errors import GraphFailed
from holdwater.model.map_items import MapItemRow, MapProgress
from holdwater.model.statuses import RunStatus
from holdwater.model.values import StoredValue
from holdwater.runners.graphs.results import MapResult, RunResult

if TYPE_CHECKING:
    from holdwater.model.ports.map_items import MapItemStore

MIN_PAGE_ROWS: Final = 16
MAX_PAGE_ROWS: Final = 1_000
PAGE_BYTES: Final = 4_000_000
"""of a page of results, as they are stored; pages have more or fewer rows so that they come near it"""


class DurableMapResult(MapResult):
    """The results of the items of a durable map, in their order: a list that cannot be changed.

    They are loaded page by page while they are looked at, so that any number of them fits into memory; the checkpointer
    must be open then.  The results of a map of up to 1,000 small items are loaded at once.  An item that has not run
    (the map was paused) is a paused result.  `restored_count`: items that earlier calls have completed.
    """

    restored_count: int = 0

    def __init__(
        self,
        store: MapItemStore,
        workflow_id: str,
        outputs: tuple[str, ...],
        progress: MapProgress,
        *,
        is_paused: bool = False,
        errors: Mapping[int, BaseException] | None = None,
    ) -> None:
        """Load the first page.

        `outputs`: those to return of each item.  `errors`: exceptions that were raised in this process, by index.
        """
        super().__init__()
        self.workflow_id = workflow_id
        self._progress, self._is_paused, self._errors = progress, is_paused, dict(errors or {})
        ended = progress.completed + progress.failed
        self._count = ended if progress.total is None else progress.total
        self._pages = _Pages(store, workflow_id, self._count)
        self._outputs = frozenset(outputs)
        self._pages.load(0)

    # -- reading

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[RunResult]:
        return (self._result(index) for index in range(self._count))

    def __reversed__(self) -> Iterator[RunResult]:
        return (self._result(index) for index in range(self._count - 1, -1, -1))

    @overload
    def __getitem__(self, key: SupportsIndex) -> RunResult: ...
    @overload
    def __getitem__(self, key: slice) -> list[RunResult]: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> RunResult | list[Any]:
        """Return a result by index, results by slice, a column by name.  Raises KeyError if no item has the name."""
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, slice):
            return [self._result(index) for index in range(*key.indices(self._count))]
        index = key.__index__()
        if not -self._count <= index < self._count:
            raise IndexError(f"the map has {self._count:,} items, and no item {index}")
        return self._result(index % self._count)

    def _column(self, name: str) -> list[Any]:
        if self._count and name not in self._outputs:
            raise KeyError(f"no item has an output {name!r}; there are: {', '.join(sorted(self._outputs)) or 'none'}")
        return [result.get(name) for result in self]

    def __contains__(self, value: object) -> bool:
        return any(result == value for result in self)

    def index(self, value: RunResult, start: SupportsIndex = 0, stop: SupportsIndex = 1 << 62) -> int:
        """Return the index of the first result that equals a value.  Raises ValueError if there is none."""
        for index in range(*slice(start, stop).indices(self._count)):
            if self._result(index) == value:
                return index
        raise ValueError("no result of the map equals that")

    def count(self, value: RunResult) -> int:
        """Count the results that equal a value."""
        return sum([result == value for result in self])

    def copy(self) -> list[RunResult]:
        """Load all results into a list."""
        return list(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: list[Any]) -> list[Any]:
        return [*self, *other]

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Pickle as a list of all results."""
        return list, (list(self),)

    def __repr__(self) -> str:
        return f"DurableMapResult({self.workflow_id!r}, {self._progress})"

    @property
    def status(self) -> RunStatus:
        """Status of the map: PARTIAL if only some items failed; PAUSED if it was paused before all had run."""
        if self._is_paused:
            return RunStatus.PAUSED
        if not self._progress.failed:
            return RunStatus.COMPLETED
        return RunStatus.PARTIAL if self._progress.completed else RunStatus.FAILED

    @property
    def progress(self) -> MapProgress:
        """Number of items, of those that completed and of those that failed."""
        return self._progress

    def iter_failures(self) -> Iterator[RunResult]:
        """Iterate over the results of failed items, each with its `item_index`, page by page."""
        return (self._to_result(row.index, row) for row in self._pages.iter_failed())

    def iter_failed_rows(self) -> Iterator[MapItemRow]:
        """Iterate the failed items as they are recorded, in their order."""
        return iter(self._pages.iter_failed())

    @property
    def failures(self) -> list[RunResult]:
        """Results of the failed items, each with its `item_index`."""
        return list(self.iter_failures())

    def _result(self, index: int) -> RunResult:
        return self._to_result(index, self._pages.load(index))

    def _to_result(self, index: int, row: MapItemRow | None) -> RunResult:
        result = RunResult()
        result.workflow_id = self.workflow_id
        if row is not None and row.outputs is not None:
            trees = json.loads(row.outputs)
            result.update(
                {name: StoredValue.from_tree(tree).copy() for name, tree in trees.items() if name in self._outputs}
            )
            return result
        result.item_index = index
        if row is None:
            result.status = RunStatus.PAUSED
        else:
            result.status = RunStatus.FAILED
            result.error = self._errors.get(index) or recorded_error(row)
        return result

    # -- nothing is changed

    def __setitem__(self, *_: object) -> NoReturn:
        raise TypeError("the results of a durable map cannot be changed: list(results) loads them into a list")

    __delitem__ = __iadd__ = __imul__ = __mul__ = __rmul__ = cast("Any", __setitem__)

    def append(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def extend(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def insert(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def pop(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def remove(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def clear(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def sort(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()

    def reverse(self, *_: object, **__: object) -> NoReturn:
        """Refuse it.  Raises TypeError."""
        self.__setitem__()


def recorded_error(row: MapItemRow) -> GraphFailed:
    """Create the error of an item that failed in another process, with the recorded traceback as a note."""
    error = GraphFailed(f"item {row.index}: {row.error or 'it failed'}")
    if row.traceback:
        error.add_note(row.traceback)
    return error


class _Pages:
    """The rows of a map, one page in memory."""

    def __init__(self, store: MapItemStore, workflow_id: str, count: int) -> None:
        self._store, self._workflow_id, self._count = store, workflow_id, count
        self._rows: dict[int, MapItemRow] = {}
        self._first, self._end = 0, 0
        """indexes of the page: from the first up to the end, exclusive"""
        self._page_rows = MIN_PAGE_ROWS

    def load(self, index: int) -> MapItemRow | None:
        """Return the row of an item, None if it has not ended.  Raises StoreUnavailable, RunnerClosed."""
        if not self._first <= index < self._end and index < self._count:
            self._read_page(index)
        return self._rows.get(index)

    def _read_page(self, index: int) -> None:
        first = index if index >= self._end else max(0, index - self._page_rows + 1)  # backwards: what comes before it
        rows: list[MapItemRow] = []
        size, end = 0, first
        while len(rows) < MAX_PAGE_ROWS and size < PAGE_BYTES and end < self._count:
            found = self._store.read_map_items(self._workflow_id, end, min(self._page_rows, MAX_PAGE_ROWS - len(rows)))
            rows += found
            size += sum([row.size_bytes for row in found])
            if len(found) < min(self._page_rows, MAX_PAGE_ROWS - len(rows) + len(found)):
                end = self._count
            else:
                end = found[-1].index + 1
            self._page_rows = min(MAX_PAGE_ROWS, max(MIN_PAGE_ROWS, len(rows) * PAGE_BYTES // (2 * max(1, size))))
        self._rows, self._first, self._end = {row.index: row for row in rows}, first, end

    def iter_failed(self) -> Iterable[MapItemRow]:
        """Iterate over the rows of failed items."""
        first = 0
        while True:
            found = self._store.list_failed_items(self._workflow_id, first, MIN_PAGE_ROWS * 4)
            yield from found
            if len(found) < MIN_PAGE_ROWS * 4:
                return
            first = found[-1].index + 1
