"""The original's classes for retry policies; they build Holdwater's policy with the original's defaults."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from holdwater.errors import ConfigError
from holdwater.model import policies


@dataclass(frozen=True, slots=True)
class BackoffStrategy:
    """Growth of the delay, created by `fixed`, `linear` or `exponential`."""

    kind: policies.Backoff
    factor: float = 2.0
    multiplier: float = 1.0

    @classmethod
    def fixed(cls) -> BackoffStrategy:
        """Wait the initial delay after every failure."""
        return cls("fixed")

    @classmethod
    def linear(cls, multiplier: float = 1.0) -> BackoffStrategy:
        """Wait n * multiplier initial delays after the n-th failure."""
        return cls("linear", multiplier=multiplier)

    @classmethod
    def exponential(cls, base: float = 2.0, multiplier: float | None = None) -> BackoffStrategy:
        """Wait multiplier * base**(n-1) initial delays after the n-th failure."""
        return cls("exponential", base, 1.0 if multiplier is None else multiplier)


@dataclass(frozen=True, slots=True)
class RetryCondition:
    """Selection of retried failures, created by `never`, `transient_only`, `all_errors` or `error_pattern`."""

    kind: policies.RetryCondition
    patterns: tuple[str, ...] = ()

    @classmethod
    def never(cls) -> RetryCondition:
        """Retry no failure."""
        return cls("never")

    @classmethod
    def transient_only(cls) -> RetryCondition:
        """Retry time-outs, connection errors, and errors whose messages mention them."""
        return cls("transient")

    @classmethod
    def all_errors(cls) -> RetryCondition:
        """Retry every failure."""
        return cls("all")

    @classmethod
    def error_pattern(cls, patterns: Iterable[str]) -> RetryCondition:
        """Retry failures whose text contains a pattern, ignoring case; none for an empty list.  Raises ConfigError."""
        given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in given):
            raise ConfigError(f"error_pattern takes a list of strings, not {patterns!r}")
        return cls("all", given) if given else cls("never")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(policies.RetryPolicy):
    """Holdwater's policy under the original's defaults: three attempts, exponential from 1 s to 60 s, jitter."""

    max_attempts: int = 3
    jitter: bool = True

    @classmethod
    def default(cls) -> RetryPolicy:
        """Return the policy of a task without retry options."""
        return cls()

    @staticmethod
    def builder() -> RetryPolicyBuilder:
        """Create a builder with the default policy."""
        return RetryPolicyBuilder()

    @property
    def with_jitter(self) -> bool:
        return self.jitter

    def calculate_delay(self, attempt: int) -> float:
        """Return the delay in seconds after this attempt (from 1) has failed; random with jitter."""
        return self.delay_seconds(attempt, jitter_fraction=random.random())

    def should_retry(self, attempt: int, error_type: str) -> bool:
        """Return True if attempts are left after this one; the runner checks the condition against the error."""
        return attempt < self.max_attempts


@dataclass(frozen=True, slots=True)
class RetryPolicyBuilder:
    """An immutable builder: every method returns a new one.  Methods raise ConfigError for an invalid value."""

    _policy: RetryPolicy = RetryPolicy()

    def max_attempts(self, attempts: int) -> RetryPolicyBuilder:
        """Set the number of attempts, the first included; 0 counts as 1."""
        return self._with(max_attempts=1 if attempts == 0 else attempts)

    def initial_delay(self, seconds: float) -> RetryPolicyBuilder:
        return self._with(initial_delay=seconds)

    def max_delay(self, seconds: float) -> RetryPolicyBuilder:
        return self._with(max_delay=seconds)

    def backoff_strategy(self, strategy: BackoffStrategy) -> RetryPolicyBuilder:
        return self._with(backoff=strategy.kind, factor=strategy.factor, multiplier=strategy.multiplier)

    def retry_condition(self, condition: RetryCondition) -> RetryPolicyBuilder:
        """Replace the condition."""
        return self._with(condition=condition.kind, patterns=condition.patterns)

    def with_jitter(self, jitter: bool) -> RetryPolicyBuilder:
        return self._with(jitter=jitter)

    def build(self) -> RetryPolicy:
        return self._policy

    def _with(self, **changes: Any) -> RetryPolicyBuilder:
        return RetryPolicyBuilder(replace(self._policy, **changes))
