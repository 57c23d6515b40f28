"""`holdwater runs cancel|pause|resume|retry|fork`: control of recorded runs, without the code of their workflows.

A request is journalled, and the runners of the database are notified; the command executes and claims nothing, and
does not touch leases of living runners.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from holdwater.cli import context_arguments, exit_codes, options
from holdwater.cli.commands import format_command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, pluralize, truncate
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.statuses import RunStatus

if TYPE_CHECKING:
    from holdwater.client.interface.runs import Runs
    from holdwater.operations.control import RunSituation
PICKUP_WAIT_SECONDS: Final = 1.0
"""a runner with room hears of new work within milliseconds"""


@contextmanager
def _open_run(place: Place, run: str) -> Iterator[tuple[Runs, str]]:
    """Open a place to control a run of it, and find the id of the run.

    Raises RunNotFound, AmbiguousRun, StoreUnavailable, ServerUnreachable.
    """
    with place.controlling() as opened:
        yield opened.runs, opened.runs.find_run(run).id


def _print_result(action: str, situation: RunSituation, as_json: bool, lines: list[str]) -> None:
    if as_json:
        from holdwater.runners.tasks.results import RunSummary

        seen = {"executing_tasks": situation.executing_tasks, "is_claimed": situation.is_claimed}
        run = replace(situation.run, activity=None)
        click.echo(json.dumps({**asdict(RunSummary.from_info(run)), **seen}, indent=2))
        return
    click.echo(f"run {escape_unsafe(situation.run.id)} of {escape_unsafe(situation.run.workflow)} {action}")
    for line in lines:
        click.echo(f"  {line}")


def _next_step_lines(situation: RunSituation, place: Place) -> list[str]:
    """Describe the runner that continues the run, or the command that starts one."""
    status = situation.run.status
    if status == "paused":
        shown = format_command("runs", "show", situation.run.id, place=place)
        return [f"it is still paused: `{shown}` says what it waits for"]
    if status != "running":
        return [f"it is {status} already"]
    if situation.is_claimed:
        return ["a runner has taken it up"]
    if situation.run.release is not None or place.is_server:
        shown = format_command("doctor", situation.run.id, place=place)
        return [
            f"no runner has taken it up yet: one with {situation.run.claim_key} does; `{shown}` says which there are"
        ]
    return [
        "no runner has taken it up yet: one that has its workflow does, or go on with",
        f"  {format_command('run', f'MODULE:{situation.run.workflow}', '--resume', situation.run.id, place=place)}",
    ]


def _describe_tasks(names: Sequence[str]) -> str:
    return f"{pluralize(len(names), 'task')} ({truncate(', '.join(names), 200)})"


_run_argument = click.argument("run")
_json_option = options.json_option("the run and who is at work on it")
_reason_option: Callable[[Any], Any] = click.option("--reason", metavar="TEXT", default="", help="Recorded with it.")


@click.command()
@_run_argument
@_reason_option
@place_options
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(min=0), help="Wait so long for the run's end.")
@_json_option
def cancel(run: str, reason: str, place: Place, wait: float | None, as_json: bool) -> int:
    """End a run: nothing more of it starts, and what runs is told.

    A run that no runner executes ends at once.  RUN is an id, its beginning or its end, or @last.
    """
    with _open_run(place, run) as (runs, run_id):
        now = runs.cancel(run_id, reason, wait_seconds=wait)
    ended = now.run.status != RunStatus.RUNNING
    lines = []
    if not ended:
        who = f"{_describe_tasks(now.executing_tasks)} at work" if now.executing_tasks else "work of it"
        lines.append(f"a runner has {who} and was told; the run ends when that has")
    _print_result("is cancelled" if ended else "is being cancelled", now, as_json, lines)
    return exit_codes.STOPPED if wait is not None and not ended else exit_codes.COMPLETED


@click.command()
@_run_argument
@_reason_option
@place_options
@_json_option
def pause(run: str, reason: str, place: Place, as_json: bool) -> None:
    """Start nothing more of a run for now; what runs ends as usual.

    RUN is an id, its beginning or its end, or @last.
    """
    with _open_run(place, run) as (runs, run_id):
        now = runs.pause(run_id, reason)
    lines = [f"{_describe_tasks(now.executing_tasks)} at work will end as usual"] if now.executing_tasks else []
    lines.append(f"it goes on with `{format_command('runs', 'resume', run_id, place=place)}`")
    _print_result("is paused", now, as_json, lines)


@click.command()
@_run_argument
@_reason_option
@place_options
@_json_option
def resume(run: str, reason: str, place: Place, as_json: bool) -> None:
    """Let a paused run go on.  RUN is an id, its beginning or its end, or @last."""
    with _open_run(place, run) as (runs, run_id):
        now = runs.resume(run_id, reason, pickup_seconds=PICKUP_WAIT_SECONDS)
    _print_result("goes on", now, as_json, _next_step_lines(now, place))


@click.command()
@_run_argument
@click.argument("value", metavar="ANSWER")
@click.option("--pause", metavar="ID", help="Which of several open questions; `holdwater runs show` lists them.")
@place_options
@_json_option
def answer(run: str, value: str, pause: str | None, place: Place, as_json: bool) -> None:
    """Answer what a paused run waits for.

    RUN is an id, its beginning or its end, or @last.  ANSWER is JSON, or else taken as text; where yes or no is asked
    for, it may be yes or no.  An answer that is not of the type that is asked for is refused.
    """
    from holdwater.model.schema_validation import parse_user_input

    with _open_run(place, run) as (runs, run_id):
        asked = runs.find_pause(run_id, pause)
        given = parse_user_input(value, asked.answer_schema)
        now = runs.answer(run_id, asked.pause_id, given, pickup_seconds=PICKUP_WAIT_SECONDS)
    _print_result(f"was given {asked.answer_name}", now, as_json, _next_step_lines(now, place))


@click.command()
@_run_argument
@_reason_option
@click.option(
    "--release",
    type=click.Choice(["active"]),
    help="active: on the release that new runs of its workflow take, if its structure is the same.",
)
@place_options
@_json_option
def retry(run: str, reason: str, release: Literal["active"] | None, place: Place, as_json: bool) -> None:
    """Try again what failed or was cancelled; what succeeded is kept.

    RUN is an id, its beginning or its end, or @last.  A run of a package stays on its release, unless --release says
    otherwise.
    """
    with _open_run(place, run) as (runs, run_id):
        now = runs.retry(run_id, reason, release=release, pickup_seconds=PICKUP_WAIT_SECONDS)
    _print_result("is tried again", now, as_json, _next_step_lines(now, place))


@click.command()
@_run_argument
@click.option("--from", "from_task", metavar="TASK", required=True, help="The first task to run again.")
@click.option("--set", "sets", metavar="KEY=JSON", multiple=True, help="A value as TASK will see it; may be repeated.")
@click.option("--unset", metavar="KEY", multiple=True, help="A key TASK will not see; may be repeated.")
@click.option("--context", metavar="FILE|JSON|-", help="Values as TASK will see them: a file, a JSON object, or stdin.")
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run is shown.")
@place_options
@_json_option
def fork(
    run: str,
    from_task: str,
    sets: tuple[str, ...],
    unset: tuple[str, ...],
    context: str | None,
    key: str | None,
    place: Place,
    as_json: bool,
) -> None:
    """Start a new run in the middle of another one, with other values if need be.

    What succeeded in RUN and does not come after TASK is taken over and not executed again.  RUN stays as it is.
    """
    values = _parse_values(context, sets)
    with _open_run(place, run) as (runs, source):
        started = runs.fork(source, from_task, values, unset, idempotency_key=key)
        now = runs.inspect(started.info.id, pickup_seconds=PICKUP_WAIT_SECONDS)
    said = f"begins at {escape_unsafe(from_task)} of run {escape_unsafe(source)}"
    _print_result(said, now, as_json, _next_step_lines(now, place))


def _parse_values(context: str | None, sets: tuple[str, ...]) -> Any:
    """Parse the edited values.

    Raises CommandError; DecodingError for what cannot be a context; InvalidArgument for an instance of a class.
    """
    from holdwater.operations.edited_values import values_from_json
    from holdwater.tasks import Context

    values = context_arguments.read_context(context) or Context()
    for one in sets:
        name, found, text = one.partition("=")
        if not name or not found:
            raise click.UsageError(f"--set {one}: write KEY=JSON")
        try:
            tree = json.loads(text)
        except ValueError:
            quoted = shlex.quote(f"{name}={json.dumps(text)}")
            raise CommandError(
                f"--set {one}: {text!r} is no JSON", hint=f"a text needs quotes: --set {quoted}"
            ) from None
        values.update_from_dict(values_from_json({name: tree}))
    return values
