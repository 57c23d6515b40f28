"""`holdwater ui`: the web UI of a database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from holdwater.cli import exit_codes, options
from holdwater.errors import ConfigError

DEFAULT_PORT: Final = 8765


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@options.database_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"0: any free one.  [default: {DEFAULT_PORT}, or any free one if that is taken]",
)
@click.option("--schema", metavar="NAME", help="The schema of a tenant, in PostgreSQL.")
@click.option("--read-only", is_flag=True, help="Look only: nothing can be started, steered or answered.")
@click.option("--open", "opens_browser", is_flag=True, help="Open it in the browser.")
@click.option(
    "--api-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Let programs use the API with the token in this file; it is created if it does not exist.",
)
def ui(
    database: str,
    port: int | None,
    schema: str | None,
    read_only: bool,
    opens_browser: bool,
    api_token_file: Path | None,
) -> None:
    """Look at a database in the browser, and steer its runs.  Nothing is executed here.

    Only this machine can connect.  The link that is printed signs a browser in, once.
    """
    try:
        from holdwater.server.api_token import read_or_create_token
        from holdwater.server.app import create_app
        from holdwater.server.serving import LOOPBACK, LocalServer, listen_on_loopback
        from holdwater.server.sessions import SessionAccess
        from holdwater.server.tenant_database import TenantDatabase
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holdwater":
            raise
        raise ConfigError(
            f"the web UI needs the package {error.name}, which is not installed", hint="pip install 'holdwater[ui]'"
        ) from error
    token = None if api_token_file is None else read_or_create_token(api_token_file)
    with listen_on_loopback(DEFAULT_PORT if port is None else port, may_choose=port is None) as listening:
        actual_port: int = listening.getsockname()[1]
        access = SessionAccess(actual_port, "read" if read_only else "write", token)
        app = create_app(TenantDatabase.open(database, read_only=read_only, schema=schema), access)
        url = f"http://{LOOPBACK}:{actual_port}/ui?token={access.new_link_token()}"

        def announce() -> None:
            click.echo(f"{url}\nThe link signs one browser in.  Ctrl-C ends the server.")
            if opens_browser:
                import threading
                import webbrowser

                # a browser in the terminal would keep the server waiting
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        LocalServer(app, on_exit=app.state.streams.close_soon, on_started=announce).run(sockets=[listening])
