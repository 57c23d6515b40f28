"""One call of a durable map: its items, drawn lazily, compared with what is recorded, and recorded as they end.

Every runner of graphs goes through here: it runs what `missing_items` gives and reports each with `record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import EncodingError, InvalidTransition
from holdwater.model.error_report import ErrorReport
from holdwater.model.input_digest import digest_of_digests, digest_of_value
from holdwater.model.map_items import MAX_ITEM_BYTES, MAX_ITEM_PAGE_ROWS, ItemHead, MapItemRow
from holdwater.model.values import StoredValue
from holdwater.runners.graphs.durable.item_recorder import ItemRecorder
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.graphs.map_items import ItemStream, MapItems
    from holdwater.model.ports.clock import Clock
    from holdwater.model.ports.map_items import MapItemStore

MAX_KEPT_ERRORS: Final = 100
"""exceptions of one call that its results keep; those of more items are read from the database, as text"""
MAX_TRACEBACKS: Final = 1_000
"""failed items of one call whose tracebacks are recorded"""
MAX_ERROR_CHARS: Final = 10_000
"""of the error of one item"""


@dataclass(frozen=True, slots=True)
class MissingItem:
    """An item that is to be run.

    `inputs`: all of them, by name.  `own_inputs`: the mapped ones, as they are stored.
    """

    index: int
    digest: str
    inputs: dict[str, Any]
    own_inputs: Mapping[str, StoredValue]


@dataclass(frozen=True, slots=True)
class MapHead:
    """A map as its run records it: input `map` of the run.

    `outputs`: those recorded of each item.  `total`: number of items, None if the inputs do not tell it.
    """

    map_over: tuple[str, ...]
    mode: str
    outputs: tuple[str, ...]
    total: int | None

    def to_data(self) -> dict[str, Any]:
        return {
            "map_over": list(self.map_over), "mode": self.mode, "outputs": list(self.outputs), "total": self.total
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> MapHead:
        return cls(tuple(data["map_over"]), data["mode"], tuple(data["outputs"]), data["total"])


class RecordedMap:
    """The items of one call.  Used by one thread or event loop at a time, but for `request_stop`.

    `stops_at_failure`: no item is drawn after one has failed (`error_handling="raise"`).  `is_strict`: inputs other
    than those recorded are an error.
    """

    def __init__(
        self,
        store: MapItemStore,
        clock: Clock,
        run_id: str,
        stream: ItemStream,
        head: MapHead,
        shared: Mapping[str, StoredValue],
        *,
        stops_at_failure: bool,
        is_strict: bool,
    ) -> None:
        """`shared`: inputs of every item that are compared with those of an earlier call."""
        self.run_id, self.head = run_id, head
        self.restored_count = 0
        """items that an earlier call has completed"""
        self.drawn_count = 0
        """items that were drawn so far"""
        self.errors: dict[int, BaseException] = {}
        """exceptions of the first failed items of this call, by index"""
        self.failed_count = 0
        """items that have failed in this call"""
        self.begun: Future[None] = Future()
        """set when the run of the map executes here"""
        self.ended: Future[None] = Future()
        """set when this call is done with its items"""
        self.stop_reason = ""
        """the reason for which no more items are drawn: "paused", "cancelled"; "" while there is none"""
        self._store, self._clock, self._stream = store, clock, stream
        self._stops_at_failure, self._is_strict = stops_at_failure, is_strict
        self._shared_digests = {name: digest_of_value(value.text) for name, value in shared.items()}
        self._recorder: ItemRecorder | None = None
        self._look: Any = None
        self._caller_left = False
        self._is_exhausted = False

    # -- items

    def missing_items(self) -> Iterator[MissingItem]:
        """Draw the items one by one, and yield those that an earlier call has not completed with these inputs.

        Ends early after `request_stop`, and after a failure if the map stops there.
        Raises InvalidTransition under "strict" for the first item with other inputs than recorded; EncodingError for
        inputs that cannot be stored; MapOverError.
        """
        heads = _HeadPages(self._store, self.run_id)
        params, items = self._stream.items.params, self._stream.items
        while not self._is_stopped:
            row = next(self._stream.rows, None)
            index = self.drawn_count
            if row is None:
                self._is_exhausted = True
                self._remove_surplus(heads, index)
                return
            own = {name: self._encode(name, value, index) for name, value in zip(params, row, strict=True)}
            digest = digest_of_digests(
                {**self._shared_digests, **{name: digest_of_value(value.text) for name, value in own.items()}}
            )
            self.drawn_count += 1
            head = heads.at(index)
            if head is not None and head.digest != digest and self._is_strict:
                raise InvalidTransition(
                    f"item {index} of map {self.run_id!r} was begun with other inputs ({', '.join(map(repr, params))})",
                    hint='give the same inputs in the same order, another workflow_id, or resume="merge"',
                )
            if head is not None and head.digest == digest and head.status == "completed":
                self.restored_count += 1
                continue
            yield MissingItem(index, digest, items.item_inputs(row), own)

    @property
    def item_names(self) -> MapItems:
        """The mapped and the shared inputs, without rows."""
        return self._stream.items

    @property
    def shared_inputs(self) -> Mapping[str, Any]:
        """The inputs that every item has."""
        return self._stream.items.shared

    @property
    def total(self) -> int | None:
        """Number of items: as the inputs tell it, or as were drawn up to their end."""
        return self.drawn_count if self._is_exhausted else self.head.total

    @property
    def _is_stopped(self) -> bool:
        return bool(self.stop_reason) or (self._stops_at_failure and self.failed_count > 0)

    def _encode(self, name: str, value: Any, index: int) -> StoredValue:
        try:
            return StoredValue.encode(value)
        except EncodingError as error:
            raise EncodingError(
                f"input {name!r} of item {index}: {error.message}", path=error.path, hint=error.hint
            ) from error

    def _remove_surplus(self, heads: _HeadPages, count: int) -> None:
        """Delete what is recorded of more items than there are.  Raises InvalidTransition under "strict"."""
        surplus = heads.at_or_behind(count)
        if surplus is None:
            return
        if self._is_strict:
            raise InvalidTransition(
                f"map {self.run_id!r} was begun with more items: item {surplus.index} is recorded, and now there are "
                f"{count}",
                hint='give the same inputs, another workflow_id, or resume="merge"',
            )
        self._store.delete_map_items(self.run_id, count)

    # -- recording

    def record(self, item: MissingItem, outputs: Mapping[str, Any]) -> None:
        """Record that an item has completed; as failed if an output cannot be stored."""
        try:
            text = _encode_outputs(outputs)
        except EncodingError as error:
            self.record_failure(item, error)
            return
        self._add(MapItemRow(self.run_id, item.index, item.digest, "completed", self._clock.now(), text))

    def record_failure(self, item: MissingItem, error: BaseException | ErrorReport) -> None:
        """Record that an item has failed, with its error and its own inputs."""
        report = error if isinstance(error, ErrorReport) else ErrorReport.from_exception(error)
        if isinstance(error, BaseException) and len(self.errors) < MAX_KEPT_ERRORS:
            self.errors[item.index] = error
        self.failed_count += 1
        trace = report.traceback if self.failed_count <= MAX_TRACEBACKS else ""
        own = _to_json_object(item.own_inputs)
        text, now = report.text[:MAX_ERROR_CHARS], self._clock.now()
        self._add(MapItemRow(self.run_id, item.index, item.digest, "failed", now, None, text, trace or None, own))

    @property
    def must_wait(self) -> bool:
        """True if items end faster than they can be written: `wait_for_room` before the next one."""
        return self._recorder is not None and self._recorder.is_full

    def wait_for_room(self) -> None:
        """Wait until the items that have ended are written.  Blocks.  Raises StoreUnavailable, StoreError."""
        if self._recorder is not None:
            self._recorder.wait_for_room()

    def flush(self) -> None:
        """Write every item that has ended, and record no more.  Raises StoreUnavailable, StoreError."""
        if self._recorder is not None:
            self._recorder.close()

    def _add(self, row: MapItemRow) -> None:
        if self._recorder is None:
            self._recorder = ItemRecorder(self._store, self._look_at_run)
        self._recorder.add(row)

    # -- its run

    def use_look(self, look: Any) -> None:
        """Have `look()` called about once a second while items run: True if the run was paused."""
        self._look = look

    def _look_at_run(self) -> None:
        if self._look is not None and self._look():
            self.request_stop("paused")

    def request_stop(self, reason: str) -> None:
        """Draw no more items.  From any thread."""
        self.stop_reason = self.stop_reason or reason
        if self._caller_left:
            self.ended.set_result(None)

    def leave(self) -> None:
        """Note that the caller was interrupted: the run is paused next, and its execution ends with that."""
        self._caller_left = True
        if self.stop_reason:
            self.ended.set_result(None)


class _HeadPages:
    """Heads of recorded items by index, read page by page in their order."""

    def __init__(self, store: MapItemStore, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._page: dict[int, ItemHead] = {}
        self._next_index: int | None = 0
        """the first index that was not read; None: everything was"""

    def at(self, index: int) -> ItemHead | None:
        """Return the head of an item; indexes must not decrease from call to call."""
        while self._next_index is not None and index >= self._next_index:
            self._read_on(index)
        return self._page.get(index)

    def at_or_behind(self, index: int) -> ItemHead | None:
        """Return the head of the last recorded item from this index on, as far as the next page knows; None if none."""
        self.at(index)
        return self._page[max(self._page)] if self._page and max(self._page) >= index else None

    def _read_on(self, index: int) -> None:
        found = self._store.list_item_heads(self._run_id, index, MAX_ITEM_PAGE_ROWS)
        self._page = {head.index: head for head in found}
        self._next_index = None if len(found) < MAX_ITEM_PAGE_ROWS else found[-1].index + 1


def _encode_outputs(outputs: Mapping[str, Any]) -> str:
    """Encode the outputs of an item.  Raises EncodingError."""
    stored = {}
    for name, value in outputs.items():
        try:
            stored[name] = StoredValue.encode(value)
        except EncodingError as error:
            raise EncodingError(f"output {name!r}: {error.message}", path=error.path, hint=error.hint) from error
    text = _to_json_object(stored)
    if len(text) > MAX_ITEM_BYTES:
        raise EncodingError(
            f"the outputs of the item are {len(text):,} bytes as they are stored; the limit is {MAX_ITEM_BYTES:,}",
            hint="write large results to a file or an object store, and return where they are",
        )
    return text


def _to_json_object(values: Mapping[str, StoredValue]) -> str:
    return "{" + ",".join([f"{StoredValue.encode(name).text}:{value.text}" for name, value in values.items()]) + "}"
