"""Comparison of the inherited entries of a fork with the journal of its source."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any, Final

from holdwater.model.records import JournalRow

MALFORMED_DATA_ERRORS: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""exceptions of decoding malformed data"""
_RESTARTED_WITH_NEW_INPUTS: Final = "begun anew"
"""fact of a source that got new inputs, which differ from those its earlier forks started with"""


def inheritable_facts(journal: Iterable[JournalRow]) -> frozenset[str]:
    """Collect the facts of a run that a fork may inherit."""
    found: set[str] = set()
    for row in journal:
        with contextlib.suppress(*MALFORMED_DATA_ERRORS):  # reported by the check of that run
            for tree in json.loads(row.entries):
                found.add(
                    _RESTARTED_WITH_NEW_INPUTS
                    if tree[0] == "resumed" and len(tree) > 2
                    else _inheritable_fact(tree) or ""
                )
    return frozenset(found)


def is_not_in_source(entry: Any, source_facts: frozenset[str]) -> bool:
    """Return True if an inherited entry of a fork is not among the facts of its source."""
    fact = _inheritable_fact(entry)
    return (
        fact is not None
        and fact not in source_facts
        and not (entry[0] == "started" and _RESTARTED_WITH_NEW_INPUTS in source_facts)
    )


def _inheritable_fact(entry: Any) -> str | None:
    """Return an entry without its fence, which a fork issues anew; None for an entry of the fork itself."""
    match entry[0]:
        case "started" | "rule_evaluated" | "timer_fired":
            return json.dumps(entry)
        case "succeeded" | "failed" | "input_requested" | "child_runs_requested":
            return json.dumps([*entry[:2], *entry[3:]])
        case "input_provided":
            return json.dumps(entry[:3])
        case "child_status_changed" if entry[4] == "completed":
            return json.dumps([*entry[:2], *entry[3:]])
        case _:
            return None
