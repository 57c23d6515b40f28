"""`holdwater ui`: the web UI of a database."""

from __future__ import annotations

from typing import Final

import click

from holdwater.cli import exit_codes, options
from holdwater.errors import ConfigError

DEFAULT_PORT: Final = 8765


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@options.database_option
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option("--read-only", is_flag=True, help="Look only: nothing can be started, steered or answered.")
def ui(database: str, port: int, read_only: bool) -> None:
    """Look at a database in the browser, and steer its runs.  Nothing is executed here."""
    try:
        import uvicorn

        from holdwater.server.app import app_for
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the web UI needs the package {error.name}, which is not installed", hint="pip install 'holdwater[ui]'"
        ) from error
    app = app_for(database, read_only=read_only)
    click.echo(f"http://127.0.0.1:{port}/ui")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
