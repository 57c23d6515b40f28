"""Shallow fingerprints: own code and bound state, for people who want to know if a function was edited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from holdwater.fingerprint.own_code import code_of, code_text, own_code
from holdwater.fingerprint.packages import home_package
from holdwater.fingerprint.values import digest_value
from holdwater.model.policies import NodePolicy, RetryPolicy

NamedFunction = tuple[str, Callable[..., Any] | None, NodePolicy]
"""name of a task or step, its function (None: it has none of the user's), retries and time-out"""


def shallow_fingerprint(function: Callable[..., Any]) -> str:
    """64 hex digits over the own code of a callable and the state it carries; helpers and globals do not count.

    Raises Unfingerprintable for state that cannot be read, such as a lock.
    """
    summary = digest_value(function, home_package(function))
    return json_digest([summary.digest.hex(), *[own_code(target) for target in summary.references]])


def code_rows(functions: Sequence[NamedFunction]) -> list[list[Any]]:
    """Describe tasks or steps by name, own code, retries and time-out; bound state does not count."""
    texts: dict[CodeType, str] = {}  # functions made by one factory share their code
    retries: dict[int, list[Any]] = {}  # and many share one policy object
    rows = []
    for name, function, policy in functions:
        code = None if function is None else code_of(function)
        if code is not None:
            text = texts[code] if code in texts else texts.setdefault(code, code_text(code))
        else:
            text = "" if function is None else f"{type(function).__module__}.{type(function).__qualname__}"
        known = id(policy.retry)
        retry = retries[known] if known in retries else retries.setdefault(known, _retry_row(policy.retry))
        rows.append([name, text, retry, policy.timeout_seconds])
    return rows


def json_digest(data: Any, digits: int = 64) -> str:
    """Hex digits of the SHA-256 of canonical JSON."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def _retry_row(retry: RetryPolicy) -> list[Any]:
    return [
        retry.max_attempts,
        retry.backoff,
        retry.initial_delay,
        retry.max_delay,
        retry.factor,
        retry.multiplier,
        retry.jitter,
        retry.condition,
        sorted([kind.__qualname__ for kind in retry.retry_on]),
        sorted(retry.retryable_errors),
        sorted(retry.patterns),
    ]
