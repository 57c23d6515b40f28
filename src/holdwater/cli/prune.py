"""`holdwater runs prune`: making room."""

from __future__ import annotations

import json

import click

from holdwater.cli import options, time_arguments
from holdwater.cli.formatting import pluralize
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place


@click.command()
@click.option(
    "--older-than", metavar="DURATION", required=True, help="How long ago a run must have ended: 30d, 12h, 90m."
)
@click.option("--keep", metavar="RUN", multiple=True, help="A run to leave; may be repeated.")
@place_options
@options.json_option("how many runs are gone")
def prune(older_than: str, keep: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Delete runs that ended long ago, with their children and all that was recorded of them.

    What has not ended stays, and so does a run with a child that has not.  Forks of a deleted run stay whole.
    """
    age_us = time_arguments.parse_duration(older_than, "--older-than")
    with place.writing() as opened:
        kept = [opened.runs.find_run(run).id for run in keep]
        gone = opened.retention.prune_runs(age_us, kept)
    click.echo(json.dumps({"pruned": gone}) if as_json else f"{pluralize(gone, 'run')} pruned")
