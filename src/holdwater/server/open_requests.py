"""Requests that are under way, by the key and the session they came with: those of one that is revoked end.

A stream ends at once.  A request whose body is still being sent is refused.  One that is executed already is answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from starlette.requests import Request

from holdwater.model.time import UNSET, Micros, seconds_between, wall_now
from holdwater.server.rate_limits import AccessLimits, too_many
from holdwater.server.refusals import RequestError

OPEN_REQUEST: Final = "holdwater.open_request"
"""key of the open request in the ASGI scope"""
RETRY_SECONDS: Final = 5.0
"""told to a caller that has too many streams open"""


class Access(Protocol):
    """The part of a caller that says until when it has access."""

    @property
    def key_id(self) -> str:
        """Of its key, "" for none."""
        ...

    @property
    def subjects(self) -> tuple[str, ...]:
        """The key and the session, as their revocations name them."""
        ...

    @property
    def ends_at(self) -> Micros | None:
        """The instant from which it has no access any more."""
        ...


class OpenRequest:
    """A request that is under way.  `end`: ends a stream; called in the event loop."""

    def __init__(self, requests: OpenRequests, caller: Access, end: Callable[[], object]) -> None:
        self.caller, self._requests, self._end = caller, requests, end
        self.has_ended = False
        """its key or session was revoked, or has expired"""
        self.is_stream = False
        self.timer: asyncio.TimerHandle | None = None

    def become_stream(self) -> None:
        """Count it as a stream.  Raises RequestError: 429 if there are too many of them, 401 if it has ended."""
        self.check_access()
        self._requests.count_stream(self)

    def check_access(self) -> None:
        """Raise RequestError (401) if it has ended."""
        if self.has_ended or self._requests.is_over(self.caller.ends_at):
            raise access_ended()

    def end(self) -> None:
        """Have it end.  In the event loop."""
        if not self.has_ended:
            self.has_ended = True
            if self.is_stream:
                self._end()


class OpenRequests:
    """The requests of a process.  In its event loop, but for `end_soon`.  `now`: the clock of instants of keys."""

    def __init__(self, limits: AccessLimits | None = None, now: Callable[[], Micros] = wall_now) -> None:
        self._limits, self._now = limits or AccessLimits(), now
        self._requests: dict[str, set[OpenRequest]] = {}
        self._streams: Counter[str] = Counter()
        """number of streams by key"""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def stream_count(self) -> int:
        """The number of streams of the process."""
        return self._streams.total()

    def subjects(self) -> list[str]:
        """List the keys and sessions that have requests under way.  From any thread."""
        return [*self._requests]

    @contextmanager
    def entered(self, caller: Access, end: Callable[[], object]) -> Iterator[OpenRequest]:
        """Have a request end with its key inside the block.  `end`: ends it, if it has become a stream."""
        self._loop = self._loop or asyncio.get_running_loop()
        opened = OpenRequest(self, caller, end)
        for subject in caller.subjects:
            self._requests.setdefault(subject, set()).add(opened)
        try:
            yield opened
        finally:
            self._leave(opened)

    @contextmanager
    def stream(self, caller: Access, end: Callable[[], object]) -> Iterator[OpenRequest]:
        """Have a stream end with its key inside the block.  Raises RequestError (429) if there are too many of them."""
        with self.entered(caller, end) as opened:
            opened.become_stream()
            yield opened

    def count_stream(self, opened: OpenRequest) -> None:
        """Count a stream, and have it end when its key expires.  Raises RequestError (429)."""
        limits, key_id = self._limits, opened.caller.key_id
        if key_id and self._streams[key_id] >= limits.max_streams_per_key:
            raise too_many(f"this key has {limits.max_streams_per_key} streams open already", RETRY_SECONDS)
        if self.stream_count >= limits.max_streams:
            raise too_many(f"there are {limits.max_streams} streams open already", RETRY_SECONDS)
        self._streams[key_id] += 1
        opened.is_stream = True
        self._end_at(opened, opened.caller.ends_at)

    def end_soon(self, subjects: Collection[str], at: Micros = UNSET) -> None:
        """Have the requests of keys or sessions end, at an instant or at once.  From any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._end_subjects, subjects, at)

    def is_over(self, ends_at: Micros | None) -> bool:
        """Return True from the instant on at which a caller has no access any more."""
        return ends_at is not None and ends_at <= self._now()

    def _end_subjects(self, subjects: Collection[str], at: Micros) -> None:
        for subject in subjects:
            for opened in [*self._requests.get(subject, ())]:
                self._end_at(opened, at)

    def _end_at(self, opened: OpenRequest, at: Micros | None) -> None:
        if at is None:
            return
        left_seconds = seconds_between(self._now(), at)
        if left_seconds <= 0:
            opened.end()
        elif self._loop is not None:
            if opened.timer is not None:
                opened.timer.cancel()
            opened.timer = self._loop.call_later(left_seconds, opened.end)

    def _leave(self, opened: OpenRequest) -> None:
        if opened.timer is not None:
            opened.timer.cancel()
        if opened.is_stream:
            self._streams[opened.caller.key_id] -= 1
            if not self._streams[opened.caller.key_id]:
                del self._streams[opened.caller.key_id]
        for subject in opened.caller.subjects:
            found = self._requests[subject]
            found.discard(opened)
            if not found:
                del self._requests[subject]


def check_access(request: Request) -> None:
    """Check once more, between the body of a request and its work, that the caller has access.

    Raises RequestError (401): its key was revoked, or expired, while the body was read.
    """
    opened: OpenRequest | None = request.scope.get(OPEN_REQUEST)
    if opened is not None:
        opened.check_access()


async def become_stream(request: Request) -> None:
    """Count a request as a stream, as a dependency of its endpoint.  Raises RequestError (429, 401)."""
    opened: OpenRequest | None = request.scope.get(OPEN_REQUEST)
    if opened is not None:
        opened.become_stream()


def access_ended() -> RequestError:
    """Create the error of a request whose key was revoked meanwhile."""
    return RequestError(401, "this key is not accepted any more", headers={"www-authenticate": "Bearer"})
