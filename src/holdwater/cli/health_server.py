"""Health checks of a worker by HTTP: `GET /health` and `GET /ready`, answered in a thread of their own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

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

    try:
        listening = socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except OSError as error:
        raise CommandError(
            f"--health: {address[0]}:{address[1]} cannot be listened at: {error.strerror or error}",
            code=exit_codes.UNAVAILABLE,
        ) from error
    server = ThreadingHTTPServer(address, partial(_HealthHandler, check), bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="holdwater-health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _HealthHandler(BaseHTTPRequestHandler):
    """`/health`: 200 while the process need not be restarted; `/ready`: 200 while it takes work; else 503."""

    def __init__(self, check: Callable[[], RunnerHealth], *connection: Any) -> None:
        self._check_runner = check
        super().__init__(*connection)

    def setup(self) -> None:
        """Prepare the connection of a client, which may be slow."""
        self.request.settimeout(REQUEST_SECONDS)
        super().setup()

    def version_string(self) -> str:
        """Return the name of the server, without versions."""
        return "holdwater"

    def do_GET(self) -> None:
        if self.path not in ("/health", "/ready"):
            self._answer(404, {"status": "not found", "paths": ["/health", "/ready"]})
            return
        health = self._check_runner()
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
