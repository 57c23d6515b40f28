"""The web UI of a daemon, on loopback, in its process."""

from __future__ import annotations

import socket
import threading
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import ConfigError
from holdwater.server.executed_packages import ExecutedPackages

DEFAULT_PORT: Final = 8765
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "")


def parse_bind(text: str) -> tuple[int, bool]:
    """Parse `HOST:PORT`, `PORT`, or "" for the default; returns the port, and True if any free one may be taken.

    Raises ConfigError for a host other than this machine.
    """
    if not text:
        return DEFAULT_PORT, True
    host, _, port = text.rpartition(":")
    if host not in LOOPBACK_NAMES:
        raise ConfigError(
            f"the web UI is for this machine: {text!r} is not on 127.0.0.1",
            hint="127.0.0.1:8765; a proxy in front of it, or ssh -L, makes it reachable",
        )
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"the address of the web UI is HOST:PORT, not {text!r}", hint="127.0.0.1:8765")
    return int(port), False


class WebUI:
    """The pages and the API of an engine's database.  `link`: signs one browser in, once."""

    def __init__(self, engine: Engine, bind: str, executed: ExecutedPackages) -> None:
        """Listen.  `executed`: the packages of this process.

        Raises ConfigError for a port that is taken, and where the extra `[ui]` is not installed.
        """
        try:
            from holdwater.server.app import create_app
            from holdwater.server.serving import LOOPBACK, LocalServer, listen_on_loopback
            from holdwater.server.sessions import SessionAccess
            from holdwater.server.tenant_database import OneTenant, TenantDatabase
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "holdwater":
                raise
            raise ConfigError(
                f"the web UI needs the package {error.name}, which is not installed",
                hint="pip install 'holdwater[ui]'",
            ) from error
        port, may_choose = parse_bind(bind)
        self._socket: socket.socket = listen_on_loopback(port, may_choose=may_choose)
        actual_port: int = self._socket.getsockname()[1]
        access = SessionAccess(actual_port, "admin", None)
        app = create_app(OneTenant(TenantDatabase.of(engine, executed=executed)), access)
        self.link = f"http://{LOOPBACK}:{actual_port}/ui?token={access.new_link_token()}"
        self._server = LocalServer(app, on_exit=app.state.tenants.close_streams_soon)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="holdwater-ui", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """End the server, and wait for it.  Idempotent."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()
