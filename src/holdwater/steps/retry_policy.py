"""Retry policy and time-out of steps."""

from __future__ import annotations

from typing import Final

from holdwater.model.policies import NodePolicy, RetryPolicy
from holdwater.steps.base_step import BaseStep, ErrorPolicy

DEFAULT_RETRY: Final = RetryPolicy(max_attempts=3)
"""default of steps with `on_error=RETRY`: every failure is retried, after 1 s and after 2 s"""

NO_TIMEOUT_SECONDS: Final = 100 * 365 * 86_400.0
"""no limit: steps have no default time-out, unlike tasks"""

_SINGLE_ATTEMPT: Final = RetryPolicy()


def build_node_policy(
    step: BaseStep, default_retry: RetryPolicy | None, default_timeout_seconds: float | None
) -> NodePolicy:
    """Build the policy of a step from its options and the runner's defaults."""
    retry = step.retry_policy
    if retry is None:
        retry = (default_retry or DEFAULT_RETRY) if step.on_error is ErrorPolicy.RETRY else _SINGLE_ATTEMPT
    timeout_seconds = step.timeout_seconds or default_timeout_seconds or NO_TIMEOUT_SECONDS
    return NodePolicy(retry=retry, timeout_seconds=timeout_seconds, limit=step.limit)
