"""One record: a change of one run, as a line of JSON.  Entries stand in it as they are, never encoded a second time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, Final

from holdwater.errors import StoreError
from holdwater.model.records import Change, RunRow, WorkRow

_decoder: Final = json.JSONDecoder()
_DETAILS: Final = ("expected", "at", "born", "plan", "work_out", "began", "park")


def encode(change: Change) -> str:
    """`[what it does, [entries]]`."""
    details: dict[str, Any] = {name: getattr(change, name) for name in _DETAILS}
    details["run"] = asdict(change.run)
    details["work_in"] = [asdict(row) for row in change.work_in]
    return f"[{json.dumps(details, separators=(',', ':'))},[{','.join(change.entries)}]]"


def decode(lines: Iterable[str], place: str) -> list[Change]:
    """The changes that count.  All entries of one are one text.  Raises StoreError for what is no record.

    A record written when the place failed may be there all the same; the next one was decided without it, and counts.
    """
    changes: list[Change] = []
    for number, line in enumerate(lines, 1):
        try:
            details, end = _decoder.raw_decode(line, 1)
            entries = line[end + 2 : -2]
            change = Change(
                run=RunRow(**details.pop("run")),
                work_in=[WorkRow(**row) for row in details.pop("work_in")],
                entries=[entries] if entries else [],
                **details,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"record {number} of a run in {place} cannot be read: {line[:80]!r}") from error
        while changes and changes[-1].run.seq > change.expected:
            changes.pop()
        changes.append(replace(change, work_out=_pairs(change.work_out), began=_pairs(change.began)))
    return changes


def _pairs(lists: Iterable[Iterable[int]]) -> list[tuple[int, int]]:
    return [(node, fence) for node, fence in lists]
