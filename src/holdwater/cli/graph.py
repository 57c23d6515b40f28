"""`holdwater graph`: a workflow as text or as a Mermaid flow chart."""

from __future__ import annotations

import click

from holdwater.cli import exit_codes, load_workflow
from holdwater.cli.formatting import escape_unsafe


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--format", "form", type=click.Choice(["text", "mermaid"]), default="text", show_default=True)
def graph(target: str, form: str) -> None:
    """Draw a workflow or a graph: an outline, or a Mermaid flow chart."""
    found = load_workflow.registered_workflow(load_workflow.load_target(target))
    drawn = found.to_text() if form == "text" else found.to_mermaid()
    for line in str(drawn).split("\n"):
        click.echo(escape_unsafe(line))
