"""What a style compiles to: a plan, and beside it everything a plan must not contain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from penstock.kernel import Layout, Machine, lay_out
from penstock.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a body: what it sees, which attempt it is, and the fake clock in microseconds."""

    view: Any
    attempt: int
    now: int


@dataclass(frozen=True, slots=True)
class Done:
    values: tuple[Any, ...] = ()
    decision: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Returned by a body that wants to be called again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int = 1
    delay_s: float = 0.0


ONCE = Retry()

Body = Callable[[Call], Done | Later]


@dataclass(frozen=True)
class Program:
    """`view`: what a node's body sees; `lookup`: what its value rules see; `outputs`: what a caller gets."""

    plan: Plan
    bodies: tuple[Body | None, ...]
    view: Callable[[Machine, int], Any]
    outputs: Callable[[Machine], Any]
    lookup: Callable[[Machine, int, str], Any] = lambda m, i, name: None
    retries: Mapping[str, Retry] = field(default_factory=dict)

    @cached_property
    def layout(self) -> Layout:
        return lay_out(self.plan)
