"""The `holdwater` command: finds the sub-command, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from holdwater import __version__
from holdwater.cli import exit_codes, options
from holdwater.cli.commands import complete_commands
from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.local_commands import check_takes_server, explain_option
from holdwater.cli.place_options import names_server, server_options
from holdwater.errors import HoldwaterError
from holdwater.model.error_report import describe_error

COMMANDS: Final = {
    "demo": ("holdwater.cli.demo", "Watch a workflow on real weather data; kill it and let it go on."),
    "run": ("holdwater.cli.run", "Run a workflow or a graph, and watch it."),
    "dev": ("holdwater.cli.dev", "Serve a module or a package while you write it."),
    "worker": ("holdwater.cli.worker", "Execute the workflows of modules until SIGTERM."),
    "daemon": ("holdwater.cli.daemon", "Execute the packages of watched folders."),
    "serve": ("holdwater.cli.serve", "Serve the tenants of a PostgreSQL database, with keys."),
    "server": ("holdwater.cli.serve", "See how a server is, and end it."),
    "submit": ("holdwater.cli.submit", "Start a run by the name of its workflow, without its code."),
    "runs": ("holdwater.cli.runs", "Look at recorded runs, and steer them."),
    "bulk": ("holdwater.cli.bulk", "Do the same to many runs, and see how far it is."),
    "retention": ("holdwater.cli.retention", "Say which old runs are kept."),
    "limits": ("holdwater.cli.limits", "Say how many tasks may run at once."),
    "secrets": ("holdwater.cli.secrets", "Keep passwords and keys for task functions."),
    "questions": ("holdwater.cli.questions", "List what runs wait for people to answer."),
    "doctor": ("holdwater.cli.doctor", "Say why a run does not move, or how a database is."),
    "tenants": ("holdwater.cli.tenants", "Make and remove tenants of a database or a server."),
    "package": ("holdwater.cli.package", "Make packages of workflows, look into them, sign them."),
    "schedules": ("holdwater.cli.schedules", "Look at schedules and triggers, add them, steer them."),
    "ui": ("holdwater.cli.ui", "Look at a database in the browser, and steer its runs."),
    "workflows": ("holdwater.cli.catalog", "Look at the workflows that runners have announced."),
    "runners": ("holdwater.cli.catalog", "Look at the runners of a database."),
    "migrate": ("holdwater.cli.migrate", "Upgrade the tables of a database to those of this version."),
    "verify": ("holdwater.cli.verify", "Check that a database keeps its invariants."),
    "keys": ("holdwater.cli.keys", "Make, list and revoke the API keys of a server."),
    "audit": ("holdwater.cli.audit", "List what was asked of a server, and by which key."),
    "config": ("holdwater.cli.config", "Keep the servers that commands speak to by name."),
    "graph": ("holdwater.cli.graph", "Draw a workflow or a graph."),
    "help": ("holdwater.cli.help_command", "Show the help of a command, or what exit codes mean."),
}
"""name -> (module of the command, its line in `--help`, for which the module is not imported)"""
_WORDS: Final = "holdwater.words"
"""key of the words behind the options of the group, in the context"""
_ATTRIBUTES: Final = {"help": "help_"}
"""name of a command -> that of its function, where it differs"""


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), _ATTRIBUTES.get(cmd_name, cmd_name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta[_WORDS] = tuple(args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would say 1, which means that a run failed
            raise _OutputClosed from None


class _OutputClosed(Exception):
    pass


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.find_object(options.CliState).debug = value  # type: ignore[union-attr]


@click.group(
    cls=LazyGroup,
    epilog="Exit codes: holdwater help exit-codes",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="holdwater")
@click.option(
    "--debug",
    is_flag=True,
    envvar="HOLDWATER_DEBUG",
    expose_value=False,
    callback=_set_debug,  # not in the body: a sub-command that cannot be imported is found out before that
    help="Show tracebacks (also: HOLDWATER_DEBUG=1).",
)
@server_options
def cli(server: str | None, api_key: str | None, tenant: str | None, profile: str | None) -> None:
    """Workflows that must not get lost."""
    context = click.get_current_context()
    state = context.find_object(options.CliState)
    assert state is not None
    state.given_place = options.GivenPlace(None, server, api_key, tenant, profile)
    check_takes_server(cli, context.meta.get(_WORDS, ()), state.given_place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    import warnings

    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run_cli(arguments)


def _run_cli(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        # what the terminal's encoding lacks is shown as an escape instead of ending the program
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    state = options.CliState(debug=False)
    try:
        code = cli.main(arguments, prog_name="holdwater", standalone_mode=False, obj=state)
        sys.stdout.flush()
        return code if isinstance(code, int) else exit_codes.COMPLETED
    except click.Abort:
        return exit_codes.INTERRUPTED
    except click.ClickException as error:
        _report_usage(error)
        return exit_codes.SERVER_USAGE if _is_for_server(state, arguments) else exit_codes.USAGE
    except (_OutputClosed, BrokenPipeError):
        # the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.OUTPUT_CLOSED
    except Exception as error:  # noqa: BLE001 - the outermost boundary of the command line
        return _report_error(error, state, is_remote=_is_for_server(state, arguments))


def _report_usage(error: click.ClickException) -> None:
    """Say what is wrong with the words of a command, as any other error; without any words, its help."""
    context = getattr(error, "ctx", None)
    if context is None or type(error) is getattr(click.exceptions, "NoArgsIsHelpError", None):
        error.show()
        return
    message = explain_option(error) or error.format_message().rstrip(".")
    first, *facts = message.splitlines()
    click.echo("\n".join([f"error: {escape_unsafe(first[:1].lower() + first[1:])}", *facts]), err=True)
    click.echo(f"  hint: {context.command_path} --help", err=True)


def _is_for_server(state: options.CliState, arguments: Sequence[str] | None) -> bool:
    """Return True if the command speaks to a server, or was to, if it has not come to that."""
    if state.place is not None:
        return state.place.is_server
    return names_server(sys.argv[1:] if arguments is None else arguments, os.environ)


def _report_error(error: Exception, state: options.CliState, *, is_remote: bool) -> int:
    """Say what is wrong, in a line, facts under it and a hint."""
    if state.debug:
        import traceback

        traceback.print_exception(error)
    code = exit_codes.server_exit_code_for(error) if is_remote else exit_codes.exit_code_for(error)
    message, hint = (error.message, error.hint) if isinstance(error, _ERRORS_WITH_HINTS) else ("", "")
    if code == exit_codes.INTERNAL and not message:
        message, hint = describe_error(error), "holdwater --debug ... shows where"
    first, *facts = str(message).splitlines() or [""]
    click.echo("\n".join([f"error: {escape_unsafe(first)}", *map(escape_unsafe, facts)]), err=True)
    if hint:
        click.echo(f"  hint: {escape_unsafe(complete_commands(hint, state.place))}", err=True)
    return code


_ERRORS_WITH_HINTS: Final = (HoldwaterError, exit_codes.CommandError)
"""errors with a message for people, and a hint"""


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {escape_unsafe(message)}", err=True)


if __name__ == "__main__":
    sys.exit(main())
