"""Nodes of a run and their attempts, as values that are safe to keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from holdwater.model.plan import NodeKind
from holdwater.model.time import Micros


class NodeState(StrEnum):
    """The state of a node; each equals its value as a string.

    `PENDING`: what comes before it has not settled.  `READY`: queued.  `WAITING`: for a timer, the delay of a retry, or
    an answer.  `RUNNING`: its function is executed, or its child runs are.  `SKIPPED`: it will not run.
    """

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


AttemptOutcome = Literal["running", "completed", "failed", "lost", "cancelled", "awaiting_input"]


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a node.  Instants are microseconds since the epoch, None if they are not in the journal.

    `number`: from 1, within its iteration; `iteration`: from 1.  `entry`: the journal entry (from 1) that ended it,
    None while it runs.  `worker`: `host:pid` of the process that executes it, known while it runs.
    `outcome`: "lost", its process died; "awaiting_input", it ended with a question.
    `started_at`: of its first call; a function that waited, or had child runs, is called again afterwards.
    `category`: the error's class, or the category a step gives it.  `retry_at`: when the next attempt is due (0: at
    once), None if there is none.
    """

    number: int
    iteration: int
    outcome: AttemptOutcome
    entry: int | None = None
    started_at: Micros | None = None
    ended_at: Micros | None = None
    worker: str | None = None
    error: str | None = None
    traceback: str | None = None
    category: str | None = None
    retry_at: Micros | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A final error.  `category`: the error's class, the category of a step, or the engine's word for what it found."""

    category: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node of a run.  Instants are microseconds since the epoch.

    `attempts`: all that are known, the oldest first; `attempt_count`: those of the latest iteration that have begun and
    ended; `iterations`: how often the node was executed: more than once in a loop, or because of new inputs.
    `error`, `traceback`, `category`: those of its last attempt, None if that did not fail or left none.  `failure`: the
    final error, also one that the engine found (a loop without end, a deadlock).
    `reason`: why it was skipped.  `notes`: failures of observers.
    `deferred_until`: the instant its function asked to be called again at.  `completions`: how often it has succeeded.
    `is_outstanding`: work of it is queued or executed, or it waits for an answer.  `is_halted`: the run ended before
    the node did.  `loop`: names of the nodes of the loop it is part of, in the order of the plan; empty: it is in none.
    """

    name: str
    kind: NodeKind
    state: NodeState
    started_at: Micros | None = None
    ended_at: Micros | None = None
    attempts: tuple[AttemptView, ...] = ()
    attempt_count: int = 0
    iterations: int = 0
    error: str | None = None
    traceback: str | None = None
    category: str | None = None
    failure: Failure | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    deferred_until: Micros | None = None
    completions: int = 0
    is_outstanding: bool = False
    is_halted: bool = False
    loop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that a node has fanned out to.

    `index`: of the item.  `status`: as recorded by its parent; "waiting": not started.  `values`: its result by name,
    as stored values, once it has completed.
    """

    run_id: str
    node: str
    index: int
    status: Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
    values: dict[str, Any]
    error: str = ""
