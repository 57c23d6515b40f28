r"""Escaping of text that a database cannot store: lone surrogates, and NUL in PostgreSQL.

Both occur in messages of user exceptions.  They are stored as Python's escapes (`\ud800`, `\x00`), so that one such
message does not make a batch fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from holdwater.model.records import RunRow, RunUpdate


def escape_text(value: Any, escape_nul: bool = False) -> Any:
    """Escape a text or the texts of a list; any other value is returned as it is."""
    if type(value) is list:
        return [escape_text(item, escape_nul) for item in value]
    if type(value) is not str:
        return value
    text = value.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00") if escape_nul else text


def escape_parameters(parameters: tuple[Any, ...], escape_nul: bool = False) -> tuple[Any, ...]:
    return tuple([escape_text(parameter, escape_nul) for parameter in parameters])


def escape_update(update: RunUpdate, escape_nul: bool = False) -> RunUpdate:
    """Escape all texts of a change."""
    work_added = [
        replace(row, **_escape_fields(row, ("run_id", "workflow", "owner"), escape_nul)) for row in update.work_added
    ]
    head: RunRow = replace(update.run, **_escape_fields(update.run, [f.name for f in fields(update.run)], escape_nul))
    return replace(update, run=head, entries=[escape_text(e) for e in update.entries], work_added=work_added)


def _escape_fields(row: Any, names: Any, escape_nul: bool) -> Mapping[str, Any]:
    return {name: escape_text(getattr(row, name), escape_nul) for name in names}
