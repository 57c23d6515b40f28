"""`holdwater run`: a workflow of a module, from start to end."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, follow, label_arguments, live_view, load_workflow, options
from holdwater.cli import pauses as pause_texts
from holdwater.cli.author import cli_author
from holdwater.cli.commands import format_command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.places import DatabasePlace, Place
from holdwater.cli.runner_options import capturing_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdwater.runners.tasks.default_runner import DefaultRunner
    from holdwater.runners.tasks.results import PipelineResult
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle
    from holdwater.runs.open_pauses import Pause
    from holdwater.tasks import Context

_MAX_TIMEOUT_SECONDS: Final = 3_155_760_000
"""of all times that are given to a runner"""


@click.command()
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--context", metavar="JSON|FILE|-", help="The initial context: a JSON object, a file, or stdin.")
@options.database_option
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run goes on.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="A label of the run; may be repeated.")
@click.option("--resume", metavar="RUN", help="Go on with a recorded run instead of starting one.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, _MAX_TIMEOUT_SECONDS, min_open=True),
    help="The run fails if it takes longer (default: 1 h).",
)
@options.json_option("the run with its final context, and nothing else,")
@options.typed_option
def run(
    target: str,
    context: str | None,
    database: str,
    key: str | None,
    labels: tuple[str, ...],
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
    if resume is not None and (context is not None or key is not None or labels):
        raise click.UsageError("--resume goes on with what is recorded: it takes no --context, --key or --label")
    inputs = context_arguments.read_context(context)
    place = options.database_place(database)
    # Whatever a user's code prints must not end up in the JSON.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        name = load_workflow.load_target(target, require_choice=resume is None)
        start = _RunStarter(name, inputs, key, label_arguments.parse_labels(labels), resume)
        try:
            result, pauses = _run_and_watch(place, start, timeout, as_json)
        except follow.Interrupted as interrupted:
            again = format_command("run", target, "--resume", str(interrupted.run_id), place=place)
            follow.print_interrupted(place, interrupted.run_id, again)
            return follow.exit_after_interrupt(interrupted)
    if as_json:
        click.echo(json.dumps(result_to_json(result, pauses, typed=typed), indent=2))
    else:
        again = format_command("run", target, "--resume", result.run_id, place=place)
        follow.print_outcome(result, pauses, place, again)
        if options.is_debugging():
            follow.print_tracebacks(result, err=True)
        else:
            follow.print_traceback_hint(result, place)
        if start.had_ended:
            _print_already_ended(result, key, again, place)
        follow.print_context(result)
    return exit_codes.CODES_BY_STATUS.get(result.status, exit_codes.INTERNAL)


def result_to_json(result: PipelineResult, pauses: Sequence[Pause], *, typed: bool) -> dict[str, Any]:
    """Convert a run to JSON data, with final context and open pauses.  `typed`: values exactly as they are stored."""
    from holdwater.model.value_types.plain_json import to_plain_json

    trees = {key: value.tree for key, value in result.final_context.stored_values().items()}
    values = trees if typed else {key: to_plain_json(tree) for key, tree in trees.items()}
    return {**result.to_dict(), "final_context": values, "pauses": pause_texts.pauses_to_json(pauses, typed=typed)}


def _print_already_ended(result: PipelineResult, key: str | None, resume_command: str, place: Place) -> None:
    """Say that the run had ended before, and how to try it again."""
    with_key = "" if key is None else f", with the key {escape_unsafe(key)!r}"
    click.echo(f"  it was executed earlier{with_key}; nothing was executed now")
    if result.status not in ("Failed", "Cancelled"):
        return
    click.echo(f"  try it again{'' if key is None else ', or start another run with another key'}:")
    click.echo(f"    {format_command('runs', 'retry', result.run_id, place=place)}")
    click.echo(f"    {resume_command}")


class _RunStarter:
    """Starts or finds the run that is meant.

    `had_ended`: it was over before, and nothing is executed.  `recorded`: its tasks that had ended before.
    """

    def __init__(
        self, name: str, inputs: Context | None, key: str | None, labels: Mapping[str, str], resume: str | None
    ) -> None:
        self._name, self._inputs, self._key, self._labels, self._resume = name, inputs, key, labels, resume
        self.had_ended = False
        self._executed_by = ""
        self.recorded: dict[str, str | None] = {}

    def __call__(self, runner: DefaultRunner) -> WorkflowHandle:
        if self._resume is not None:
            return self._resume_run(runner, self._resume)
        handle = self._submit(runner)
        self.had_ended = not handle.is_new and handle.done()
        if not handle.is_new and not self.had_ended:
            self._executed_by = _describe_other_process(runner, handle.run_id)
            self.recorded = live_view.recorded_tasks(handle.info())
        return handle

    def announcement(self, handle: WorkflowHandle) -> str:
        """Return the line that names the run."""
        earlier = "" if self._resume is not None or handle.is_new else ", an earlier run with this key"
        return (
            f"run {escape_unsafe(handle.run_id)} of {escape_unsafe(handle.workflow_name)}{earlier}{self._executed_by}"
        )

    def _resume_run(self, runner: DefaultRunner, resume: str) -> WorkflowHandle:
        found = runner.find_run(resume)
        if self._name and found.workflow_name != self._name:
            raise CommandError(
                f"run {found.run_id} is one of workflow {found.workflow_name!r}, not of {self._name!r}",
                hint="leave the workflow out: --resume knows which it is",
            )
        self.had_ended = found.end_time is not None
        if not self.had_ended:
            self.recorded = live_view.recorded_tasks(runner.get_run(found.run_id))
        return follow.continue_run(runner, found.run_id)

    def _submit(self, runner: DefaultRunner) -> WorkflowHandle:
        from holdwater.errors import ExecutorNotFound, IdempotencyConflict, MissingInputError

        try:
            return runner.submit(
                self._name,
                self._inputs,
                idempotency_key=self._key,
                labels=self._labels,
                started_by=cli_author(),
            )
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


def _describe_other_process(runner: DefaultRunner, run_id: str) -> str:
    """Describe the process that executes a run, if it is another one: `, which is running on HOST:PID`."""
    from holdwater.runners.tasks.results import describe_activity

    activity = runner.activity(run_id)
    if activity.pid in (None, os.getpid()):
        return ""
    return f", which is {escape_unsafe(describe_activity(activity))}"


def _run_and_watch(
    place: DatabasePlace, start: _RunStarter, timeout: float | None, as_json: bool
) -> tuple[PipelineResult, list[Pause]]:
    config = capturing_config(own_runs_only=True)
    if timeout is not None:
        config.workflow_timeout_seconds = timeout

    def announce(handle: WorkflowHandle) -> None:
        if not as_json:
            click.echo(start.announcement(handle))

    def view() -> live_view.ProgressView:
        return live_view.SilentView() if as_json else live_view.choose_view(start.recorded)

    _, result, pauses = follow.run_and_watch(place, config, start, view, announce)
    return result, pauses
