"""The climate normals, served by a small HTTP service on loopback that refuses the first request of a directory.

The first request is answered with 503, and writes the normals to a cache file.  The file outlives the process: after a
crash the service answers at once, so there is one refusal per directory, not one per process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from statistics import fmean
from threading import Thread
from typing import Any, Final

from holdwater.demo.files import read_package_data, write_atomically

CACHE_FILE: Final = "normals-cache.json"
TIMEOUT_S: Final = 5.0


class ServiceUnavailable(ConnectionError):
    """The service does not have the normals yet; asking again later helps."""


def fetch_normals(directory: Path) -> list[float]:
    """Request the normal temperatures of January to December, °C, from the service of this directory."""
    with run_service(directory) as port:
        return parse_normals(request_normals(port))


def parse_normals(body: bytes) -> list[float]:
    """Parse the twelve numbers of a response.  Raises ValueError for another count."""
    values = [float(value) for value in json.loads(body)["monthly_c"]]
    if len(values) != 12:
        raise ValueError(f"{len(values)} monthly normals instead of 12")
    return values


def mean_deviation(months: Sequence[dict[str, Any]], normals: Sequence[float]) -> float:
    """Return the mean deviation of the months from the normals, K; positive is warmer."""
    return round(fmean(month["mean_c"] - normals[int(month["month"][5:]) - 1] for month in months), 2)


def request_normals(port: int) -> bytes:
    """Send one request to the service.  Raises ServiceUnavailable if it answers 503."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/normals.json")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise ServiceUnavailable(f"the climate normals service answered {answer.status} {answer.reason}")
    return body


@contextmanager
def run_service(directory: Path) -> Iterator[int]:
    """Run the service for the length of a `with` block; yields its port."""
    handler = type("Handler", (_Handler,), {"cache_path": directory / CACHE_FILE})
    # Not HTTPServer: that asks the name service for the host's own name, which can take seconds without a network.
    with ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    cache_path: Path

    def do_GET(self) -> None:
        if self.cache_path.exists():
            self._respond(HTTPStatus.OK, self.cache_path.read_bytes())
            return
        write_atomically(self.cache_path, read_package_data("normals.json"))
        self._respond(HTTPStatus.SERVICE_UNAVAILABLE, b"warming up\n")

    def _respond(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: the console belongs to the command line."""
