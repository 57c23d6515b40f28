"""Results of one execution of a node, whatever its authoring style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.input_requests import Question
from holdwater.model.time import Micros


@dataclass(slots=True)
class NodeResult:
    """Values of a node, or a request to the engine in the place of them.

    `values`: one per output cell; of a recorded run each knows its stored `text`, in memory they are the user's own.
    `decision`: the targets a gate opened, or the ranges of nodes a step skips.
    `observer_errors`: failures of observers.

    At most one request: an answer to a `question`, `child_runs`, or another call at the instant
    `wait_until` (microseconds since the epoch).
    """

    values: tuple[Any, ...] = ()
    decision: tuple[str, ...] | None = None
    observer_errors: tuple[str, ...] = ()
    question: Question | None = None
    child_runs: ChildRunsRequest | None = None
    wait_until: Micros | None = None
