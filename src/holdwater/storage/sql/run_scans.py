"""Choice of the index ranges that a list of runs is read from, and of the conditions that no index answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.model.records import FIRST_CURSOR, LAST_CURSOR, MAX_INSTANT, MIN_INSTANT, Cursor, RunFilter
from holdwater.model.run_matching import selects_all_statuses, wanted_statuses
from holdwater.storage.sql.fragments import Fragment, FragmentSet, join_fragments

MAX_SCANS: Final = 40
"""index ranges that one statement merges; with more workflows than that, their names are a condition"""


@dataclass(frozen=True, slots=True)
class RunScans:
    """Scans whose merge has the runs of a filter, and more unless `conditions` is None.

    `statuses`: the status of the runs of each scan, empty if a scan has runs of several.
    """

    scans: tuple[Fragment, ...]
    statuses: tuple[str, ...]
    conditions: Fragment | None


class ScanBuilder:
    """Builds the scans of one filter.  `workflows`: the names it selects; None: all.

    `array_parameter`: passes names as one parameter.
    """

    def __init__(
        self,
        parts: FragmentSet,
        run_filter: RunFilter,
        workflows: Sequence[str] | None,
        array_parameter: Callable[[Collection[str]], Any],
    ) -> None:
        self._parts, self._filter, self._workflows = parts, run_filter, workflows
        self._array_parameter = array_parameter
        self._statuses: Final = wanted_statuses(run_filter)
        self._lower, self._upper = _bounds(run_filter)

    @property
    def is_empty(self) -> bool:
        """True if no run can fit."""
        which = self._filter
        return not self._statuses or self._workflows == [] or (which.top_level and which.parent_id is not None)

    def alternatives(self) -> list[RunScans]:
        """List the ways to find the runs; the one with the shortest scans is the best."""
        which = self._filter
        if which.parent_id is not None:
            return [self._with_conditions([self._scan("scan_by_parent", "bounds", parent_id=which.parent_id)])]
        if which.is_listed_by_end:
            return [self._with_conditions([self._scan("scan_by_end", "end_bounds")])]
        found = [self._by_label(key, value) for key, value in which.labels.items() if value is not None]
        is_narrow = self._workflows is not None or not selects_all_statuses(which)
        return [*found, self._by_status()] if is_narrow or not found else found

    def _by_status(self) -> RunScans:
        """One scan for each kind of run, workflow and status."""
        kinds = ["top_level"] if self._filter.top_level else ["top_level", "children"]
        names = self._workflows
        if names is not None and len(kinds) * len(names) * len(self._statuses) <= MAX_SCANS:
            scans = [
                (self._scan(f"scan_{kind}_by_workflow", "bounds", workflow=name, status=status), status)
                for kind in kinds
                for name in names
                for status in self._statuses
            ]
            return self._with_conditions([scan for scan, _ in scans], [status for _, status in scans], by_workflow=True)
        scans = [
            (self._scan(f"scan_{kind}_by_status", "bounds", status=status), status)
            for kind in kinds
            for status in self._statuses
        ]
        return self._with_conditions([scan for scan, _ in scans], [status for _, status in scans])

    def _by_label(self, key: str, value: str) -> RunScans:
        children = (0,) if self._filter.top_level else (0, 1)
        scans = [
            self._scan("scan_by_label", "label_bounds", key=key, value=value, is_child=is_child)
            for is_child in children
        ]
        return self._with_conditions(scans, by_label=key)

    def _scan(self, name: str, bounds: str, **values: object) -> Fragment:
        (lower_at, lower_id), (upper_at, upper_id) = self._lower, self._upper
        within = self._parts.compose(bounds, lower_at=lower_at, lower_id=lower_id, upper_at=upper_at, upper_id=upper_id)
        return self._parts.compose(name, {bounds: within}, **values)

    def _with_conditions(
        self,
        scans: Sequence[Fragment],
        statuses: Sequence[str] = (),
        *,
        by_workflow: bool = False,
        by_label: str | None = None,
    ) -> RunScans:
        conditions = [*self._conditions(not statuses, not by_workflow, by_label)]
        both = join_fragments(self._parts.compose("and"), conditions) if conditions else None
        return RunScans(tuple(scans), tuple(statuses), both)

    def _conditions(self, check_status: bool, check_workflow: bool, by_label: str | None) -> Iterator[Fragment]:
        which, compose = self._filter, self._parts.compose
        if check_status and not selects_all_statuses(which):
            yield self._any_of([compose("has_status", status=status) for status in self._statuses])
        if check_workflow and self._workflows is not None:
            yield compose("has_workflow", workflows=self._array_parameter(self._workflows))
        for key, value in which.labels.items():
            if value is None:
                yield compose("has_label_key", key=key)
            elif key != by_label:
                yield compose("has_label", key=key, value=value)
        if which.release is not None:
            yield compose("has_release", release=which.release)
        if which.origins:
            yield self._any_of([compose("has_origin", origin=origin) for origin in which.origins])
        has_birth = which.since is not None or which.until is not None
        if which.is_listed_by_end and has_birth:
            since, until = _span(which.since, which.until)
            yield compose("born_between", since=since, until=until)
        has_end = which.ended_since is not None or which.ended_until is not None
        if has_end and not which.is_listed_by_end:
            since, until = _span(which.ended_since, which.ended_until)
            yield compose("ended_between", since=since, until=until)
        if which.text is not None:
            yield compose("has_text", text=which.text, pattern=f"%{_escape_like(which.text)}%")

    def _any_of(self, conditions: Sequence[Fragment]) -> Fragment:
        return self._parts.compose("any_of", {"conditions": join_fragments(self._parts.compose("or"), conditions)})


def _bounds(which: RunFilter) -> tuple[Cursor, Cursor]:
    """Return the positions between which the list is, both excluded."""
    first, end = (which.ended_since, which.ended_until) if which.is_listed_by_end else (which.since, which.until)
    # no id is empty: what is behind (instant, "") is at the instant or later
    lower = FIRST_CURSOR if first is None else (first, "")
    upper = LAST_CURSOR if end is None else (end, "")
    if which.cursor is None:
        return lower, upper
    return (max(lower, which.cursor), upper) if which.newer else (lower, min(upper, which.cursor))


def _span(first: int | None, end: int | None) -> tuple[int, int]:
    return MIN_INSTANT if first is None else first, MAX_INSTANT if end is None else end


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
