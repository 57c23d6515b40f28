"""The original's way to say a retry policy.  What comes out is Holdwater's policy, with the original's defaults."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from holdwater.errors import ConfigError
from holdwater.model import policies


@dataclass(frozen=True, slots=True)
class BackoffStrategy:
    """How the delay grows: made by `fixed`, `linear` or `exponential`."""

    kind: policies.Backoff
    factor: float = 2.0
    multiplier: float = 1.0

    @classmethod
    def fixed(cls) -> BackoffStrategy:
        """The initial delay every time."""
        return cls("fixed")

    @classmethod
    def linear(cls, multiplier: float = 1.0) -> BackoffStrategy:
        """After the n-th failure n * multiplier initial delays."""
        return cls("linear", multiplier=multiplier)

    @classmethod
    def exponential(cls, base: float = 2.0, multiplier: float | None = None) -> BackoffStrategy:
        """After the n-th failure multiplier * base**(n-1) initial delays."""
        return cls("exponential", base, 1.0 if multiplier is None else multiplier)


@dataclass(frozen=True, slots=True)
class RetryCondition:
    """Which failures are retried: made by `never`, `transient_only`, `all_errors` or `error_pattern`."""

    kind: policies.Condition
    patterns: tuple[str, ...] = ()

    @classmethod
    def never(cls) -> RetryCondition:
        """None."""
        return cls("never")

    @classmethod
    def transient_only(cls) -> RetryCondition:
        """Time-outs, connection errors, and messages that speak of them."""
        return cls("transient")

    @classmethod
    def all_errors(cls) -> RetryCondition:
        """All."""
        return cls("all")

    @classmethod
    def error_pattern(cls, patterns: Iterable[str]) -> RetryCondition:
        """Those whose text holds one of these, in any case; no pattern: none.  Raises ConfigError."""
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
        """The policy of a task that says nothing."""
        return cls()

    @staticmethod
    def builder() -> RetryPolicyBuilder:
        """Start from the default."""
        return RetryPolicyBuilder()

    @property
    def with_jitter(self) -> bool:
        return self.jitter

    def calculate_delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt (from 1) has failed; with jitter another number each time."""
        return self.delay(attempt, luck=random.random())

    def should_retry(self, attempt: int, error_type: str) -> bool:
        """Whether there are attempts left after this one.  Conditions are for the runner, which knows the error."""
        return attempt < self.max_attempts


@dataclass(frozen=True, slots=True)
class RetryPolicyBuilder:
    """Immutable: every call returns another builder.  Each raises ConfigError for what makes no sense."""

    _policy: RetryPolicy = RetryPolicy()

    def max_attempts(self, attempts: int) -> RetryPolicyBuilder:
        """Attempts in all; 0 means one, too."""
        return self._with(max_attempts=1 if attempts == 0 else attempts)

    def initial_delay(self, seconds: float) -> RetryPolicyBuilder:
        return self._with(initial_delay=seconds)

    def max_delay(self, seconds: float) -> RetryPolicyBuilder:
        return self._with(max_delay=seconds)

    def backoff_strategy(self, strategy: BackoffStrategy) -> RetryPolicyBuilder:
        return self._with(backoff=strategy.kind, factor=strategy.factor, multiplier=strategy.multiplier)

    def retry_condition(self, condition: RetryCondition) -> RetryPolicyBuilder:
        """In the place of any condition said before."""
        return self._with(condition=condition.kind, patterns=condition.patterns)

    def with_jitter(self, jitter: bool) -> RetryPolicyBuilder:
        return self._with(jitter=jitter)

    def build(self) -> RetryPolicy:
        return self._policy

    def _with(self, **changes: Any) -> RetryPolicyBuilder:
        return RetryPolicyBuilder(replace(self._policy, **changes))
