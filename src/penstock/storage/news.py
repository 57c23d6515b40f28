"""What a store tells the other stores on its database, and how that travels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from penstock.model.records import Change, News

WORK: Final = News(work=True, runs=frozenset())

ANY: Final = News(work=True, runs=None)
"""Something may have been missed: look at everything."""

MESSAGE_LIMIT_BYTES: Final = 4000
"""below what a pipe takes at once (4,096) and what PostgreSQL takes as a payload (8,000)"""


def news_of(changes: Sequence[Change]) -> News | None:
    """What others want to know of committed changes; None: nothing."""
    work = any([change.park is False or _is_claimable(change) for change in changes])
    runs = [change.run.id for change in changes if change.announce]
    return News(work, frozenset(runs)) if work or runs else None


def _is_claimable(change: Change) -> bool:
    return any([row.owner is None and not row.parked for row in change.work_in])


def encode(news: News) -> str:
    """As a line of text, without its end; runs too many to name are any."""
    runs = None if news.runs is None else sorted(news.runs)
    text = json.dumps([int(news.work), runs], separators=(",", ":"))
    return text if len(text) <= MESSAGE_LIMIT_BYTES else json.dumps([int(news.work), None])


def decode(text: str) -> News:
    """What `encode` wrote; what nobody wrote that way is anything."""
    try:
        work, runs = json.loads(text)
        return News(bool(work), None if runs is None else frozenset(map(str, runs)))
    except (ValueError, TypeError):
        return ANY
