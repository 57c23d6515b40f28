"""`holdwater graph`: a workflow as text or as a Mermaid flow chart."""

from __future__ import annotations

import click

from holdwater.cli import exit_codes, load_workflow
from holdwater.cli.formatting import clean


@click.command(epilog=exit_codes.TABLE)
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--format", "form", type=click.Choice(["text", "mermaid"]), default="text", show_default=True)
def graph(target: str, form: str) -> None:
    """Draw a workflow or a graph: an outline, or a Mermaid flow chart."""
    found = load_workflow.definition(load_workflow.load(target))
    drawn = found.to_text() if form == "text" else found.to_mermaid()
    for line in str(drawn).split("\n"):
        click.echo(clean(line))
