"""Checkpoint records: one `RunUpdate` as a line of JSON, which contains its journal entries verbatim."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, Final

from holdwater.errors import StoreError
from holdwater.model.records import RunRow, RunUpdate, WorkRow

_decoder: Final = json.JSONDecoder()
_PLAIN_FIELDS: Final = ("expected_seq", "at", "is_new", "plan", "work_removed", "started", "parked")


def encode_record(update: RunUpdate) -> str:
    """Encode an update as `[fields, [journal entries]]`."""
    details: dict[str, Any] = {name: getattr(update, name) for name in _PLAIN_FIELDS}
    details["run"] = asdict(update.run)
    details["work_added"] = [asdict(row) for row in update.work_added]
    return f"[{json.dumps(details, separators=(',', ':'))},[{','.join(update.entries)}]]"


def decode_records(lines: Iterable[str], location: str) -> list[RunUpdate]:
    """Decode the effective updates, each with all its entries as one text.  Raises StoreError for a malformed record.

    A record whose append failed may have been written all the same.  The next one was decided without it and replaces
    it.
    """
    changes: list[RunUpdate] = []
    for number, line in enumerate(lines, 1):
        try:
            details, end = _decoder.raw_decode(line, 1)
            entries = line[end + 2 : -2]
            change = RunUpdate(
                run=RunRow(**details.pop("run")),
                work_added=[WorkRow(**row) for row in details.pop("work_added")],
                entries=[entries] if entries else [],
                **details,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"record {number} of a run in {location} cannot be read: {line[:80]!r}") from error
        while changes and changes[-1].run.seq > change.expected_seq:
            changes.pop()
        changes.append(replace(change, work_removed=_to_pairs(change.work_removed), started=_to_pairs(change.started)))
    return changes


def _to_pairs(lists: Iterable[Iterable[int]]) -> list[tuple[int, int]]:
    return [(node, fence) for node, fence in lists]
