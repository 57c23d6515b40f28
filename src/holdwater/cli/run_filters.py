"""Options that select runs, and the filter they stand for."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from holdwater.cli import time_arguments
from holdwater.model.statuses import STATUS_LABELS

if TYPE_CHECKING:
    from holdwater.client.interface.runs import ReadableRuns
    from holdwater.model.records import RunFilter

_Function = TypeVar("_Function", bound="Callable[..., Any]")

EXCLUDE: Final = "!"
_AGO: Final = "AGO|INSTANT"


def _check_statuses(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for one in given:
        if one.lower().removeprefix(EXCLUDE) not in STATUS_LABELS:
            raise click.BadParameter(f"{one!r} is not one of {', '.join(STATUS_LABELS)}, with ! before it or not.")
    return tuple(one.lower() for one in given)


_OPTIONS: Final = (
    click.option("--workflow", metavar="NAME", multiple=True, help="Only runs of this workflow; may have * and ?."),
    click.option(
        "--status", metavar="STATUS", multiple=True, callback=_check_statuses, help="Only runs in this state."
    ),
    click.option("--label", metavar="KEY[=VALUE]", multiple=True, help="Only runs with this label; all of several."),
    click.option("--release", metavar="RELEASE", help="Only runs that are pinned to this release of a package."),
    click.option("--origin", metavar="ORIGIN", multiple=True, help="Only runs from api, cli, code, cron, trigger, ..."),
    click.option("--since", metavar=_AGO, help="Only runs created since: 2h, 7d, 2026-11-21, 2026-11-21T08:00Z."),
    click.option("--until", metavar=_AGO, help="Only runs created before."),
    click.option("--ended-since", metavar=_AGO, help="Only runs ended since, the last to end first."),
    click.option("--ended-until", metavar=_AGO, help="Only runs ended before, the last to end first."),
    click.option("--search", metavar="TEXT", help="Only runs with this text in their error or key, or part of an id."),
    click.option("--children", is_flag=True, help="Also runs that other runs have started."),
    click.option("--parent", metavar="RUN", help="Only the runs that this one has started."),
)  # fmt: skip


def filter_options(function: _Function) -> _Function:
    """Declare the options of `RunSelection`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSelection:
    """The options as they are given.  What has `!` before it is excluded."""

    workflow: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    release: str | None = None
    origin: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    ended_since: str | None = None
    ended_until: str | None = None
    search: str | None = None
    children: bool = False
    parent: str | None = None

    def to_filter(self, runs: ReadableRuns) -> RunFilter:
        """Create the filter.  Raises CommandError, UsageError, RunNotFound, AmbiguousRun."""
        from holdwater.model.records import RunFilter

        workflows, excluded_workflows = _split([_to_pattern(name) for name in self.workflow])
        statuses, excluded_statuses = _split(self.status)
        return RunFilter(
            workflows=workflows,
            excluded_workflows=excluded_workflows,
            statuses=statuses,
            excluded_statuses=excluded_statuses,
            labels=_parse_labels(self.label),
            origins=self.origin,
            release=self.release,
            since=_instant(self.since, "--since"),
            until=_instant(self.until, "--until"),
            ended_since=_instant(self.ended_since, "--ended-since"),
            ended_until=_instant(self.ended_until, "--ended-until"),
            text=self.search,
            parent_id=None if self.parent is None else runs.find_run(self.parent).id,
            top_level=self.parent is None and not self.children,
        )


def _to_pattern(name: str) -> str:
    """Only `*` and `?` make a pattern: other names are texts."""
    return name if "*" in name or "?" in name else glob.escape(name)


def _split(given: tuple[str, ...] | list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is included, and what is excluded."""
    excluded = tuple(one.removeprefix(EXCLUDE) for one in given if one.startswith(EXCLUDE))
    return tuple(one for one in given if not one.startswith(EXCLUDE)), excluded


def _parse_labels(given: tuple[str, ...]) -> dict[str, str | None]:
    labels: dict[str, str | None] = {}
    for one in given:
        key, found, value = one.partition("=")
        if key in labels:
            raise click.UsageError(f"--label {one}: {key} was given before, and a run has one value for it")
        labels[key] = value if found else None
    return labels


def _instant(given: str | None, option: str) -> Any:
    return None if given is None else time_arguments.parse_since(given, option)
