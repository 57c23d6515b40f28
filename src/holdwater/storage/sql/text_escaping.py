"""Text that a database cannot carry: lone surrogates, as they come in the messages of other people's exceptions, and,
in PostgreSQL, NUL.

It is stored as the escapes Python writes for it (`\\ud800`, `\\x00`), so that one odd message never stops a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from holdwater.model.records import Change, RunRow


def escape(value: Any, nul: bool = False) -> Any:
    """The value itself unless it is such text, or a list with some."""
    if type(value) is list:
        return [escape(item, nul) for item in value]
    if type(value) is not str:
        return value
    text = value.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00") if nul else text


def escape_all(parameters: tuple[Any, ...], nul: bool = False) -> tuple[Any, ...]:
    return tuple([escape(parameter, nul) for parameter in parameters])


def escape_change(change: Change, nul: bool = False) -> Change:
    """The same change with such text escaped wherever it stands."""
    work_in = [replace(row, **_escaped(row, ("run_id", "workflow", "owner"), nul)) for row in change.work_in]
    head: RunRow = replace(change.run, **_escaped(change.run, [f.name for f in fields(change.run)], nul))
    return replace(change, run=head, entries=[escape(e) for e in change.entries], work_in=work_in)


def _escaped(row: Any, names: Any, nul: bool) -> Mapping[str, Any]:
    return {name: escape(getattr(row, name), nul) for name in names}
