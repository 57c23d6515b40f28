"""Controlling many runs with one request: those that match a filter at this instant, or a list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from holdwater.engine import Engine
from holdwater.errors import (
    DecodingError,
    InvalidArgument,
    InvalidTransition,
    RunNotFound,
    StoreError,
    StoreUnavailable,
    StructureChanged,
)
from holdwater.model.records import RunFilter
from holdwater.operations.control import cancel_run, pause_run, resume_run, retry_run
from holdwater.operations.runs import list_runs

BulkVerb = Literal["cancel", "pause", "resume", "retry"]
MAX_RUNS: Final = 1_000
"""runs of one request"""
MAX_REFUSALS: Final = 20
"""refusals that are told with their reasons"""

_REFUSALS: Final = (DecodingError, InvalidArgument, InvalidTransition, RunNotFound, StoreError, StructureChanged)
"""of one run, which must not hold up the others"""
_CONTROL: Final[dict[BulkVerb, Callable[..., object]]] = {
    "cancel": cancel_run,
    "pause": pause_run,
    "resume": resume_run,
    "retry": retry_run,
}


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Result of a request.  `done_count`: runs it was done to.  `refused_count`: those it did not fit.

    `refusals`: run id -> reason, of the first ones.  `has_more`: more runs match than one request takes.
    """

    done_count: int
    refused_count: int
    refusals: dict[str, str]
    has_more: bool = False


def control_runs(
    engine: Engine, verb: BulkVerb, run_ids: Iterable[str], reason: str = "", *, by: str = ""
) -> BulkResult:
    """Cancel, pause, resume or retry runs; a run that it does not fit is left as it is, and told.

    So is one that cannot be read.  Raises StoreUnavailable, RunnerClosed; what was done until then stays.
    """
    ids = list(dict.fromkeys(run_ids))
    done, refused = 0, 0
    refusals: dict[str, str] = {}
    for run_id in ids[:MAX_RUNS]:
        try:
            _CONTROL[verb](engine, run_id, reason, by=by)
            done += 1
        except StoreUnavailable:
            raise
        except _REFUSALS as error:
            refused += 1
            if len(refusals) < MAX_REFUSALS:
                refusals[run_id] = error.message
    return BulkResult(done, refused, refusals, len(ids) > MAX_RUNS)


def control_matching_runs(
    engine: Engine, verb: BulkVerb, which: RunFilter, reason: str = "", *, by: str = ""
) -> BulkResult:
    """Cancel, pause, resume or retry the newest `MAX_RUNS` runs that match; see `control_runs`.

    The runs are looked up first, so that those which begin to match meanwhile are left alone.
    Raises StoreUnavailable, RunnerClosed.
    """
    found = list_runs(engine.reader, which.without_page(), MAX_RUNS + 1)
    result = control_runs(engine, verb, [run.id for run in found[:MAX_RUNS]], reason, by=by)
    return replace(result, has_more=len(found) > MAX_RUNS)
