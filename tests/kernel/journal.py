"""Events as text and back: what a test's journal holds is data, so nothing can hide in an identity."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from holdwater.kernel import CompiledPlan, Machine
from holdwater.model import events as ev
from holdwater.model.events import Event

_TUPLES = {"values", "decision", "rule_results", "skipped_ranges", "inputs"}


def to_row(e: Event) -> list[Any]:
    return [type(e).__name__, {f: getattr(e, f) for f in type(e).__slots__}]


def from_row(row: list[Any]) -> Event:
    name, fields = row
    kw = {k: tuple(v) if k in _TUPLES and isinstance(v, list) else v for k, v in fields.items()}
    event: Event = getattr(ev, name)(**kw)
    return event


def encode(e: Event) -> str:
    return json.dumps(to_row(e))


def decode(line: str) -> Event:
    return from_row(json.loads(line))


def fold(compiled_plan: CompiledPlan, lines: Iterable[str]) -> Machine:
    """The machine a journal leads to."""
    m = Machine(compiled_plan)
    for line in lines:
        m.apply(decode(line))
    return m


def is_same_state(a: Machine, b: Machine) -> bool:
    """Whether two machines are in the same state, down to what is outstanding."""
    return a.snapshot() == b.snapshot()
