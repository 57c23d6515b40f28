"""Serving the application on this machine: a port, a link that signs in, and an end at the first Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from holdwater.errors import ConfigError
from holdwater.server.protocol import uvicorn_options

LOOPBACK: Final = "127.0.0.1"
CLOSE_SECONDS: Final = 2
"""longest wait for answers that are under way when the server ends"""


def listen_on_loopback(port: int, *, may_choose: bool) -> socket.socket:
    """Listen on a port of this machine.  `may_choose`: take any free one if it is taken.  Raises ConfigError."""
    return listen(LOOPBACK, port, may_choose=may_choose)


def listen(host: str, port: int, *, may_choose: bool = False) -> socket.socket:
    """Listen on an address.  `may_choose`: take any free port if this one is taken.  Raises ConfigError."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; without it the body of an answer waits 40 ms for the receipt of its headers.  asyncio
        # sets it only for sockets that name TCP as their protocol.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            if not (may_choose and error.errno in (errno.EADDRINUSE, errno.EACCES)):
                raise ConfigError(
                    f"port {port} of {host} cannot be used: {error.strerror}",
                    hint="give another port; 0 takes any free one",
                ) from error
            listening.bind((host, 0))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


class LocalServer(uvicorn.Server):
    """A server that ends at once and in order when it is interrupted or terminated."""

    def __init__(
        self,
        app: ASGIApp,
        on_exit: Callable[[], None],
        on_started: Callable[[], None] = lambda: None,
        *,
        trusted_proxies: Sequence[str] = (),
        socket_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Create it.  `on_exit`: called when it is told to end: streams end then.  `on_started`: called when it serves.

        Both are called in the thread of the event loop.  `trusted_proxies`: addresses and networks whose
        `X-Forwarded-For` and `X-Forwarded-Proto` are believed.  `socket_options`: of uvicorn, for WebSockets; without
        them there are none.
        """
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, lifespan="on",
                timeout_graceful_shutdown=CLOSE_SECONDS, proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies), **{**uvicorn_options(), **(socket_options or {})},
            )
        )  # fmt: skip
        self._on_exit, self._on_started = on_exit, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; at the second Ctrl-C without waiting for anything."""
        super().handle_exit(sig, frame)
        self._on_exit()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while it runs; unlike the original, an end by one is not raised again as an interruption."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
