"""What a store tells the other stores on its database, and how that travels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from holdwater.model.records import Change, News
from holdwater.model.schedules import WAITING, Firing

WORK: Final = News(work=True, runs=frozenset())

SCHEDULES: Final = News(work=False, runs=frozenset(), schedules=True)

ANY: Final = News(work=True, runs=None, schedules=True)
"""Something may have been missed: look at everything."""

MESSAGE_LIMIT_BYTES: Final = 4000
"""below what a pipe takes at once (4,096) and what PostgreSQL takes as a payload (8,000)"""


def news_of(changes: Sequence[Change]) -> News | None:
    """What others want to know of committed changes; None: nothing."""
    work = any([change.park is False or _is_claimable(change) for change in changes])
    runs = [change.run.id for change in changes if change.announce]
    return News(work, frozenset(runs)) if work or runs else None


def news_of_firings(firings: Sequence[Firing]) -> News | None:
    """What others want to know of fires: work nobody took, and what may have to wait for their runs."""
    told = news_of([change for firing in firings for change in firing.births])
    if any([fire.open == WAITING for firing in firings for fire in firing.fires]):
        return replace(told or SCHEDULES, schedules=True)
    return told


def _is_claimable(change: Change) -> bool:
    return any([row.owner is None and not row.parked for row in change.work_in])


def encode(news: News) -> str:
    """As a line of text, without its end; runs too many to name are any."""
    work, schedules = int(news.work), int(news.schedules)
    runs = None if news.runs is None else sorted(news.runs)
    text = json.dumps([work, runs, schedules], separators=(",", ":"))
    return text if len(text) <= MESSAGE_LIMIT_BYTES else json.dumps([work, None, schedules])


def decode(text: str) -> News:
    """What `encode` wrote; what nobody wrote that way is anything."""
    try:
        work, runs, schedules = json.loads(text)
        return News(bool(work), None if runs is None else frozenset(map(str, runs)), bool(schedules))
    except (ValueError, TypeError):
        return ANY
