"""`holdwater runs prune`: making room."""

from __future__ import annotations

import json

import click

from holdwater.cli import options, time_arguments
from holdwater.cli.formatting import pluralize
from holdwater.model.time import Micros


@click.command()
@click.option(
    "--older-than", metavar="DURATION", required=True, help="How long ago a run must have ended: 30d, 12h, 90m."
)
@click.option("--keep", metavar="RUN", multiple=True, help="A run to leave; may be repeated.")
@options.database_option
@options.json_option("how many runs are gone")
def prune(older_than: str, keep: tuple[str, ...], database: str, as_json: bool) -> None:
    """Delete runs that ended long ago, with their children and all that was recorded of them.

    What has not ended stays, and so does a run with a child that has not.  Forks of a deleted run stay whole.
    """
    from holdwater.operations.databases import open_for_writing
    from holdwater.operations.pruning import prune_runs
    from holdwater.operations.runs import find_run

    age_us = time_arguments.parse_duration(older_than, "--older-than")
    with open_for_writing(database) as opened:
        kept = [find_run(opened.runs, run).id for run in keep]
        gone = prune_runs(opened, Micros(opened.clock.now() - age_us), kept)
    click.echo(json.dumps({"pruned": gone}) if as_json else f"{pluralize(gone, 'run')} pruned")
