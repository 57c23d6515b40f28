"""The data of a run: now, at its start, and what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from holdwater.model.values import StoredValue
from holdwater.runs.view import RunView
from holdwater.server.value_tree import ShownValue, compare_values, show_value

Moment = Literal["now", "start", "changes"]
MOMENTS: Final[tuple[Moment, ...]] = get_args(Moment)
MAX_VALUES: Final = 200
"""of one page"""


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """A value that is another one now than at the start; None: there was none, or is none any more."""

    name: str
    change: str
    before: ShownValue | None
    after: ShownValue | None


@dataclass(frozen=True, slots=True)
class DataTab:
    """Values by name, at most `MAX_VALUES`.  `matching`, `total`: how many there are."""

    moment: Moment
    text: str
    values: tuple[ShownValue, ...]
    changes: tuple[ChangedValue, ...]
    matching: int
    total: int


def build_data_tab(view: RunView, moment: Moment, text: str = "") -> DataTab:
    """Show the data of a run.  `text`: a part of the names."""
    start, now = view.starting_values, _data_now(view)
    if moment == "changes":
        found = {name: change for name, change in compare_values(start, now).items() if change}
        names = _matching(found, text)
        changed = [
            ChangedValue(name, found[name], _shown(start, name), _shown(now, name)) for name in names[:MAX_VALUES]
        ]
        return DataTab(moment, text, (), tuple(changed), len(names), len(found))
    shown = now if moment == "now" else start
    names = _matching(shown, text)
    values = tuple([show_value(name, shown[name]) for name in names[:MAX_VALUES]])
    return DataTab(moment, text, values, (), len(names), len(shown))


def values_at(view: RunView, moment: Moment) -> Mapping[str, StoredValue]:
    """Return the values of a moment by name, those of "changes" as they are now."""
    return view.starting_values if moment == "start" else _data_now(view)


def _data_now(view: RunView) -> Mapping[str, StoredValue]:
    """Return the results so far, with the inputs of a graph and the params of steps, which are no results."""
    result = {name: value for name, value in view.result.items() if isinstance(value, StoredValue)}
    return result if view.info.style == "tasks" else {**view.starting_values, **result}


def _matching(names: Mapping[str, object], text: str) -> list[str]:
    folded = text.casefold()
    return [name for name in names if folded in name.casefold()]


def _shown(values: Mapping[str, StoredValue], name: str) -> ShownValue | None:
    return show_value(name, values[name]) if name in values else None
