"""What a fork is born with, compared with the journal of the run it comes from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any, Final

from holdwater.model.records import JournalRow

BROKEN: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""what data of the wrong shape raises somewhere inside"""
_BEGUN_ANEW: Final = "begun anew"
"""a fact of a run that was given new inputs, which are not those its forks are started with"""


def facts(journal: Iterable[JournalRow]) -> frozenset[str]:
    """What a run has recorded that a fork of it may have."""
    found: set[str] = set()
    for row in journal:
        with contextlib.suppress(*BROKEN):  # found when that run is looked at
            for tree in json.loads(row.entries):
                found.add(_BEGUN_ANEW if tree[0] == "resumed" and len(tree) > 2 else _fact(tree) or "")
    return frozenset(found)


def is_forged(tree: Any, known: frozenset[str]) -> bool:
    """Whether an entry of a birth says what the source, of which this is known, never recorded."""
    fact = _fact(tree)
    return fact is not None and fact not in known and not (tree[0] == "started" and _BEGUN_ANEW in known)


def _fact(tree: Any) -> str | None:
    """An entry without its fence, which a fork issues anew; None for what a fork makes itself."""
    match tree[0]:
        case "started" | "evaluated" | "timer_fired":
            return json.dumps(tree)
        case "ok" | "fail" | "asked" | "fanned_out":
            return json.dumps([*tree[:2], *tree[3:]])
        case "answered":
            return json.dumps(tree[:3])
        case "child_moved" if tree[4] == "completed":
            return json.dumps([*tree[:2], *tree[3:]])
        case _:
            return None
