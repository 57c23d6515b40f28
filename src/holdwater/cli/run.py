"""`holdwater run`: a workflow of a module, from start to end."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, follow, live_view, load_workflow, open_database, options
from holdwater.cli import pauses as pause_texts
from holdwater.cli.commands import command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdwater.runners.tasks.default_runner import DefaultRunner, RunHandle
    from holdwater.runners.tasks.results import WorkflowResult
    from holdwater.runs.pauses import Pause
    from holdwater.tasks import Context

_LONGEST_SECONDS: Final = 3_155_760_000
"""of all times that are given to a runner"""


@click.command(epilog=exit_codes.TABLE)
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--context", metavar="JSON|FILE|-", help="The initial context: a JSON object, a file, or stdin.")
@options.database
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run goes on.")
@click.option("--resume", metavar="RUN", help="Go on with a recorded run instead of starting one.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, _LONGEST_SECONDS, min_open=True),
    help="The run fails if it takes longer (default: 1 h).",
)
@options.as_json("the run with its final context, and nothing else,")
@options.typed
def run(
    target: str,
    context: str | None,
    database: str,
    key: str | None,
    resume: str | None,
    timeout: float | None,
    as_json: bool,
    typed: bool,
) -> int:
    """Run a workflow of tasks or steps, or a graph, and watch it.

    MODULE is imported from the current directory or the Python path, or is a path to a .py file.  WORKFLOW is the name
    of what is registered, or of a variable of the module; it may be left out if the module registers exactly one.
    The context is what the first tasks see, the params of steps, the inputs of a graph.

    Everything is recorded.  After Ctrl-C or a crash, --resume RUN goes on, and so does the same command with --key.
    """
    if resume is not None and (context is not None or key is not None):
        raise click.UsageError("--resume goes on with what is recorded: it takes neither --context nor --key")
    inputs = context_arguments.read(context)
    # Whatever a user's code prints must not end up in the JSON.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        name = load_workflow.load(target, choose=resume is None)
        start = _Start(name, inputs, key, resume)
        try:
            result, pauses = _perform(database, start, timeout, as_json)
        except follow.Interrupted as interrupted:
            again = command("run", target, "--resume", str(interrupted.run_id), database=database)
            follow.say_interrupted(database, interrupted.run_id, again)
            return follow.leave(interrupted)
    if as_json:
        click.echo(json.dumps(as_data(result, pauses, typed=typed), indent=2))
    else:
        again = command("run", target, "--resume", result.run_id, database=database)
        follow.say_end(result, pauses, database, again)
        if options.debugging():
            follow.say_tracebacks(result, err=True)
        else:
            follow.say_where_to_look(result, database)
        if start.had_ended:
            _say_earlier_end(result, key, again, database)
        follow.say_context(result)
    return exit_codes.OF_STATUS.get(result.status, exit_codes.INTERNAL)


def as_data(result: WorkflowResult, pauses: Sequence[Pause], *, typed: bool) -> dict[str, Any]:
    """The run as JSON data, with its final context and open pauses.  `typed`: values exactly as they are stored."""
    from holdwater.model.value_types.plain_json import as_json

    trees = {key: value.tree for key, value in result.final_context.stored().items()}
    values = trees if typed else {key: as_json(tree) for key, tree in trees.items()}
    return {**result.to_dict(), "final_context": values, "pauses": pause_texts.as_data(pauses, typed=typed)}


def _say_earlier_end(result: WorkflowResult, key: str | None, go_on: str, database: str) -> None:
    """Say that the run had ended before, and how to try it again."""
    with_key = "" if key is None else f", with the key {clean(key)!r}"
    click.echo(f"  it was executed earlier{with_key}; nothing was executed now")
    if result.status not in ("Failed", "Cancelled"):
        return
    click.echo(f"  try it again{'' if key is None else ', or start another run with another key'}:")
    click.echo(f"    {command('runs', 'retry', result.run_id, database=database)}")
    click.echo(f"    {go_on}")


class _Start:
    """Starts or finds the run that is meant.  `had_ended`: it was over before, and nothing is executed."""

    def __init__(self, name: str, inputs: Context | None, key: str | None, resume: str | None) -> None:
        self._name, self._inputs, self._key, self._resume = name, inputs, key, resume
        self.had_ended = False

    def __call__(self, runner: DefaultRunner) -> RunHandle:
        if self._resume is not None:
            return self._go_on(runner, self._resume)
        handle = self._submit(runner)
        self.had_ended = not handle.is_new and handle.done()
        return handle

    def announcement(self, handle: RunHandle) -> str:
        """The line that names the run."""
        earlier = "" if self._resume is not None or handle.is_new else ", an earlier run with this key"
        return f"run {clean(handle.run_id)} of {clean(handle.workflow_name)}{earlier}"

    def _go_on(self, runner: DefaultRunner, resume: str) -> RunHandle:
        row = open_database.find(runner._engine.store, resume)
        if self._name and row.workflow != self._name:
            raise CommandError(
                f"run {row.id} is one of workflow {row.workflow!r}, not of {self._name!r}",
                hint="leave the workflow out: --resume knows which it is",
            )
        self.had_ended = row.finished_at is not None
        return follow.go_on(runner, row.id)

    def _submit(self, runner: DefaultRunner) -> RunHandle:
        from holdwater.errors import ExecutorNotFound, IdempotencyConflict, MissingInputError

        try:
            return runner.submit(self._name, self._inputs, idempotency_key=self._key)
        except MissingInputError as error:
            missing = json.dumps(dict.fromkeys(error.missing, "..."))
            raise CommandError(
                error.message, hint=f"give a value for each: --context {shlex.quote(missing)}"
            ) from error
        except ExecutorNotFound as error:
            hint = "`holdwater run` has the default executor only: start the workflow by a DefaultRunner that has it"
            raise CommandError(error.message, hint=hint) from error
        except IdempotencyConflict as error:
            hint = "give the --context it was started with, go on with it by --resume, or use a new key for new inputs"
            raise CommandError(error.message, hint=hint) from error


def _perform(database: str, start: _Start, timeout: float | None, as_json: bool) -> tuple[WorkflowResult, list[Pause]]:
    from holdwater.runners.tasks.config import DefaultRunnerConfig

    config = DefaultRunnerConfig(own_runs_only=True)
    if timeout is not None:
        config.workflow_timeout_seconds = timeout

    def announce(handle: RunHandle) -> None:
        if not as_json:
            click.echo(start.announcement(handle))

    view = live_view.SilentView if as_json else live_view.view
    _, result, pauses = follow.perform(database, config, start, view, announce)
    return result, pauses
