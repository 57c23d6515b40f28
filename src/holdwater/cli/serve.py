"""`holdwater serve` and `holdwater server`: many tenants of a PostgreSQL database, behind an API and the web UI."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import exit_codes, service_manager
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, format_duration
from holdwater.errors import ConfigError

if TYPE_CHECKING:
    from holdwater.server.main import Server
    from holdwater.service.lifecycle import SignalRequests
    from holdwater.service.server_settings import ServerSettings

CHECK_SECONDS: Final = 5.0
STOP_MARGIN_SECONDS: Final = 30.0
"""time a server has to end beyond that of its running functions"""
LOOPBACK_PREFIXES: Final = ("http://127.", "http://[::1]", "http://localhost")

home_option = click.option(
    "--home", metavar="DIR", help="Home of the server.  [env var: HOLDWATER_HOME; default: ~/.holdwater]"
)


@click.command()
@click.option("--bind", metavar="HOST:PORT", help="Listen here; port 0: any free one.  [default: 127.0.0.1:8080]")
@click.option("--database-url", metavar="URL", help="postgresql://user:password@host/database  [env var: DATABASE_URL]")
@click.option(
    "--bootstrap-key",
    metavar="KEY",
    help="The first key, if there is none yet; other users of this machine can see it here, so better "
    "HOLDWATER_BOOTSTRAP_KEY.  [default: one is generated]",
)
@click.option("--require-signatures", is_flag=True, default=None, help="Take no package without a valid signature.")
@home_option
@click.option("--no-ui", is_flag=True, help="Serve the API alone, without the web UI.")
@click.option("-v", "--verbose", is_flag=True, help="Log at level debug.")
def serve(
    bind: str | None,
    database_url: str | None,
    bootstrap_key: str | None,
    require_signatures: bool | None,
    home: str | None,
    no_ui: bool,
    verbose: bool,
) -> int:
    """Serve the tenants of a PostgreSQL database, until SIGTERM or Ctrl-C.

    Settings come from config.toml of the home, then from HOLDWATER_* variables, then from these options.  At SIGTERM or
    Ctrl-C nothing more starts, and running functions have `shutdown_timeout_s` to end; at a second signal it ends at
    once, with 1.
    """
    _require_extra()
    from holdwater.server.server_home import LOG_NAME, ServerHome
    from holdwater.service.config_file import resolve_home
    from holdwater.service.home_lock import usable_home
    from holdwater.service.logs import ServiceLogs
    from holdwater.service.server_settings import read_server_settings

    flags = {
        "bind": bind,
        "database_url": database_url,
        "bootstrap_key": bootstrap_key,
        "require_signatures": require_signatures,
        "has_ui": False if no_ui else None,
        "log_level": "debug" if verbose else None,
    }
    folder = resolve_home(home)
    settings = read_server_settings(folder, os.environ, flags)
    made = ServerHome(folder)
    made.create()
    with usable_home(folder, "server"):
        logs = ServiceLogs(settings.log_level, made.logs, name=LOG_NAME)
    try:
        return _run(folder, settings)
    finally:
        logs.close()


def _run(folder: Path, settings: ServerSettings) -> int:
    from holdwater.server.main import Server
    from holdwater.service.lifecycle import SignalRequests

    opened: list[Server] = []

    def end_now() -> None:
        for one in opened:
            one.end_now()

    requests = SignalRequests(end_now)
    with requests.installed():
        made = Server(folder, settings)
        opened.append(made)
        try:
            made.start()
            click.echo(_ready_lines(made))
            if not made.url.startswith(LOOPBACK_PREFIXES):
                click.echo(
                    "warning: other machines can connect, and nothing is encrypted: keys can be read on the way\n"
                    "  hint: put a proxy with TLS before it, and bind it to 127.0.0.1",
                    err=True,
                )
            service_manager.notify("READY=1")
            _wait(made, requests)
            service_manager.notify("STOPPING=1")
            seconds = settings.shutdown_timeout_seconds
            click.echo(
                f"draining: running functions have {format_duration(seconds)} to end; "
                "a second signal ends them at once",
                err=True,
            )
        finally:
            made.stop()
    click.echo("stopped", err=True)
    return exit_codes.COMPLETED


def _wait(made: Server, requests: SignalRequests) -> None:
    while requests.next(CHECK_SECONDS) != "stop":
        if made.has_failed:
            raise CommandError("the server answers no more, after an error inside", code=exit_codes.INTERNAL)


def _ready_lines(made: Server) -> str:
    lines = [f"ready: {made.url}, database {made.control.name}, process {os.getpid()}"]
    if made.settings.has_ui:
        lines.append(f"web UI: {made.url}/ui")
    if made.first_key is not None:
        lines.append(f"the first key, of an administrator of the server, is in {made.first_key.path}")
    return "\n".join(map(escape_unsafe, lines))


@click.group()
def server() -> None:
    """Serve the tenants of a PostgreSQL database; see how a server is, and end it."""


server.add_command(serve, "start")


@server.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print what the server answers, as JSON.")
def status(home: str | None, as_json: bool) -> int:
    """Ask a server whether it lives and is ready; exits with 1 if it is not."""
    pid, url = _find(home)
    alive, ready = _ask(url, "/health"), _ask(url, "/ready")
    is_well = (alive["status"], ready["status"]) == ("ok", "ready")
    if as_json:
        click.echo(json.dumps({"pid": pid, "url": url, "health": alive, "ready": ready}, indent=2))
    else:
        click.echo(escape_unsafe(f"{url}: process {pid}"))
        for name, found in (("health", alive), ("ready", ready)):
            said = f": {found['reason']}" if "reason" in found else ""
            click.echo(escape_unsafe(f"  {name}: {found['status']}{said}"))
    return exit_codes.COMPLETED if is_well else exit_codes.FAILED


@server.command()
@home_option
def health(home: str | None) -> int:
    """Print the health of a server as JSON; exits with 1 if it is not healthy."""
    found = _ask(_find(home)[1], "/health")
    click.echo(json.dumps(found, indent=2))
    return exit_codes.COMPLETED if found["status"] == "ok" else exit_codes.FAILED


@server.command()
@home_option
@click.option(
    "--timeout", "timeout_seconds", metavar="SECONDS", type=click.FloatRange(0), help="Longest wait for its end."
)
def stop(home: str | None, timeout_seconds: float | None) -> int:
    """End a server as SIGTERM does, and wait until it has ended."""
    from holdwater.server.server_home import ServerHome
    from holdwater.service.config_file import resolve_home
    from holdwater.service.home_lock import is_locked

    pid, _ = _find(home)
    lock = ServerHome(resolve_home(home)).lock
    limit = timeout_seconds
    if limit is None:
        limit = _shutdown_seconds(resolve_home(home)) + STOP_MARGIN_SECONDS
    os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + limit
    while is_locked(lock):
        if time.monotonic() > give_up:
            raise CommandError(
                f"process {pid} has not ended within {limit:g} s", hint=f"kill {pid}", code=exit_codes.UNAVAILABLE
            )
        time.sleep(0.05)
    click.echo("stopped")
    return exit_codes.COMPLETED


def _shutdown_seconds(home: Path) -> float:
    from holdwater.service.server_settings import read_server_settings

    return read_server_settings(home, os.environ, {"database_url": "of no interest"}).shutdown_timeout_seconds


def _find(home: str | None) -> tuple[int, str]:
    """Return the process and the URL of the server of a home.  Raises ServerError."""
    from holdwater.errors import ServerError
    from holdwater.server.server_home import ServerHome
    from holdwater.service.config_file import resolve_home
    from holdwater.service.home_lock import is_locked, read_address, read_pid

    folder = resolve_home(home)
    lock = ServerHome(folder).lock
    pid = read_pid(lock) if is_locked(lock) else None
    if pid is None:
        raise ServerError(f"no server works on {folder}", hint="start one: `holdwater serve`; or name its --home")
    return pid, read_address(lock)


def _ask(url: str, path: str) -> dict[str, Any]:
    """Ask a server for its health, which it has whatever its status is.  Raises ServerError."""
    import http.client
    from urllib.parse import urlsplit

    from holdwater.errors import ServerError

    place = urlsplit(url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"))
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10.0)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ServerError(f"the server does not answer at {url}: {error}", hint="its log says why") from error
    finally:
        connection.close()
    if not isinstance(found, dict) or "status" not in found:
        raise ServerError(f"something else answers at {url}")
    return found


def _require_extra() -> None:
    """Raise ConfigError naming the extra, where a package that it brings is not installed."""
    from importlib.util import find_spec

    for name in (
        "fastapi",
        "uvicorn",
        "jinja2",
        "psycopg",
        "prometheus_client",
        "websockets",
        "watchdog",
        "cryptography",
    ):
        if find_spec(name) is None:
            raise ConfigError(
                f"the server needs {name}, which is not installed", hint="pip install 'holdwater[server]'"
            )
