"""The one retry policy: delays and what it covers."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import ConfigError
from holdwater.model.policies import RetryPolicy


@pytest.mark.parametrize(
    ("options", "delays"),
    [
        ({}, [1.0, 2.0, 4.0]),
        ({"backoff": "fixed", "multiplier": 9}, [1.0, 1.0, 1.0]),
        ({"backoff": "linear"}, [1.0, 2.0, 3.0]),
        ({"backoff": "linear", "multiplier": 0.5}, [0.5, 1.0, 1.5]),
        ({"factor": 3, "multiplier": 2, "max_delay": 10}, [2.0, 6.0, 10.0]),
    ],
)
def test_delays(options: dict[str, Any], delays: list[float]) -> None:
    policy = RetryPolicy(max_attempts=9, **options)
    assert [policy.delay_seconds(n) for n in (1, 2, 3)] == delays
    shaken = RetryPolicy(max_attempts=9, jitter=True, **options)
    assert [shaken.delay_seconds(1, jitter_fraction=luck) for luck in (0, 1)] == [0.75 * delays[0], 1.25 * delays[0]]


@pytest.mark.parametrize(
    ("options", "covered"),
    [
        ({}, True),
        ({"condition": "never"}, False),
        ({"condition": "transient"}, True),
        ({"retry_on": (ValueError,)}, False),
        ({"retry_on": (OSError,)}, True),
        ({"retryable_errors": ("TIMEOUT",)}, False),
        ({"retryable_errors": ("OSError",)}, True),
        ({"patterns": ("disk",)}, False),
        ({"patterns": ("disk", "LOCKED")}, True),
        ({"patterns": ("disk",), "retry_on": (OSError,)}, True),
        ({"patterns": ("locked",), "condition": "never"}, False),
    ],
)
def test_what_is_covered(options: dict[str, Any], covered: bool) -> None:
    error = OSError("busy: the table is locked")
    assert RetryPolicy(**options).is_retryable(error, "OSError", f"OSError: {error}") is covered


@pytest.mark.parametrize("options", [{"multiplier": -1}, {"factor": -1}, {"backoff": "x"}, {"max_attempts": 0}])
def test_what_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        RetryPolicy(**options)
