"""`holdwater daemon`: executes the packages of watched folders."""

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
from holdwater.cli.formatting import escape_unsafe, format_duration, pluralize
from holdwater.errors import ConfigError
from holdwater.model.error_report import error_headline

if TYPE_CHECKING:
    from holdwater.daemon.main import Daemon
    from holdwater.service.lifecycle import SignalRequests
    from holdwater.service.logs import ServiceLogs

CHECK_SECONDS: Final = 5.0
PULSE_SECONDS: Final = 60.0
"""between two lines of the log that say how it is"""
ANSWER_SECONDS: Final = 15.0
"""longest wait for a daemon to take in its configuration"""
STOP_MARGIN_SECONDS: Final = 30.0
"""time a daemon has to end beyond that of its running functions"""
UNHEALTHY: Final = 1

home_option = click.option(
    "--home", metavar="DIR", help="Home of the daemon.  [env var: HOLDWATER_HOME; default: ~/.holdwater]"
)


class DaemonGroup(click.Group):
    """`holdwater daemon` without a word starts one, as `holdwater daemon start` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h")):
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DaemonGroup)
def daemon() -> None:
    """Execute the packages of watched folders: their schedules, triggers and runs.

    Without a command it starts: `holdwater daemon --watch-dir DIR` is `holdwater daemon start --watch-dir DIR`.
    """


@daemon.command()
@click.option("--watch-dir", "watch_dirs", metavar="DIR", multiple=True, help="Watch this folder, too; repeatable.")
@click.option(
    "--poll-interval", metavar="MS", type=click.IntRange(10, 86_400_000), help="Between two looks at folders."
)
@home_option
@click.option("--database", metavar="URL", help="Where runs are recorded.  [default: holdwater.db of the home]")
@click.option(
    "--ui", "ui_bind", metavar="[HOST:]PORT", is_flag=False, flag_value="", help="Serve the web UI on this machine."
)
@click.option("-v", "--verbose", is_flag=True, help="Log at level debug.")
def start(
    watch_dirs: tuple[str, ...],
    poll_interval: int | None,
    home: str | None,
    database: str | None,
    ui_bind: str | None,
    verbose: bool,
) -> int:
    """Watch folders for packages (*.cloacina), and execute what is in them, until SIGTERM or Ctrl-C.

    Settings come from config.toml of the home, then from HOLDWATER_* variables, then from these options.  SIGHUP reads
    them again.  At SIGTERM or Ctrl-C nothing more starts, and running functions have `shutdown_timeout_s` to end; at a
    second signal it ends at once, with 1.
    """
    _require_extra()
    from holdwater.daemon.home import Home
    from holdwater.service.config_file import resolve_home
    from holdwater.service.home_lock import usable_home
    from holdwater.service.logs import ServiceLogs
    from holdwater.service.settings import read_settings

    flags = {
        "directories": tuple(os.path.abspath(os.path.expanduser(one)) for one in watch_dirs),
        "poll_interval_ms": poll_interval,
        "database_url": database,
        "ui_bind": ui_bind,
        "log_level": "debug" if verbose else None,
    }
    folder = resolve_home(home)
    try:
        settings = read_settings(folder, os.environ, flags)
    except ConfigError as error:
        raise CommandError(error.message, hint=error.hint, code=exit_codes.FAILED) from error
    Home(folder).create()
    with usable_home(folder):
        logs = ServiceLogs(settings.log_level, folder / "logs")
    try:
        return _run(folder, settings, logs, flags)
    finally:
        logs.close()


def _run(folder: Path, settings: Any, logs: ServiceLogs, flags: dict[str, Any]) -> int:
    from holdwater.daemon.main import Daemon
    from holdwater.service.lifecycle import SignalRequests

    opened: list[Daemon] = []

    def end_now() -> None:
        for one in opened:
            one.end_now()

    requests = SignalRequests(end_now)
    with requests.installed():
        made = Daemon(folder, settings)
        opened.append(made)
        try:
            made.start()
            click.echo(_ready_line(made))
            service_manager.notify("READY=1")
            _serve(made, requests, logs, flags)
            service_manager.notify("STOPPING=1")
            seconds = made.settings.shutdown_timeout_seconds
            click.echo(
                f"draining: running functions have {format_duration(seconds)} to end; "
                "a second signal ends them at once",
                err=True,
            )
        finally:
            made.stop()
    click.echo("stopped", err=True)
    return exit_codes.COMPLETED


def _serve(made: Daemon, requests: SignalRequests, logs: ServiceLogs, flags: dict[str, Any]) -> None:
    from holdwater.daemon.reloading import reload as reload_configuration

    pulse_at = time.monotonic() + PULSE_SECONDS
    while True:
        request = requests.next(CHECK_SECONDS)
        if time.monotonic() >= pulse_at:
            pulse_at = time.monotonic() + PULSE_SECONDS
            made.log_pulse()
        if request == "stop":
            return
        if request == "reload":
            reload_configuration(made, logs, os.environ, flags)
        elif made.has_failed:
            raise CommandError("the daemon executes nothing any more, after an error inside", code=exit_codes.INTERNAL)


def _ready_line(made: Daemon) -> str:
    from holdwater.storage.urls import mask_password

    folders = ", ".join(map(str, made.watcher.folders))
    shown = [
        f"ready: watching {folders}",
        f"database {mask_password(made.runner.database_url)}",
        f"process {os.getpid()}",
    ]
    lines = [", ".join(shown)]
    if made.ui is not None:
        lines.append(f"web UI: {made.ui.link}")
    return escape_unsafe("\n".join(lines)) if len(lines) == 1 else "\n".join(map(escape_unsafe, lines))


@daemon.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print what the daemon answers, as JSON.")
def status(home: str | None, as_json: bool) -> int:
    """Ask a daemon how it is; exits with 1 if it is not healthy."""
    found = _ask(home)
    click.echo(json.dumps(found, indent=2) if as_json else _describe(found))
    return exit_codes.COMPLETED if found.get("status") == "healthy" else UNHEALTHY


@daemon.command()
@home_option
def health(home: str | None) -> int:
    """Print the health of a daemon as JSON; exits with 1 if it is not healthy."""
    found = _ask(home)
    click.echo(json.dumps(found, indent=2))
    return exit_codes.COMPLETED if found.get("status") == "healthy" else UNHEALTHY


@daemon.command()
@home_option
def reload(home: str | None) -> int:
    """Have a daemon read its configuration again, and look at all packages; exits with 1 if it is wrong."""
    before = _ask(home)
    os.kill(before["pid"], signal.SIGHUP)
    give_up = time.monotonic() + ANSWER_SECONDS
    while True:
        found = _ask(home)["reload"]
        if found["count"] > before["reload"]["count"]:
            break
        if time.monotonic() > give_up:
            raise CommandError(f"process {before['pid']} has not answered", code=exit_codes.UNAVAILABLE)
        time.sleep(0.05)
    if found["error"]:
        raise CommandError(f"the configuration stays as it was: {found['error']}", code=exit_codes.FAILED)
    click.echo("reloaded")
    for name in found["needs_restart"]:
        click.echo(f"needs a restart: {escape_unsafe(name)}")
    return exit_codes.COMPLETED


@daemon.command()
@home_option
@click.option(
    "--timeout", "timeout_seconds", metavar="SECONDS", type=click.FloatRange(0), help="Longest wait for its end."
)
def stop(home: str | None, timeout_seconds: float | None) -> int:
    """End a daemon as SIGTERM does, and wait until it has ended."""
    from holdwater.daemon.home import LOCK_NAME
    from holdwater.service.config_file import resolve_home
    from holdwater.service.home_lock import is_locked
    from holdwater.service.settings import read_settings

    pid = _ask(home)["pid"]
    limit = timeout_seconds
    if limit is None:
        limit = read_settings(resolve_home(home)).shutdown_timeout_seconds + STOP_MARGIN_SECONDS
    os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + limit
    while is_locked(resolve_home(home) / LOCK_NAME):
        if time.monotonic() > give_up:
            raise CommandError(
                f"process {pid} has not ended within {limit:g} s", hint=f"kill {pid}", code=exit_codes.UNAVAILABLE
            )
        time.sleep(0.05)
    click.echo("stopped")
    return exit_codes.COMPLETED


def _ask(home: str | None) -> dict[str, Any]:
    from holdwater.daemon.socket import read_health
    from holdwater.service.config_file import resolve_home

    return read_health(resolve_home(home) / "daemon.sock")


def _describe(found: dict[str, Any]) -> str:
    """Describe a health for people."""
    lines = [
        f"{found['status']}{', draining' if found['draining'] else ''}: process {found['pid']}, "
        f"up for {format_duration(found['uptime_seconds'])}, Holdwater {found['version']}"
    ]
    lines += [f"  {reason}" for reason in found["reasons"]]
    database = found["database"]
    lines.append(f"database: {database['backend']}, {'connected' if database['connected'] else 'not connected'}")
    if found["runs_open"] is not None:
        lines.append(
            f"runs: {found['runs_open']:,} open, {found['active_workflows']:,} of them running; "
            f"the oldest task waits for {format_duration(found['oldest_ready_seconds'])}"
        )
    lines.append(
        f"packages: {pluralize(found['reconciler']['packages_loaded'], 'release')} loaded, "
        f"{pluralize(len(found['hosts']), 'host')}"
    )
    for one in found["releases"]:
        name = f"{one['package']} {one['version']}" if one["package"] else one["source"]
        said = f": {error_headline(one['error'])}" if one["error"] else ""
        lines.append(f"  {name}  {one['state']}{said}")
    return "\n".join(map(escape_unsafe, lines))


def _require_extra() -> None:
    """Raise ConfigError naming the extra, where a package that it brings is not installed."""
    from importlib.util import find_spec

    for name in ("watchdog", "packaging", "cryptography"):
        if find_spec(name) is None:
            raise ConfigError(f"packages need {name}, which is not installed", hint="pip install 'holdwater[packages]'")
