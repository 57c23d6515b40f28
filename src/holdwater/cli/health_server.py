"""Health checks of a worker by HTTP: `GET /health` and `GET /ready`, answered in a thread of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from holdwater.cli import exit_codes
from holdwater.cli.exit_codes import CommandError

if TYPE_CHECKING:
    from holdwater.runners.tasks.health import RunnerHealth

DEFAULT_HOST: Final = "127.0.0.1"
REQUEST_SECONDS: Final = 5.0
"""longest wait for a request that was begun"""

Address = tuple[str, int]


def parse_address(text: str) -> Address:
    """Parse `PORT` or `HOST:PORT`; `[::1]:PORT` for IPv6.  Raises CommandError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or DEFAULT_HOST
    if not port.isdecimal() or int(port) > 65_535:
        raise CommandError(f"--health {text}: that is no port", hint="--health 8080, or --health 0.0.0.0:8080")
    return host, int(port)


@contextmanager
def serving(address: Address | None, check: Callable[[], RunnerHealth]) -> Iterator[None]:
    """Answer health checks inside the block; None: there are none.  Raises CommandError if the port is taken."""
    if address is None:
        yield
        return

    class Handler(_HealthHandler):
        check_health = staticmethod(check)

    server_class = _IPv6Server if ":" in address[0] else _HealthServer
    try:
        server = server_class(address, Handler)
    except OSError as error:
        raise CommandError(
            f"--health: {address[0]}:{address[1]} cannot be listened at: {error.strerror or error}",
            code=exit_codes.UNAVAILABLE,
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="holdwater-health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _HealthServer(ThreadingHTTPServer):
    daemon_threads = True


class _IPv6Server(_HealthServer):
    import socket

    address_family = socket.AF_INET6


class _HealthHandler(BaseHTTPRequestHandler):
    """`/health`: 200 while the process need not be restarted; `/ready`: 200 while it takes work; else 503."""

    check_health: Callable[[], RunnerHealth]
    timeout = REQUEST_SECONDS
    server_version = "holdwater"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path not in ("/health", "/ready"):
            self._answer(404, {"status": "not found", "paths": ["/health", "/ready"]})
            return
        health = self.check_health()
        is_good = health.is_alive if self.path == "/health" else health.is_ready
        status = "ok" if is_good else "not ready" if health.is_alive else "broken"
        self._answer(
            200 if is_good else 503, {"status": status, **({"reason": health.reason} if health.reason else {})}
        )

    def _answer(self, code: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: checks come every few seconds."""
