"""Retry policies: one class for every style.  Data and two pure functions; the driver applies them, the journal records
what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from holdwater.errors import ConfigError
from holdwater.model import validation
from holdwater.model.error_report import error_kind, flatten_group, is_a

Backoff = Literal["fixed", "constant", "linear", "exponential"]
RetryCondition = Literal["all", "transient", "never"]

TRANSIENT_WORDS: Final = (
    "connection", "network", "timeout", "timed out", "temporary", "temporarily", "unavailable", "busy", "overloaded",
    "rate limit",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Number, delays and conditions of the attempts of a node.

    `max_attempts` counts the first one.  Delay before attempt n+1, in seconds: `initial_delay` times fixed 1; linear
    multiplier*n; exponential multiplier*factor**(n-1); at most `max_delay`; with jitter times a random 0.75 to 1.25
    afterwards.  Which failures: `condition` ("all", "transient": time-outs, connection errors, crashed workers and
    messages that speak of them, "never"), narrowed to `retry_on` exception types, `retryable_errors` kinds and
    `patterns` (parts of the error's text, in any case) where given; one of them is enough.  Of an exception group each
    exception in it counts, and one that is covered is enough.  `backoff="constant"` is another word for "fixed"; lists
    are taken where tuples stand here.
    """

    max_attempts: int = 1
    backoff: Backoff = "exponential"
    initial_delay: float = 1.0
    max_delay: float = 60.0
    factor: float = 2.0
    multiplier: float = 1.0
    jitter: bool = False
    condition: RetryCondition = "all"
    retry_on: Sequence[type[BaseException]] = ()
    retryable_errors: Sequence[str] = ()
    patterns: Sequence[str] = ()

    def __post_init__(self) -> None:
        validation.check_count("max_attempts", self.max_attempts, minimum=1)
        if self.backoff == "constant":
            object.__setattr__(self, "backoff", "fixed")
        for name in ("retry_on", "retryable_errors", "patterns"):
            given = getattr(self, name)
            if isinstance(given, (list, set, frozenset)):
                object.__setattr__(self, name, tuple(given))
            elif not isinstance(given, tuple):
                raise ConfigError(f"{name} is a list, not {validation.shorten_repr(given)}", hint=f"{name}=[...]")
            for one in getattr(self, name):
                self._check_item(name, one)
        for name in ("initial_delay", "max_delay"):
            validation.check_seconds(name, getattr(self, name), positive=False)
        for name in ("factor", "multiplier"):
            validation.check_seconds(name, getattr(self, name), positive=False, unit="times")
        for name, choices in (("backoff", get_args(Backoff)), ("condition", get_args(RetryCondition))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"retry {name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")

    @staticmethod
    def _check_item(name: str, one: object) -> None:
        if name == "retry_on" and not (isinstance(one, type) and issubclass(one, BaseException)):
            raise ConfigError(f"retry_on has exception classes, not {validation.shorten_repr(one)}")
        if name != "retry_on" and not isinstance(one, str):
            raise ConfigError(f"{name} has texts, not {validation.shorten_repr(one)}")

    def delay_seconds(self, failures: int, *, jitter_fraction: float = 0.5) -> float:
        """Seconds to wait after this many failures; `luck` in 0..1 is the random part of the jitter."""
        if self.backoff == "fixed":
            seconds = self.initial_delay
        elif self.backoff == "linear":
            seconds = self.initial_delay * self.multiplier * failures
        else:
            try:
                seconds = self.initial_delay * self.multiplier * float(self.factor) ** min(failures - 1, 60)
            except OverflowError:
                seconds = self.max_delay
        seconds = min(seconds, self.max_delay)
        return seconds * (0.75 + 0.5 * jitter_fraction) if self.jitter else seconds

    def is_retryable(self, error: BaseException | None, kind: str, text: str) -> bool:
        """Return True if a failure of this kind is retried while attempts are left."""
        if self.condition == "never":
            return False
        if self.condition == "all" and not (self.retry_on or self.retryable_errors or self.patterns):
            return True
        lowered, errors, kinds = text.lower(), [], {kind}
        if error is not None:
            errors = [error]
            if is_a(error, BaseExceptionGroup):
                errors += flatten_group(error)
                kinds.update([error_kind(leaf) for leaf in errors])
        if (self.retry_on or self.retryable_errors or self.patterns) and not (
            any([is_a(one, tuple(self.retry_on)) for one in errors])
            or not kinds.isdisjoint(self.retryable_errors)
            or any(pattern.lower() in lowered for pattern in self.patterns)
        ):
            return False
        if self.condition == "transient":
            if not kinds.isdisjoint(("TIMEOUT", "CRASHED")):
                return True
            if any([is_a(one, (ConnectionError, TimeoutError)) for one in errors]):
                return True
            return any(word in lowered for word in TRANSIENT_WORDS)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePolicy:
    """Policy of a node, which is no part of the plan.

    `timeout_seconds`: of one attempt; None: that of the runner.  `limit`: name of the concurrency limit it counts
    towards; None: it names none.
    """

    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    limit: str | None = None
