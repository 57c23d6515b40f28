"""`holdwater ui`: the web UI of a database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe
from holdwater.errors import ConfigError

DEFAULT_PORT: Final = 8765
PLACES: Final = ("holdwater.db", "holdwater-demo/demo.db")
"""files of the working directory that are looked for where no database is named: the default, that of the demo"""


@click.command()
@click.option(
    "--database",
    metavar="URL",
    envvar=options.DATABASE_VARIABLE,
    show_envvar=True,
    help="Which one: sqlite:///relative.db, sqlite:////absolute.db, postgresql://...  "
    "[default: the first of holdwater.db and holdwater-demo/demo.db that is here]",
)
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
    database: str | None,
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
        from holdwater.server.tenant_database import OneTenant, TenantDatabase
        from holdwater.storage.urls import mask_password
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holdwater":
            raise
        raise ConfigError(
            f"the web UI needs the package {error.name}, which is not installed", hint="pip install 'holdwater[ui]'"
        ) from error
    url = _found_database() if database is None else database
    options.note_database(click.get_current_context(), None, url)
    token = None if api_token_file is None else read_or_create_token(api_token_file)
    with listen_on_loopback(DEFAULT_PORT if port is None else port, may_choose=port is None) as listening:
        actual_port: int = listening.getsockname()[1]
        access = SessionAccess(actual_port, "read" if read_only else "admin", token)
        app = create_app(OneTenant(TenantDatabase.open(url, read_only=read_only, schema=schema)), access)
        link = f"http://{LOOPBACK}:{actual_port}/ui?token={access.new_link_token()}"

        def announce() -> None:
            shown = escape_unsafe(mask_password(url))
            click.echo(f"{link}\nDatabase: {shown}\nThe link signs one browser in.  Ctrl-C ends the server.")
            if opens_browser:
                import threading
                import webbrowser

                # a browser in the terminal would keep the server waiting
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()

        LocalServer(app, on_exit=app.state.tenants.close_streams_soon, on_started=announce).run(sockets=[listening])


def _found_database() -> str:
    """Return the URL of the first of `PLACES` that is there.  Raises CommandError."""
    for place in PLACES:
        if Path(place).is_file():
            return f"sqlite:///{place}"
    raise CommandError(
        f"no database is named, and there is none here: {Path.cwd()} has no {' and no '.join(PLACES)}",
        hint=f"name one: --database sqlite:///FILE, or {options.DATABASE_VARIABLE}; `holdwater demo` makes one",
        code=exit_codes.NOT_FOUND,
    )
