"""`holdwater dev`: serves a module, or a package that is not built, while it is written."""

from __future__ import annotations

import shlex
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import dev_output, exit_codes
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe

if TYPE_CHECKING:
    from holdwater.daemon.development import DevelopmentServer
    from holdwater.service.lifecycle import SignalRequests

HOME: Final = ".holdwater"
CHECK_SECONDS: Final = 1.0


@click.command()
@click.argument("path", metavar="PATH")
@click.option("--no-open", is_flag=True, help="Do not open the web UI in the browser.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web UI; 0: any free one.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=HOME,
    show_default=True,
    help="Folder of the database and of unpacked releases; it is kept.",
)
@click.option(
    "--drain-seconds",
    metavar="SECONDS",
    type=click.FloatRange(0, 86_400),
    default=10.0,
    show_default=True,
    help="Time that running functions have to end after Ctrl-C.",
)
def dev(path: str, no_open: bool, port: int | None, home: Path, drain_seconds: float) -> int:
    """Serve a module or a package while you write it, with a web UI.

    PATH is a .py file, a module, or the folder of a package.  It is executed in a process of its own, with what is
    installed in this environment.  A file that is saved becomes the next release at once; runs that are open keep the
    code they began with.  A file that cannot be imported is shown, and the release before it stays.

    Runs are recorded below --home, and go on when the command is called again.  Ctrl-C ends it.
    """
    try:
        from holdwater.daemon.development import DevelopmentServer
        from holdwater.daemon.sources import find_source
        from holdwater.service.lifecycle import SignalRequests
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holdwater":
            raise
        raise CommandError(
            f"this needs the package {error.name}, which is not installed", hint="pip install 'holdwater[packages,ui]'"
        ) from error
    source = find_source(path)
    output = dev_output.DevOutput(source.package, source.module_root, f"sqlite:///{home / 'holdwater.db'}")
    signals = SignalRequests(lambda: None)
    with signals.installed():
        server = DevelopmentServer(
            source,
            home.absolute(),
            on_status=output.show_status,
            event_processors=[output.runs],
            ui_bind="" if port is None else f"127.0.0.1:{port}",
        )
        try:
            link = server.ui.link
            output.show_start(path, link)
            server.start()
            if not no_open:
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            _wait_for_end(server, signals)
            output.show_draining(drain_seconds)
        finally:
            server.close(drain_seconds)
    output.show_end(escape_unsafe(shlex.join(["holdwater", "dev", path])))
    return exit_codes.COMPLETED


def _wait_for_end(server: DevelopmentServer, signals: SignalRequests) -> None:
    """Wait for Ctrl-C.  Raises CommandError if the runner has ended by an error of its own."""
    while signals.next(CHECK_SECONDS) != "stop":
        health = server.runner.health()
        if health.has_failed:
            raise CommandError(health.reason, code=exit_codes.INTERNAL)
