"""Errors of nodes: the event of a failed attempt, and the outcome and error of a run."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from holdwater.errors import DeadlockError, InfiniteLoopError
from holdwater.model import events as ev
from holdwater.model.error_report import describe_error, type_name
from holdwater.runners.graphs.local.retry_times import retry_time
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.compile import CompiledGraph
    from holdwater.graphs.nodes.base import Node
    from holdwater.kernel import Machine
    from holdwater.model.commands import Execute
    from holdwater.runners.graphs.local.run_context import RunContext


def failed_event(node: Node, c: Execute, error: BaseException) -> ev.Failed:
    """Build the event of a failed attempt, by the node's retry policy."""
    kind = type_name(error)
    policy = node.retry
    if policy is None or c.attempt >= policy.max_attempts:
        return ev.Failed(c.node, c.fence, kind, "")
    text, delay_seconds = describe_error(error), retry_delay_seconds(node, c.attempt, error)
    if delay_seconds is None:
        return ev.Failed(c.node, c.fence, kind, text)
    return ev.Failed(c.node, c.fence, kind, text, retry_time(delay_seconds))


def retry_delay_seconds(node: Node, attempt: int, error: BaseException) -> float | None:
    """Return the delay after a failed attempt, counted from 1; None if it was the last one."""
    policy = node.retry
    if policy is None or attempt >= policy.max_attempts:
        return None
    if not policy.is_retryable(error, type_name(error), describe_error(error)):
        return None
    return policy.delay_seconds(attempt, jitter_fraction=random.random())


def outcome_of(
    compiled: CompiledGraph, m: Machine, errors: Mapping[int, BaseException], run_context: RunContext
) -> RunOutcome:
    """Build the outcome of a machine without commands left, except for its open questions."""
    return RunOutcome(
        compiled.collect_outputs(m),
        _run_error(compiled, m, errors, run_context.max_iterations) if m.errors else None,
        iterations=sum([r.iteration for r in m.supersteps.values()]),
    )


def _run_error(
    compiled: CompiledGraph, m: Machine, errors: Mapping[int, BaseException], max_iterations: int | None
) -> BaseException:
    """Return the error of the run: of several that of the first node of the graph."""
    i = min(m.errors)
    kind, text = m.errors[i]
    if kind == "deadlock":
        return deadlock_error(text)
    if kind != "loop":
        return errors[i]
    assert max_iterations is not None
    plan, unit = compiled.compiled_plan.plan, compiled.compiled_plan.unit_of[i]
    return infinite_loop_error([plan.nodes[j].name for j in compiled.compiled_plan.unit_members[unit]], max_iterations)


def infinite_loop_error(loop: Sequence[str], max_iterations: int) -> InfiniteLoopError:
    """Create the error of a loop, given the names of its nodes, that reached its limit of iterations."""
    return InfiniteLoopError(
        f"the loop {', '.join(loop)} was still going after {max_iterations} iterations",
        max_iterations=max_iterations,
        hint="see that a gate ends it, or raise max_iterations (None: no limit)",
    )


def deadlock_error(text: str) -> DeadlockError:
    """Create the error of a loop whose nodes wait for each other."""
    return DeadlockError(
        text,
        hint="say what comes first with edges= or wait_for, where the loop begins with with_entrypoint(...),"
        " or give what one of them waits for a default",
    )
