"""Notifications between the stores on one database: contents, and the encoding as a line of text."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from holdwater.model.records import ALL_RUNS, Notification, RunUpdate
from holdwater.model.schedules import PHASE_WAITING, Firing

WORK_AVAILABLE: Final = Notification(work_available=True, changed_runs=frozenset())

SCHEDULES_CHANGED: Final = Notification(work_available=False, changed_runs=frozenset(), schedules_changed=True)

RELEASES_CHANGED: Final = Notification(work_available=False, changed_runs=frozenset(), releases_changed=True)

LIMITS_CHANGED: Final = Notification(work_available=True, changed_runs=frozenset(), schedules_changed=True)
"""Concurrency limits are read where schedules are; tasks that waited may begin."""

ANYTHING_CHANGED: Final = Notification(
    work_available=True, changed_runs=None, schedules_changed=True, releases_changed=True
)
"""Notifications may have been missed: re-read everything."""

MESSAGE_LIMIT_BYTES: Final = 4000
"""below the atomic write to a pipe (PIPE_BUF, 4,096) and PostgreSQL's limit of a payload (8,000)"""


def notification_for_updates(updates: Sequence[RunUpdate]) -> Notification | None:
    """Describe committed changes for other stores; None if none of them concerns others."""
    work = any([change.parked is False or change.frees_limits or _has_claimable_work(change) for change in updates])
    runs = [change.run.id for change in updates if change.notify]
    progress = frozenset([change.run.id for change in updates if change.is_followed])
    return Notification(work, frozenset(runs), progressed_runs=progress) if work or runs or progress else None


def notification_for_firings(firings: Sequence[Firing]) -> Notification | None:
    """Describe fires for other stores: unclaimed work, and fires that wait for a run to end."""
    told = notification_for_updates([change for firing in firings for change in firing.new_runs])
    if any([fire.phase == PHASE_WAITING for firing in firings for fire in firing.fires]):
        return replace(told or SCHEDULES_CHANGED, schedules_changed=True)
    return told


def notification_for_logs(followed_runs: Collection[str]) -> Notification | None:
    """Describe new lines in the logs of runs that other stores follow; None if they follow none of these."""
    if not followed_runs:
        return None
    return Notification(work_available=False, changed_runs=frozenset(), progressed_runs=frozenset(followed_runs))


def _has_claimable_work(update: RunUpdate) -> bool:
    return any([row.owner is None and not row.parked for row in update.work_added])


def encode(notification: Notification) -> str:
    """Encode as a line of text without its newline; run ids beyond `MESSAGE_LIMIT_BYTES` become "any run".

    The first to become that are runs that have only progressed: a runner has no more to do for them.
    """
    work, schedules = int(notification.work_available), int(notification.schedules_changed)
    runs = None if notification.changed_runs is None else sorted(notification.changed_runs)
    row: list[Any] = [work, runs, schedules]
    if notification.followed_runs or notification.progressed_runs or notification.releases_changed:
        row += [sorted(notification.followed_runs), sorted(notification.progressed_runs)]
    if notification.releases_changed:  # earlier versions take such a row for "anything has changed"
        row.append(1)
    text = json.dumps(row, separators=(",", ":"))
    if len(text) > MESSAGE_LIMIT_BYTES and notification.progressed_runs:
        row[4] = [ALL_RUNS]
        text = json.dumps(row, separators=(",", ":"))
    return text if len(text) <= MESSAGE_LIMIT_BYTES else json.dumps([work, None, schedules])


def decode(text: str) -> Notification:
    """Decode a line of text; malformed text means `ANYTHING_CHANGED`."""
    try:
        work, runs, schedules, *more = json.loads(text)
        follow, progress, releases = (*more, 0) if len(more) == 2 else (more or ((), (), 0))
        if releases not in (0, 1):
            return ANYTHING_CHANGED
        return Notification(
            bool(work),
            None if runs is None else frozenset(map(str, runs)),
            bool(schedules),
            frozenset(map(str, follow)),
            frozenset(map(str, progress)),
            bool(releases),
        )
    except (ValueError, TypeError):
        return ANYTHING_CHANGED
