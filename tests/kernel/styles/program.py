"""What a style compiles to: a plan, and beside it everything a plan must not contain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from holdwater.kernel import CompiledPlan, Machine, compile_plan
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.model.plan import Plan
from holdwater.model.time import Micros


@dataclass(frozen=True, slots=True)
class NodeCall:
    """One call of a body: what it sees, which attempt it is, and the fake clock in microseconds.

    `outcomes`: of its children, once they have all ended.
    """

    view: Any
    attempt: int
    now: Micros
    child_results: tuple[ChildResult | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class NodeOutput:
    values: tuple[Any, ...] = ()
    decision: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Returned by a body that wants to be called again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Question:
    """Returned by a body that wants an answer from somebody."""

    prompt: Any


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int = 1
    delay_seconds: float = 0.0


ONCE = Retry()

ChildInputs = Mapping[str, Any]
"""what a child starts with"""
NodeFunction = Callable[[NodeCall], NodeOutput | Defer | Question | ChildRunsRequest]
ChildFunction = Callable[[ChildInputs, int], Any]
"""(its inputs, how often it has begun) -> its result"""


@dataclass(frozen=True)
class FanOutFunctions:
    """What a node that fans out does: `spread` says what they start with, `gather` makes one value of what became of
    them, in their order.  Both see what the node sees."""

    build_inputs: Callable[..., Sequence[ChildInputs]]
    run_child: ChildFunction
    combine_results: Callable[[Sequence[ChildResult | None]], Any]
    max_concurrency: int | None = None
    fail_fast: bool = True

    def run(self, call: NodeCall, *view: Any) -> ChildRunsRequest | Any:
        if call.child_results is None:
            return ChildRunsRequest(tuple(self.build_inputs(*view)), self.max_concurrency, self.fail_fast)
        return self.combine_results(call.child_results)


def gather_results(child_results: Sequence[ChildResult | None]) -> list[Any]:
    """Of children that have all completed; else the first of their errors."""
    for outcome in child_results:
        if outcome is not None and outcome.status != "completed":
            raise OSError(f"a child is {outcome.status}")
    return [o.values["result"] for o in child_results if o is not None]


@dataclass(frozen=True)
class Program:
    """`view`: what a node's body sees; `lookup`: what its value rules see; `outputs`: what a caller gets.

    `passed`: what a run of a sequence leaves out from the start.
    """

    plan: Plan
    functions: tuple[NodeFunction | None, ...]
    view: Callable[[Machine, int], Any]
    outputs: Callable[[Machine], Any]
    lookup: Callable[[Machine, int, str], Any] = lambda m, i, name: None
    retries: Mapping[str, Retry] = field(default_factory=dict)
    children: Mapping[str, ChildFunction] = field(default_factory=dict)
    skipped_ranges: tuple[str, ...] = ()

    @cached_property
    def compiled_plan(self) -> CompiledPlan:
        return compile_plan(self.plan)
