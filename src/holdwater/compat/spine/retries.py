"""The original's options of a retry policy, which is Holdwater's with the original's defaults."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.model import policies

_OPTION_ALIASES: Final = {
    "initial_delay_seconds": "initial_delay",
    "max_delay_seconds": "max_delay",
    "backoff_multiplier": "factor",
    "retryable_categories": "retryable_errors",
}
DEFAULT_RETRYABLE_ERRORS: Final = ("TRANSIENT", "TIMEOUT")


class RetryPolicy(policies.RetryPolicy):
    """Holdwater's policy with the original's defaults: three attempts, and only for TRANSIENT and TIMEOUT failures.

    Takes the options of Holdwater's, and the spellings `initial_delay_seconds`, `max_delay_seconds`,
    `backoff_multiplier` and `retryable_categories`.  Raises ConfigError for an option that is given twice.
    """

    __slots__ = ()

    def __init__(self, max_attempts: int = 3, **options: Any) -> None:
        for spelling, name in _OPTION_ALIASES.items():
            if spelling in options:
                if name in options:
                    raise ConfigError(f"give {spelling}= or {name}=, not both")
                options[name] = options.pop(spelling)
        options.setdefault("retryable_errors", DEFAULT_RETRYABLE_ERRORS)
        super().__init__(max_attempts=max_attempts, **options)

    @property
    def initial_delay_seconds(self) -> float:
        return self.initial_delay

    @property
    def max_delay_seconds(self) -> float:
        return self.max_delay

    @property
    def backoff_multiplier(self) -> float:
        return self.factor

    @property
    def retryable_categories(self) -> tuple[str, ...]:
        return tuple(self.retryable_errors)
