"""`penstock graph`: a workflow as text or as a Mermaid flow chart."""

from __future__ import annotations

import click

from penstock.cli import exits, loading
from penstock.cli.text import clean


@click.command(epilog=exits.TABLE)
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--format", "form", type=click.Choice(["text", "mermaid"]), default="text", show_default=True)
def graph(target: str, form: str) -> None:
    """Draw a workflow or a graph: an outline, or a Mermaid flow chart."""
    found = loading.definition(loading.load(target))
    drawn = found.to_text() if form == "text" else found.to_mermaid()
    for line in str(drawn).split("\n"):
        click.echo(clean(line))
