"""Reading server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Message:
    event: str
    data: Any
    id: str = ""


class Stream:
    """The messages of a response, without beats."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Message]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if fields.get("event", "beat") != "beat":
                yield Message(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
            fields = {}

    def wait_for(self, event: str, **data: Any) -> Message:
        """Return the next message of this event that has this data."""
        for found in self:
            if found.event == event and data.items() <= found.data.items():
                return found
        raise AssertionError(f"the stream ended without {event} {data}")


@contextmanager
def open_stream(client: httpx.Client, path: str, **options: Any) -> Iterator[Stream]:
    with client.stream("GET", path, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)
