"""The log of requests: one line each, without its query, which may have what is secret."""

from __future__ import annotations

import logging
from typing import Final

from holdwater.server.request_observer import ObservedRequest

logger = logging.getLogger("holdwater.server.access")

QUIET_PATHS: Final = frozenset({"/health", "/ready", "/metrics"})
"""asked for every few seconds: at level debug, unless something is wrong"""


def log_request(request: ObservedRequest) -> None:
    """Log a request."""
    is_quiet = request.path in QUIET_PATHS and request.status == 200
    level = logging.DEBUG if is_quiet else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(
            level, "%s %s %d %.1f ms, %s from %s", request.method, request.path[:1000], request.status,
            request.seconds * 1000, request.author or "no key", request.address,
            extra={"holdwater_request": request.request_id, "holdwater_tenant": request.tenant},
        )  # fmt: skip
