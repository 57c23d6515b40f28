"""`holdwater help`: the help of a command by its words, and what exit codes mean."""

from __future__ import annotations

from typing import Final

import click

from holdwater.cli import exit_codes

EXIT_CODES_TOPIC: Final = "exit-codes"


@click.command("help")
@click.argument("words", metavar="[COMMAND...|exit-codes]", nargs=-1)
def help_(words: tuple[str, ...]) -> None:
    """Show the help of a command, or what exit codes mean."""
    if words == (EXIT_CODES_TOPIC,):
        click.echo(exit_codes.EXIT_CODES_HELP)
        return
    context = click.get_current_context().parent
    assert context is not None, "it is a sub-command"
    for word in words:
        group = context.command
        command = group.get_command(context, word) if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"there is no command `{context.command_path} {word}`")
        context = click.Context(command, info_name=word, parent=context)
    click.echo(context.get_help())
