"""Slicing of a JSON array of journal entries without changing the text of an entry."""

from __future__ import annotations

from json import JSONDecoder

from holdwater.model.records import JournalRow

_decoder = JSONDecoder()


def slice_after(row: JournalRow, after_seq: int) -> JournalRow | None:
    """Return the row from entry `after_seq` + 1 on, None if it ends before."""
    text, at = row.entries, 1
    for _ in range(after_seq + 1 - row.seq):
        _, at = _decoder.raw_decode(text, at)
        if text[at] == "]":
            return None
        at += 1
    return JournalRow(after_seq + 1, row.at, "[" + text[at:])
