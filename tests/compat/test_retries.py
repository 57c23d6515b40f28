"""Retry policies, in the original's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import holdwater
from holdwater.compat.cloaca import BackoffStrategy, RetryCondition, RetryPolicy, RetryPolicyBuilder
from holdwater.errors import ConfigError


def test_the_default() -> None:
    policy = RetryPolicy.default()
    assert policy == RetryPolicy.builder().build() == RetryPolicy()
    assert (policy.max_attempts, policy.initial_delay, policy.max_delay, policy.with_jitter) == (3, 1.0, 60.0, True)
    assert (policy.backoff, policy.condition) == ("exponential", "all")
    assert isinstance(policy, holdwater.RetryPolicy)
    assert repr(policy).startswith("RetryPolicy(")


def test_a_builder_is_never_changed() -> None:
    start = RetryPolicy.builder()
    five = start.max_attempts(5)
    assert isinstance(five, RetryPolicyBuilder)
    assert (start.build().max_attempts, five.build().max_attempts) == (3, 5)
    assert five.max_attempts(0).build().max_attempts == 1


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        (BackoffStrategy.fixed(), [0.5, 0.5, 0.5, 0.5]),
        (BackoffStrategy.linear(3), [1.5, 3.0, 4.5, 5.0]),
        (BackoffStrategy.exponential(2), [0.5, 1.0, 2.0, 4.0]),
        (BackoffStrategy.exponential(3, 2), [1.0, 3.0, 5.0, 5.0]),
        (BackoffStrategy.exponential(2, None), [0.5, 1.0, 2.0, 4.0]),
    ],
)
def test_delays(strategy: BackoffStrategy, delays: list[float]) -> None:
    builder = RetryPolicy.builder().initial_delay(0.5).max_delay(5).backoff_strategy(strategy)
    policy = builder.with_jitter(False).build()
    assert [policy.calculate_delay(n) for n in (1, 2, 3, 4)] == pytest.approx(delays)
    shaken = builder.build()
    for n, delay in enumerate(delays, 1):
        assert 0.75 * delay <= shaken.calculate_delay(n) <= 1.25 * delay


def test_delays_grow_whatever_the_jitter() -> None:
    policy = RetryPolicy.default()
    assert all(policy.calculate_delay(2) > policy.calculate_delay(1) for _ in range(100))


def test_attempts_left() -> None:
    policy = RetryPolicy.builder().max_attempts(3).build()
    assert [policy.should_retry(n, "ValueError") for n in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("condition", "covered"),
    [
        (RetryCondition.all_errors(), [True, True, True]),
        (RetryCondition.never(), [False, False, False]),
        (RetryCondition.transient_only(), [False, True, True]),
        (RetryCondition.error_pattern(["LOCKED", "nothing"]), [False, False, True]),
        (RetryCondition.error_pattern([]), [False, False, False]),
    ],
)
def test_conditions(condition: RetryCondition, covered: list[bool]) -> None:
    policy = RetryPolicy.builder().retry_condition(RetryCondition.never()).retry_condition(condition).build()
    errors = ValueError("no"), TimeoutError("no"), OSError("file temporarily locked")
    assert [policy.is_retryable(error, type(error).__name__, f"{error}") for error in errors] == covered


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: RetryPolicy.builder().max_attempts(-1),
        lambda: RetryPolicy.builder().initial_delay(-0.1),
        lambda: RetryPolicy.builder().backoff_strategy(BackoffStrategy.linear(-1)),
        lambda: RetryCondition.error_pattern("busy"),
        lambda: RetryCondition.error_pattern([1]),  # type: ignore[list-item]
    ],
)
def test_what_makes_no_sense(mistake: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError):
        mistake()
