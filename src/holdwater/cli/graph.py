"""`holdwater graph` and `holdwater runs graph`: a workflow or a run as text, as a Mermaid flow chart, or as SVG."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdwater.cli import load_workflow
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.drawing.colours import Theme

_svg_option = click.option("--svg", "svg_file", metavar="FILE", help="Write a drawing as SVG; -: standard output.")
_theme_option = click.option(
    "--theme",
    type=click.Choice(["auto", "light", "dark"]),
    default="auto",
    show_default=True,
    help="Colours of the drawing; auto: as the page that shows it.",
)


@click.command()
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--format", "form", type=click.Choice(["text", "mermaid"]), default="text", show_default=True)
@_svg_option
@_theme_option
def graph(target: str, form: str, svg_file: str | None, theme: Theme) -> None:
    """Draw a workflow or a graph: an outline, a Mermaid flow chart, or SVG."""
    found = load_workflow.registered_workflow(load_workflow.load_target(target))
    if svg_file is not None:
        _write_svg(found.to_svg(theme=theme), svg_file)
    else:
        _print(str(found.to_text() if form == "text" else found.to_mermaid()))


@click.command("graph")
@click.argument("run")
@place_options
@_svg_option
@_theme_option
def graph_of_run(run: str, place: Place, svg_file: str | None, theme: Theme) -> None:
    """Draw a run with the states of its tasks: an outline, or SVG.  The code of its workflow is not needed.

    RUN is its id, the beginning or the end of it, or @last, the newest.
    """
    with place.reading() as opened:
        drawn = opened.runs.graph_of_run(opened.runs.show_run(run))
    if svg_file is not None:
        _write_svg(drawn.to_svg(theme), svg_file)
    else:
        _print(drawn.to_text(sys.stdout.encoding))


def _print(text: str) -> None:
    for line in text.split("\n"):
        click.echo(escape_unsafe(line))


def _write_svg(svg: str, file: str) -> None:
    """Write a drawing.  Raises CommandError."""
    if file == "-":
        click.echo(svg)
        return
    try:
        Path(file).write_text(svg + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the drawing cannot be written to {file}: {error.strerror}") from error
    click.echo(f"wrote {file}", err=True)
