"""The `penstock` command: finds the sub-command, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from penstock import __version__
from penstock.cli import exits, options
from penstock.cli.text import clean
from penstock.model.errors import PenstockError
from penstock.model.exceptions import describe

COMMANDS: Final = {
    "demo": ("penstock.cli.demo", "Watch a workflow on real weather data; kill it and let it go on."),
    "run": ("penstock.cli.run", "Run a workflow or a graph, and watch it."),
    "runs": ("penstock.cli.runs", "Look at recorded runs, and steer them."),
    "tenants": ("penstock.cli.tenants", "Make and remove tenants of a PostgreSQL database."),
    "schedules": ("penstock.cli.schedules", "Look at schedules and triggers, add them, steer them."),
    "verify": ("penstock.cli.verify", "Check that a database keeps its promises."),
    "graph": ("penstock.cli.graph", "Draw a workflow or a graph."),
}
"""name -> where the command of this name is, and its one line in `--help`, so that nobody imports it for that"""


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would say 1, which means that a run failed
            raise _NobodyReads from None


class _NobodyReads(Exception):
    pass


def _debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.find_object(options.State).debug = value  # type: ignore[union-attr]


@click.group(cls=LazyGroup, epilog=exits.TABLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="penstock")
@click.option(
    "--debug",
    is_flag=True,
    envvar="PENSTOCK_DEBUG",
    expose_value=False,
    callback=_debug,  # not in the body: a sub-command that cannot be imported is found out before that
    help="Show tracebacks (also: PENSTOCK_DEBUG=1).",
)
def cli() -> None:
    """Workflows that must not get lost."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    import warnings

    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        # what the terminal's encoding lacks is shown as an escape instead of ending the program
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    state = options.State(debug=False)
    try:
        code = cli.main(arguments, prog_name="penstock", standalone_mode=False, obj=state)
        sys.stdout.flush()
        return code if isinstance(code, int) else exits.COMPLETED
    except click.Abort:
        return exits.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return exits.USAGE
    except (_NobodyReads, BrokenPipeError):
        # the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.UNREAD
    except Exception as error:  # noqa: BLE001 - the boundary: nobody above can say it better
        return _report(error, state.debug)


def _report(error: Exception, debug: bool) -> int:
    """Say what is wrong, in a line, facts under it and a hint."""
    if debug:
        import traceback

        traceback.print_exception(error)
    code = exits.code_of(error)
    message, hint = (error.message, error.hint) if isinstance(error, _SPEAKING) else ("", "")
    if code == exits.INTERNAL and not message:
        message, hint = describe(error), "penstock --debug ... shows where"
    first, *facts = str(message).splitlines() or [""]
    click.echo("\n".join([f"error: {clean(first)}", *map(clean, facts)]), err=True)
    if hint:
        click.echo(f"  hint: {clean(hint)}", err=True)
    return code


_SPEAKING: Final = (PenstockError, exits.CommandError)
"""errors with a message for people, and a hint"""


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {clean(message)}", err=True)


if __name__ == "__main__":
    sys.exit(main())
