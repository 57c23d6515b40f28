"""The original's options of a retry policy, which is Holdwater's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from holdwater.compat.stubs import stub_function
from holdwater.model import policies

_unsupported_retry_window = stub_function("retry_window=", "bound max_attempts and max_delay")


class RetryPolicy(policies.RetryPolicy):
    """Holdwater's policy, exponential, by the original's names.  `jitter="full"` means up to a quarter either way.

    Raises ConfigError for an invalid option.
    """

    def __init__(
        self,
        max_attempts: int,
        *,
        retry_on: Sequence[type[BaseException]] = (),
        retry_window: float | None = None,
        initial_delay: float = 1.0,
        backoff_multiplier: float = 2.0,
        max_delay: float = 60.0,
        jitter: Literal["full", "none"] = "full",
    ) -> None:
        if retry_window is not None:
            _unsupported_retry_window()
        super().__init__(
            max_attempts=max_attempts,
            retry_on=retry_on,
            initial_delay=initial_delay,
            factor=backoff_multiplier,
            max_delay=max_delay,
            jitter=jitter != "none",
        )
