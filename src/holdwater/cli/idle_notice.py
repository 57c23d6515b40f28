"""Followed runs that nothing happens to: a line on stderr says why, once for each reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from holdwater.cli.commands import format_command
from holdwater.cli.formatting import escape_unsafe, first_line
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.client.interface.runs import ReadableRuns
    from holdwater.runs.activity import Activity

CHECK_SECONDS: Final = 2.0
"""between looks at what a run does while nothing of it is recorded"""
MAX_REASON_CHARS: Final = 300


class IdleNotice:
    """Says why a run does not go on."""

    def __init__(self, runs: ReadableRuns, run_id: str, place: Place) -> None:
        self._runs, self._run_id, self._place = runs, run_id, place
        self._said = ""

    def check(self) -> None:
        """Look at the run, and say why it does not go on if that was not said last.  Raises RunNotFound."""
        from holdwater.runs.follow import UNREACHABLE_ERRORS

        try:
            run = self._runs.info(self._run_id)
        except UNREACHABLE_ERRORS:  # the follower goes on trying
            return
        activity = run.activity
        why = "" if activity is None else self._describe(activity, run.reason or "")
        if why and why != self._said:
            click.echo(f"  {why}", err=True)
        self._said = why

    def _describe(self, activity: Activity, reason: str) -> str:
        from holdwater.runners.tasks.results import describe_activity

        words = describe_activity(activity)
        match activity.state:
            case "orphaned":
                died = "the process that executed it died or lost its lease"
                how = f"the next worker that has its workflow{self._or_by_hand('or by ')}"
                return f"{words}: {died}; it goes on with {how}"
            case "queued":
                start = "" if self._place.is_server else "; start one that has its workflow"
                return f"queued: no worker has begun what is due{start}{self._or_by_hand('or ')}"
            case "paused":
                show = format_command("runs", "show", self._run_id, place=self._place)
                said = f": {first_line(reason, MAX_REASON_CHARS)}" if reason else ""
                return f"paused{said}; `{show}` says what it waits for"
            case "waiting":
                return escape_unsafe(words)
        return ""

    def _or_by_hand(self, conjunction: str) -> str:
        """Return the command that executes the run here; a server executes its runs itself."""
        if self._place.is_server:
            return ""
        words = ("run", "MODULE:WORKFLOW", "--resume", self._run_id)
        return f", {conjunction}`{format_command(*words, place=self._place)}`"
