"""What a fork is born with, compared with the journal of the run it comes from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any, Final

from holdwater.model.records import JournalRow

MALFORMED_DATA_ERRORS: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""what data of the wrong shape raises somewhere inside"""
_RESTARTED_WITH_NEW_INPUTS: Final = "begun anew"
"""a fact of a run that was given new inputs, which are not those its forks are started with"""


def inheritable_facts(journal: Iterable[JournalRow]) -> frozenset[str]:
    """What a run has recorded that a fork of it may have."""
    found: set[str] = set()
    for row in journal:
        with contextlib.suppress(*MALFORMED_DATA_ERRORS):  # found when that run is looked at
            for tree in json.loads(row.entries):
                found.add(
                    _RESTARTED_WITH_NEW_INPUTS
                    if tree[0] == "resumed" and len(tree) > 2
                    else _inheritable_fact(tree) or ""
                )
    return frozenset(found)


def is_not_in_source(entry: Any, source_facts: frozenset[str]) -> bool:
    """Whether an entry of a birth says what the source, of which this is known, never recorded."""
    fact = _inheritable_fact(entry)
    return (
        fact is not None
        and fact not in source_facts
        and not (entry[0] == "started" and _RESTARTED_WITH_NEW_INPUTS in source_facts)
    )


def _inheritable_fact(entry: Any) -> str | None:
    """An entry without its fence, which a fork issues anew; None for what a fork makes itself."""
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
