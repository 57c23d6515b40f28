"""Rows of the catalog of a database: the workflows its runners have announced, and the runners themselves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from holdwater.model.time import UNSET, Micros

RunnerState = Literal["running", "draining"]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan as data, by the fingerprint of its structure."""

    structure: str
    workflow: str
    style: str
    plan: dict[str, Any]


@dataclass(frozen=True)
class WorkflowRow:
    """A workflow as the runner that last announced a change of it has it.

    `structure`, `code`: fingerprints of its plan and its functions.  `descriptor`: JSON data about the workflow,
    `nodes`: about each node of the plan, in its order (see `model.descriptor`); both are empty for a workflow of which
    only the name is known.  `release`: the active one of its package; None: it is code of the runner's own process.
    `registered_at`: first announcement; `seen_at`: the latest start of a runner that had it, to the hour.
    """

    name: str
    style: str | None = None
    structure: str | None = None
    code: str | None = None
    descriptor: dict[str, Any] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    release: str | None = None
    registered_at: Micros = UNSET
    seen_at: Micros = UNSET

    @property
    def structures(self) -> frozenset[str]:
        """Fingerprints of its plan and of those of its variants; none for one of which only the name is known."""
        variants = [one["structure"] for one in self.descriptor.get("variants", ())]
        return frozenset() if self.structure is None else frozenset([self.structure, *variants])

    @cached_property
    def digest(self) -> str:
        """Fingerprint of all that is announced: 32 hex digits of SHA-256."""
        facts: list[Any] = [self.style, self.structure, self.code, self.descriptor, self.nodes]
        if self.release is not None:  # otherwise that of an earlier version
            facts.append(self.release)
        text = json.dumps(facts, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """A runner, as it said at its latest heartbeat.

    `owner`: its incarnation, which leases name.  `executors`: number of slots of each.  `workflows`: claim keys of what
    it can execute.  `own_runs_only`: it takes work of its own runs alone.  `seen_at`: the latest heartbeat.
    """

    owner: str
    name: str
    host: str
    pid: int
    version: str
    executors: dict[str, int]
    workflows: list[str]
    own_runs_only: bool
    state: RunnerState
    started_at: Micros
    seen_at: Micros
