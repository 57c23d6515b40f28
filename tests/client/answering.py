"""A server that gives the answers of a test, one connection each."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """One answer.  `status` 0: the connection breaks without one."""

    status: int
    body: str = ""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def broken(cls) -> Answer:
        return cls(0)

    def encoded(self) -> bytes:
        if not self.status:
            return b""
        headers = {
            "content-type": self.kind,
            "content-length": str(len(self.body)),
            "connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} Said", *[f"{name}: {value}" for name, value in headers.items()]]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """Serve; yields the URL, and the requests that came, with their headers."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listening.accept()
                except OSError:  # the test has ended
                    return
                with connection:
                    asked.append(_read_request(connection))
                    connection.sendall(answer.encoded())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")]
    while sizes and len(body) < sizes[0]:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()
