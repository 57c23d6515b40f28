"""Rates of callers: token buckets, by key, by address and by tenant."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from holdwater.server.refusals import RequestError

MAX_SUBJECTS: Final = 10_000
"""number of buckets that are kept; the ones used longest ago are forgotten"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLimits:
    """Rates and numbers that a server allows.

    `requests_per_second`, `request_burst`, `max_streams_per_key`: of a key.  `failed_logins_per_minute`: keys that are
    not accepted, of an address.  `uploads_per_minute`: of a tenant.  `max_streams`: of the process.
    """

    requests_per_second: float = 50.0
    request_burst: int = 200
    failed_logins_per_minute: float = 10.0
    uploads_per_minute: float = 10.0
    max_streams: int = 500
    max_streams_per_key: int = 20


class RateLimiter:
    """A bucket of tokens for each subject: it begins full, and fills up with time.  Thread-safe.

    `per_second`: tokens that come back.  `burst`: of a full bucket.
    """

    def __init__(self, per_second: float, burst: float, *, max_subjects: int = MAX_SUBJECTS) -> None:
        self._per_second, self._burst, self._max_subjects = per_second, burst, max_subjects
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """subject -> tokens, and when there were so many, by the monotonic clock"""
        self._lock = threading.Lock()

    def take(self, subject: str) -> float:
        """Take a token; returns 0, or the seconds until there is one again."""
        with self._lock:
            tokens = self._fill(subject)
            if tokens >= 1:
                self._put(subject, tokens - 1)
                return 0.0
            return (1 - tokens) / self._per_second

    def give_back(self, subject: str) -> None:
        """Give a token back."""
        with self._lock:
            self._put(subject, min(self._burst, self._fill(subject) + 1))

    def check(self, subject: str, message: str) -> None:
        """Take a token.  Raises RequestError (429) if there is none."""
        wait_seconds = self.take(subject)
        if wait_seconds:
            raise too_many(message, wait_seconds)

    def _fill(self, subject: str) -> float:
        tokens, since_seconds = self._buckets.get(subject, (self._burst, 0.0))
        return min(self._burst, tokens + (time.monotonic() - since_seconds) * self._per_second)

    def _put(self, subject: str, tokens: float) -> None:
        self._buckets[subject] = tokens, time.monotonic()
        self._buckets.move_to_end(subject)
        if len(self._buckets) > self._max_subjects:
            self._buckets.popitem(last=False)


class RateLimits:
    """The limiters of a server.  `requests`: by key; `failures`: by address; `uploads`: by tenant."""

    def __init__(self, limits: AccessLimits) -> None:
        self.requests = RateLimiter(limits.requests_per_second, limits.request_burst)
        self.failures = _per_minute(limits.failed_logins_per_minute)
        self.uploads = _per_minute(limits.uploads_per_minute)
        self.recorded_refusals = _per_minute(limits.failed_logins_per_minute)
        """rows of the audit log about callers without access, by address"""


def check_upload_rate(request: Request, tenant: str) -> None:
    """Count an upload to a tenant.  Raises RequestError (429) if there were too many within a minute."""
    rates: RateLimits | None = getattr(request.app.state.policy, "rates", None)
    if rates is not None:
        rates.uploads.check(tenant, "too many packages were uploaded within a minute")


def too_many(message: str, wait_seconds: float) -> RequestError:
    """Create the error of a caller that asks too often.  `wait_seconds`: until it may again."""
    return RequestError(429, message, headers={"retry-after": str(max(1, math.ceil(wait_seconds)))})


def _per_minute(count: float) -> RateLimiter:
    return RateLimiter(count / 60, max(1.0, count))
