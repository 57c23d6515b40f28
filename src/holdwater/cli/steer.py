"""`holdwater runs cancel|pause|resume|retry|fork`: steering recorded runs, without the code of their workflows.

What somebody wants is journalled and told to the runners of the database; nothing is executed, claimed or taken over
here, and no lease of a runner that lives is touched.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, open_database, options
from holdwater.cli.commands import format_command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, pluralize, truncate
from holdwater.model.statuses import RunStatus

if TYPE_CHECKING:
    from holdwater.engine import Engine
    from holdwater.model.records import RunRow

PICKUP_WAIT_SECONDS: Final = 1.0
"""a runner with room hears of new work within milliseconds"""
POLL_SECONDS: Final = 0.02


@dataclass(slots=True)
class RunSituation:
    """What became of a run.  `at_work`: tasks whose bodies a runner has; `is_claimed`: a runner has work of it."""

    row: RunRow
    executing_tasks: list[str]
    is_claimed: bool


@contextmanager
def open_control_engine(url: str) -> Iterator[Engine]:
    """An engine that executes nothing.  Raises StoreUnavailable."""
    from holdwater.engine import Engine
    from holdwater.model.registry import Registry
    from holdwater.runtime.driver import DriverConfig

    engine = Engine(url, DriverConfig(recover=False), registry=Registry())
    try:
        yield engine
    finally:
        engine.close(0.0)


@contextmanager
def open_run_control(url: str, run: str) -> Iterator[tuple[Engine, str]]:
    """An engine that executes nothing, and the id of the run.  Raises CommandError, RunNotFound, StoreUnavailable."""
    with open_database.open_existing(url) as store:  # read first: no tables are made in somebody else's file
        run_id = open_database.find_run(store, run).id
    with open_control_engine(url) as engine:
        yield engine, run_id


def inspect_run(engine: Engine, run_id: str) -> RunSituation:
    """The run, and who is at work on it."""
    row, now = engine.get_run_row(run_id), engine.clock.now()
    held = [w for w in engine.store.work_of_run(run_id) if w.owner is not None and w.lease_until > now]
    nodes = engine.load_run(run_id).compiled_plan.plan.nodes if held else ()
    return RunSituation(row, [nodes[w.node].name for w in held if w.kind == "execute" and w.started], bool(held))


def _wait_for_pickup(engine: Engine, run_id: str) -> RunSituation:
    """Give whoever has the workflow a moment to hear of the work."""
    give_up = time.monotonic() + PICKUP_WAIT_SECONDS
    while True:
        now = inspect_run(engine, run_id)
        if now.is_claimed or now.row.status != RunStatus.RUNNING or time.monotonic() >= give_up:
            return now
        time.sleep(POLL_SECONDS)


def _print_result(action: str, situation: RunSituation, url: str, as_json: bool, lines: list[str]) -> None:
    if as_json:
        from holdwater.runners.tasks.results import RunSummary

        seen = {"executing_tasks": situation.executing_tasks, "is_claimed": situation.is_claimed}
        click.echo(json.dumps({**asdict(RunSummary.from_row(situation.row)), **seen}, indent=2))
        return
    click.echo(f"run {escape_unsafe(situation.row.id)} of {escape_unsafe(situation.row.workflow)} {action}")
    for line in lines:
        click.echo(f"  {line}")


def _next_step_lines(situation: RunSituation, url: str) -> list[str]:
    """Who goes on with the run, or how to make somebody."""
    status = situation.row.status
    if status == "paused":
        shown = format_command("runs", "show", situation.row.id, database=url)
        return [f"it is still paused: `{shown}` says what it waits for"]
    if status != "running":
        return [f"it is {status} already"]
    if situation.is_claimed:
        return ["a runner has taken it up"]
    return [
        "no runner has taken it up yet: one that has its workflow does, or go on with",
        f"  {format_command('run', f'MODULE:{situation.row.workflow}', '--resume', situation.row.id, database=url)}",
    ]


def _describe_tasks(names: list[str]) -> str:
    return f"{pluralize(len(names), 'task')} ({truncate(', '.join(names), 200)})"


_run_argument = click.argument("run")
_json_option = options.json_option("the run and who is at work on it")
_reason_option: Callable[[Any], Any] = click.option("--reason", metavar="TEXT", default="", help="Recorded with it.")


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@_reason_option
@options.database_option
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(min=0), help="Wait so long for the run's end.")
@_json_option
def cancel(run: str, reason: str, database: str, wait: float | None, as_json: bool) -> int:
    """End a run: nothing more of it starts, and what runs is told.

    If nobody executes the run, it ends at once.  RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.errors import InvalidTransition, RunNotFinished
    from holdwater.model import events as ev

    with open_run_control(database, run) as (engine, run_id):
        engine.store.reclaim_expired(engine.clock.now())  # nobody is waited for who is dead
        try:
            engine.control(run_id, ev.CancelRequested(reason), "cancel")
        except InvalidTransition:
            if wait is None or engine.get_run_row(run_id).status not in ("running", "cancelled"):
                raise  # otherwise an earlier cancel leads, or has led, to the end that is waited for
        now = inspect_run(engine, run_id)
        if wait is not None and now.row.status == RunStatus.RUNNING:
            with suppress(RunNotFinished):
                engine.wait_for_run(run_id, wait)
            now = inspect_run(engine, run_id)
        ended = now.row.status != RunStatus.RUNNING
        lines = []
        if not ended:
            who = f"{_describe_tasks(now.executing_tasks)} at work" if now.executing_tasks else "work of it"
            lines.append(f"a runner has {who} and was told; the run ends when that has")
        _print_result("is cancelled" if ended else "is being cancelled", now, database, as_json, lines)
        return exit_codes.STOPPED if wait is not None and not ended else exit_codes.COMPLETED


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@_reason_option
@options.database_option
@_json_option
def pause(run: str, reason: str, database: str, as_json: bool) -> None:
    """Start nothing more of a run for now; what runs ends as usual.

    RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.model import events as ev

    with open_run_control(database, run) as (engine, run_id):
        engine.control(run_id, ev.Paused(reason), "pause")
        now = inspect_run(engine, run_id)
        lines = [f"{_describe_tasks(now.executing_tasks)} at work will end as usual"] if now.executing_tasks else []
        lines.append(f"it goes on with `{format_command('runs', 'resume', run_id, database=database)}`")
        _print_result("is paused", now, database, as_json, lines)


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@_reason_option
@options.database_option
@_json_option
def resume(run: str, reason: str, database: str, as_json: bool) -> None:
    """Let a paused run go on.  RUN is an id, its beginning or its end, or @last."""
    from holdwater.model import events as ev

    with open_run_control(database, run) as (engine, run_id):
        engine.control(run_id, ev.Resumed(reason), "resume")
        now = _wait_for_pickup(engine, run_id)
        _print_result("goes on", now, database, as_json, _next_step_lines(now, database))


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@click.argument("value", metavar="ANSWER")
@click.option("--pause", metavar="ID", help="Which of several open questions; `holdwater runs show` lists them.")
@options.database_option
@_json_option
def answer(run: str, value: str, pause: str | None, database: str, as_json: bool) -> None:
    """Answer what a paused run waits for.

    RUN is an id, its beginning or its end, or @last.  ANSWER is JSON, or else taken as text; where yes or no is asked
    for, it may be yes or no.  An answer that is not of the type that is asked for is refused.
    """
    from holdwater.model.json_schema import parse_user_input

    with open_run_control(database, run) as (engine, run_id):
        asked = engine.find_pause(run_id, pause)
        engine.submit_answer(asked, parse_user_input(value, asked.answer_schema))
        now = _wait_for_pickup(engine, run_id)
    _print_result(f"was given {asked.answer_name}", now, database, as_json, _next_step_lines(now, database))


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@_reason_option
@options.database_option
@_json_option
def retry(run: str, reason: str, database: str, as_json: bool) -> None:
    """Try again what failed or was cancelled; what succeeded is kept.

    RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.model import events as ev

    with open_run_control(database, run) as (engine, run_id):
        engine.control(run_id, ev.Resumed(reason), "retry")
        now = _wait_for_pickup(engine, run_id)
        _print_result("is tried again", now, database, as_json, _next_step_lines(now, database))


