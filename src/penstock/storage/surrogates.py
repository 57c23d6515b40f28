"""Text that UTF-8 cannot carry: lone surrogates, as they come in the messages of other people's exceptions.

They are stored as the escapes Python and JSON write for them (`\\ud800`), so that one odd message never stops a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from penstock.model.records import Change, RunRow


def escape(value: Any) -> Any:
    """The value itself unless it is such text."""
    return value.encode("utf-8", "backslashreplace").decode() if type(value) is str else value


def escape_all(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(escape, parameters))


def escape_change(change: Change) -> Change:
    """The same change with such text escaped wherever it stands."""
    work_in = [replace(row, **_escaped(row, ("run_id", "workflow", "owner"))) for row in change.work_in]
    head: RunRow = replace(change.run, **_escaped(change.run, [f.name for f in fields(change.run)]))
    return replace(change, run=head, entries=[escape(e) for e in change.entries], work_in=work_in)


def _escaped(row: Any, names: Any) -> Mapping[str, Any]:
    return {name: escape(getattr(row, name)) for name in names}
