"""`penstock run`: a workflow of a module, from start to end."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import exits, following, live, loading, options, questions, reading
from penstock.cli.exits import CommandError
from penstock.cli.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.engine.pauses import Pause
    from penstock.runners.default import DefaultRunner, RunHandle
    from penstock.runners.results import WorkflowResult
    from penstock.tasks import Context


@click.command(epilog=exits.TABLE)
@click.argument("target", metavar="MODULE[:WORKFLOW]")
@click.option("--context", metavar="JSON|@FILE|-", help="The initial context: a JSON object, a file, or stdin.")
@options.database
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run goes on.")
@click.option("--resume", metavar="RUN", help="Go on with a recorded run instead of starting one.")
@click.option("--timeout", metavar="SECONDS", type=float, help="The run fails if it takes longer (default: 1 h).")
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
    inputs = read_context(context)
    # Whatever a user's code prints must not end up in the JSON.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        name = loading.load(target)
        try:
            handle, result, pauses = _perform(database, name, inputs, key, resume, timeout, as_json)
        except following.Interrupted as interrupted:
            again = ("penstock", "run", target, "--database", database, "--resume", str(interrupted.run_id))
            following.say_interrupted(database, interrupted.run_id, *again)
            return following.leave(interrupted)
    if as_json:
        click.echo(json.dumps(as_data(result, pauses, typed=typed), indent=2))
    else:
        following.say_end(result, pauses, database)
        if options.debugging():
            following.say_tracebacks(result, err=True)
        else:
            following.say_where_to_look(result, database)
        if key is not None and not handle.is_new and result.status in ("Failed", "Cancelled"):
            _say_earlier_end(result, key, target, database)
        following.say_context(result)
    return exits.OF_STATUS.get(result.status, exits.INTERNAL)


def as_data(result: WorkflowResult, pauses: Sequence[Pause], *, typed: bool) -> dict[str, Any]:
    """The run as JSON data, with its final context and open questions.  `typed`: values exactly as they are stored."""
    from penstock.model.tags.plain import as_json

    trees = {key: value.tree for key, value in result.final_context.stored().items()}
    values = trees if typed else {key: as_json(tree) for key, tree in trees.items()}
    return {**result.to_dict(), "final_context": values, "pauses": questions.as_data(pauses, typed=typed)}


def _say_earlier_end(result: WorkflowResult, key: str, target: str, database: str) -> None:
    """Say that the key's run ended before, and how to try it again."""
    from penstock.storage.urls import masked

    where = ["--database", masked(database)]
    retry = shlex.join(["penstock", "runs", "retry", result.run_id, *where])
    go_on = shlex.join(["penstock", "run", target, *where, "--resume", result.run_id])
    click.echo(f"  it was executed earlier, with the key {clean(key)!r}; nothing was executed now")
    click.echo("  try it again, or start another run with another key:")
    click.echo(f"    {clean(retry)}")
    click.echo(f"    {clean(go_on)}")


def _perform(
    database: str,
    name: str,
    inputs: Context | None,
    key: str | None,
    resume: str | None,
    timeout: float | None,
    as_json: bool,
) -> tuple[RunHandle, WorkflowResult, list[Pause]]:
    from penstock.runners.config import DefaultRunnerConfig

    config = DefaultRunnerConfig(own_runs_only=True)
    if timeout is not None:
        config.workflow_timeout_seconds = timeout

    def start(runner: DefaultRunner) -> RunHandle:
        if resume is None:
            return runner.submit(name, inputs, idempotency_key=key)
        return following.go_on(runner, reading.find(runner._engine.store, resume).id)

    def announce(handle: RunHandle) -> None:
        if not as_json:
            earlier = "" if resume is not None or handle.is_new else ", an earlier run with this key"
            click.echo(f"run {handle.run_id} of {name}{earlier}")

    return following.perform(database, config, start, live.SilentView if as_json else live.view, announce)


def read_context(given: str | None) -> Context | None:
    """The context somebody gave.  Raises CommandError, and DecodingError for what is no JSON object."""
    if given is None:
        return None
    from penstock.tasks import Context

    try:
        if given == "-":
            text = sys.stdin.buffer.read().decode("utf-8-sig")
        elif given.startswith("@"):
            text = Path(given[1:]).read_text(encoding="utf-8-sig")
        else:
            text = given
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--context {given} cannot be read: {error}") from error
    return Context.from_json(text)
