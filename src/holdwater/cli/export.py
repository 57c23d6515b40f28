"""`holdwater runs export`: one run as a JSON file."""

from __future__ import annotations

from typing import IO

import click

from holdwater.cli import options


@click.command()
@click.argument("run")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8", atomic=True), default="-", help="The file.")
@options.database_option
def export(run: str, output: IO[str], database: str) -> None:
    """Write a run with its plan, journal and log as one JSON file, values as they are stored.

    RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.operations.databases import open_for_reading
    from holdwater.operations.exporting import export_run
    from holdwater.operations.runs import find_run

    with open_for_reading(database) as opened:
        for part in export_run(opened, find_run(opened.runs, run).id):
            output.write(part)
