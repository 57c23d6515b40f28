"""The request in which a log record is made, as its formatters see it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol


class LoggedRequest(Protocol):
    """A request.  `tenant`: "" before it is known, and where there is none."""

    @property
    def request_id(self) -> str: ...

    @property
    def tenant(self) -> str: ...


REQUEST_FACTS: Final[ContextVar[LoggedRequest | None]] = ContextVar("holdwater_request", default=None)
