"""`holdwater runs export`: one run as a JSON file."""

from __future__ import annotations

from typing import IO

import click

from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place


@click.command()
@click.argument("run")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8", atomic=True), default="-", help="The file.")
@place_options
def export(run: str, output: IO[str], place: Place) -> None:
    """Write a run with its plan, journal and log as one JSON file, values as they are stored.

    RUN is an id, its beginning or its end, or @last.
    """
    with place.reading() as opened:
        for part in opened.runs.export_run(opened.runs.find_run(run).id):
            output.write(part)
