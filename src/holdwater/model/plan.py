"""A plan: what every authoring style compiles to.  Pure data: it can be stored, drawn, checked and folded anywhere.

What to call for a node, how often to retry it and how long it may take are not here: they belong to the program
(`model.program`), and may change between two runs, or in the middle of one, without invalidating what is recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from holdwater.model import rules
from holdwater.model.rules import SKIPPED, Rule

NodeKind = Literal["call", "ask", "wait", "interrupt", "fan_out"]
OnError = Literal["stop", "fail", "ignore"]


@dataclass(frozen=True, slots=True)
class Read:
    """One input of a node: the cells wired to it, of which the latest write wins.

    `optional`: the node runs without it (the program knows a default).  `triggers_rerun`: inside a loop, a new value is
    a reason to run again.  `must_be_newer`: inside a loop, run again only if this input is newer than at the last run.
    """

    name: str
    cells: tuple[str, ...]
    optional: bool = False
    triggers_rerun: bool = True
    must_be_newer: bool = False


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One thing that happens in a run.

    `after`: settled before this node is looked at (order, not success).  `ready`: decided once, when everything before
    it has settled; if it does not hold the node settles as `outcome_if_not_run`.  `writes`: its cells, no other node's.
    `gates`: gates that have this node among their targets; `targets`: what this node, a gate, may open.
    `on_error`: a final failure halts the run, or lets it go on and fail at the end, or counts for nothing.
    `kind`: call runs a body; ask has none and waits for an answer; interrupt runs a body that may ask; wait lets
    `wait_seconds` pass; fan runs a body that may ask for child runs, and runs again when they have ended.
    """

    name: str
    kind: NodeKind = "call"
    after: tuple[str, ...] = ()
    ready: Rule | None = None
    outcome_if_not_run: Literal["skipped", "upstream_failed"] = SKIPPED
    reads: tuple[Read, ...] = ()
    writes: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    multi: bool = False
    on_error: OnError = "stop"
    wait_seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Nodes in definition order.  `inputs`: names given at the start; `aliases`: those in a producer's cell.

    `sequence`: each node comes after the one before it, and a decision passes over some that follow.
    `max_iterations`: supersteps of one loop; None: as many as it takes.
    `variant`: which of several plans of one definition this is, in the words of its program.
    """

    name: str
    nodes: tuple[PlanNode, ...]
    style: str = "tasks"
    inputs: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    max_iterations: int | None = 1000
    sequence: bool = False
    variant: str = ""

    @cached_property
    def structure(self) -> str:
        """Fingerprint of names, kinds, order, edges and rules: 16 hex digits of SHA-256 over canonical JSON."""
        text = json.dumps(self.to_data(), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_data(self) -> dict[str, Any]:
        """The plan as JSON data; the inverse of `from_data`.  Fields at their default are left out."""
        nodes = []
        for n in self.nodes:
            row: dict[str, Any] = {"name": n.name}
            for key, default in _NODE_DEFAULTS.items():
                value = getattr(n, key)
                if value != default:
                    row[key] = list(value) if isinstance(value, tuple) else value
            if n.ready is not None:
                row["ready"] = rules.to_data(n.ready)
            if n.reads:
                row["reads"] = [[r.name, list(r.cells), r.optional, r.triggers_rerun, r.must_be_newer] for r in n.reads]
            if n.wait_seconds:
                row["wait_s"] = n.wait_seconds
            nodes.append(row)
        data: dict[str, Any] = {"name": self.name, "style": self.style, "nodes": nodes, "inputs": list(self.inputs)}
        if self.aliases:
            data["aliases"] = dict(self.aliases)
        if self.max_iterations != 1000:
            data["max_iterations"] = self.max_iterations
        if self.sequence:
            data["sequence"] = True
        if self.variant:
            data["variant"] = self.variant
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_data` wrote."""
        nodes = []
        for row in data["nodes"]:
            kw: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
            kw["wait_seconds"] = kw.pop("wait_s", 0.0)
            if "ready" in row:
                kw["ready"] = rules.from_data(row["ready"])
            if "reads" in row:
                kw["reads"] = tuple(Read(r[0], tuple(r[1]), *r[2:]) for r in row["reads"])
            nodes.append(PlanNode(**kw))
        return cls(
            data["name"],
            tuple(nodes),
            data["style"],
            tuple(data["inputs"]),
            data.get("aliases", {}),
            data.get("max_iterations", 1000),
            data.get("sequence", False),
            data.get("variant", ""),
        )


_NODE_DEFAULTS: dict[str, Any] = {
    "kind": "call",
    "after": (),
    "outcome_if_not_run": SKIPPED,
    "writes": (),
    "gates": (),
    "targets": (),
    "multi": False,
    "on_error": "stop",
}