@click.command(epilog=exit_codes.EXIT_CODES_HELP)
@_run_argument
@click.option("--from", "from_task", metavar="TASK", required=True, help="The first task to run again.")
@click.option("--set", "sets", metavar="KEY=JSON", multiple=True, help="A value as TASK will see it; may be repeated.")
@click.option("--unset", metavar="KEY", multiple=True, help="A key TASK will not see; may be repeated.")
@click.option("--context", metavar="FILE|JSON|-", help="Values as TASK will see them: a file, a JSON object, or stdin.")
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run is shown.")
@options.database_option
@_json_option
def fork(
    run: str,
    from_task: str,
    sets: tuple[str, ...],
    unset: tuple[str, ...],
    context: str | None,
    key: str | None,
    database: str,
    as_json: bool,
) -> None:
    """Start a new run in the middle of another one, with other values if need be.

    What succeeded in RUN and does not come after TASK is taken over and not executed again.  RUN stays as it is.
    """
    values = _parse_values(context, sets)
    with open_run_control(database, run) as (engine, source):
        row, _ = engine.fork(source, from_task, values, unset, idempotency_key=key)
        now = _wait_for_pickup(engine, row.id)
        _print_result(
            f"begins at {escape_unsafe(from_task)} of run {escape_unsafe(source)}",
            now,
            database,
            as_json,
            _next_step_lines(now, database),
        )


def _parse_values(context: str | None, sets: tuple[str, ...]) -> Any:
    """The edited values.  Raises CommandError, and DecodingError for what cannot be a context."""
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
        values.update_from_dict(Context.from_json(json.dumps({name: tree})))
    return values
