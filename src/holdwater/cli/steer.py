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
from holdwater.cli.commands import command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import clean, count, short

if TYPE_CHECKING:
    from holdwater.engine import Engine
    from holdwater.model.records import RunRow

TAKEN_UP_WITHIN_SECONDS: Final = 1.0
"""a runner with room hears of new work within milliseconds"""
LOOK_SECONDS: Final = 0.02


@dataclass(slots=True)
class Situation:
    """What became of a run.  `at_work`: tasks whose bodies a runner has; `taken_up`: a runner has work of it."""

    row: RunRow
    at_work: list[str]
    taken_up: bool


@contextmanager
def idle_engine(url: str) -> Iterator[Engine]:
    """An engine that executes nothing.  Raises StoreUnavailable."""
    from holdwater.engine import Engine
    from holdwater.model.registry import Registry
    from holdwater.runtime.driver import Limits

    engine = Engine(url, Limits(recover=False), registry=Registry())
    try:
        yield engine
    finally:
        engine.close(0.0)


@contextmanager
def steering(url: str, run: str) -> Iterator[tuple[Engine, str]]:
    """An engine that executes nothing, and the id of the run.  Raises CommandError, RunNotFound, StoreUnavailable."""
    with open_database.existing(url) as store:  # read first: no tables are made in somebody else's file
        run_id = open_database.find(store, run).id
    with idle_engine(url) as engine:
        yield engine, run_id


def look(engine: Engine, run_id: str) -> Situation:
    """The run, and who is at work on it."""
    row, now = engine.head(run_id), engine.clock.now()
    held = [w for w in engine.store.work(run_id) if w.owner is not None and w.lease_until > now]
    nodes = engine.read(run_id).layout.plan.nodes if held else ()
    return Situation(row, [nodes[w.node].name for w in held if w.kind == "execute" and w.began], bool(held))


def _until_taken_up(engine: Engine, run_id: str) -> Situation:
    """Give whoever has the workflow a moment to hear of the work."""
    give_up = time.monotonic() + TAKEN_UP_WITHIN_SECONDS
    while True:
        now = look(engine, run_id)
        if now.taken_up or now.row.status != "running" or time.monotonic() >= give_up:
            return now
        time.sleep(LOOK_SECONDS)


def _say(done: str, now: Situation, url: str, as_json: bool, lines: list[str]) -> None:
    if as_json:
        from holdwater.runners.tasks.results import RunSummary

        seen = {"at_work": now.at_work, "taken_up": now.taken_up}
        click.echo(json.dumps({**asdict(RunSummary.of(now.row)), **seen}, indent=2))
        return
    click.echo(f"run {clean(now.row.id)} of {clean(now.row.workflow)} {done}")
    for line in lines:
        click.echo(f"  {line}")


def _goes_on(now: Situation, url: str) -> list[str]:
    """Who goes on with the run, or how to make somebody."""
    status = now.row.status
    if status == "paused":
        shown = command("runs", "show", now.row.id, database=url)
        return [f"it is still paused: `{shown}` says what it waits for"]
    if status != "running":
        return [f"it is {status} already"]
    if now.taken_up:
        return ["a runner has taken it up"]
    return [
        "no runner has taken it up yet: one that has its workflow does, or go on with",
        f"  {command('run', f'MODULE:{now.row.workflow}', '--resume', now.row.id, database=url)}",
    ]


def _tasks(names: list[str]) -> str:
    return f"{count(len(names), 'task')} ({short(', '.join(names), 200)})"


_run = click.argument("run")
_json = options.as_json("the run and who is at work on it")
_reason: Callable[[Any], Any] = click.option("--reason", metavar="TEXT", default="", help="Recorded with it.")


@click.command(epilog=exit_codes.TABLE)
@_run
@_reason
@options.database
@click.option("--wait", metavar="SECONDS", type=click.FloatRange(min=0), help="Wait so long for the run's end.")
@_json
def cancel(run: str, reason: str, database: str, wait: float | None, as_json: bool) -> int:
    """End a run: nothing more of it starts, and what runs is told.

    If nobody executes the run, it ends at once.  RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.errors import InvalidTransition, RunNotFinished
    from holdwater.model import events as ev

    with steering(database, run) as (engine, run_id):
        engine.store.orphan_dead(engine.clock.now())  # nobody is waited for who is dead
        try:
            engine.control(run_id, ev.CancelRequested(reason), "cancel")
        except InvalidTransition:
            if wait is None or engine.head(run_id).status not in ("running", "cancelled"):
                raise  # otherwise an earlier cancel leads, or has led, to the end that is waited for
        now = look(engine, run_id)
        if wait is not None and now.row.status == "running":
            with suppress(RunNotFinished):
                engine.wait(run_id, wait)
            now = look(engine, run_id)
        ended = now.row.status != "running"
        lines = []
        if not ended:
            who = f"{_tasks(now.at_work)} at work" if now.at_work else "work of it"
            lines.append(f"a runner has {who} and was told; the run ends when that has")
        _say("is cancelled" if ended else "is being cancelled", now, database, as_json, lines)
        return exit_codes.STOPPED if wait is not None and not ended else exit_codes.COMPLETED


@click.command(epilog=exit_codes.TABLE)
@_run
@_reason
@options.database
@_json
def pause(run: str, reason: str, database: str, as_json: bool) -> None:
    """Start nothing more of a run for now; what runs ends as usual.

    RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.model import events as ev

    with steering(database, run) as (engine, run_id):
        engine.control(run_id, ev.Paused(reason), "pause")
        now = look(engine, run_id)
        lines = [f"{_tasks(now.at_work)} at work will end as usual"] if now.at_work else []
        lines.append(f"it goes on with `{command('runs', 'resume', run_id, database=database)}`")
        _say("is paused", now, database, as_json, lines)


@click.command(epilog=exit_codes.TABLE)
@_run
@_reason
@options.database
@_json
def resume(run: str, reason: str, database: str, as_json: bool) -> None:
    """Let a paused run go on.  RUN is an id, its beginning or its end, or @last."""
    from holdwater.model import events as ev

    with steering(database, run) as (engine, run_id):
        engine.control(run_id, ev.Resumed(reason), "resume")
        now = _until_taken_up(engine, run_id)
        _say("goes on", now, database, as_json, _goes_on(now, database))


@click.command(epilog=exit_codes.TABLE)
@_run
@click.argument("value", metavar="ANSWER")
@click.option("--pause", metavar="ID", help="Which of several open questions; `holdwater runs show` lists them.")
@options.database
@_json
def answer(run: str, value: str, pause: str | None, database: str, as_json: bool) -> None:
    """Answer what a paused run waits for.

    RUN is an id, its beginning or its end, or @last.  ANSWER is JSON, or else taken as text; where yes or no is asked
    for, it may be yes or no.  An answer that is not of the type that is asked for is refused.
    """
    from holdwater.model.json_schema import from_words

    with steering(database, run) as (engine, run_id):
        asked = engine.pause(run_id, pause)
        engine.give(asked, from_words(value, asked.answer_schema))
        now = _until_taken_up(engine, run_id)
    _say(f"was given {asked.answer_name}", now, database, as_json, _goes_on(now, database))


@click.command(epilog=exit_codes.TABLE)
@_run
@_reason
@options.database
@_json
def retry(run: str, reason: str, database: str, as_json: bool) -> None:
    """Try again what failed or was cancelled; what succeeded is kept.

    RUN is an id, its beginning or its end, or @last.
    """
    from holdwater.model import events as ev

    with steering(database, run) as (engine, run_id):
        engine.control(run_id, ev.Resumed(reason), "retry")
        now = _until_taken_up(engine, run_id)
        _say("is tried again", now, database, as_json, _goes_on(now, database))


@click.command(epilog=exit_codes.TABLE)
@_run
@click.option("--from", "from_task", metavar="TASK", required=True, help="The first task to run again.")
@click.option("--set", "sets", metavar="KEY=JSON", multiple=True, help="A value as TASK will see it; may be repeated.")
@click.option("--unset", metavar="KEY", multiple=True, help="A key TASK will not see; may be repeated.")
@click.option("--context", metavar="FILE|JSON|-", help="Values as TASK will see them: a file, a JSON object, or stdin.")
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run is shown.")
@options.database
@_json
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
    values = _values(context, sets)
    with steering(database, run) as (engine, source):
        row, _ = engine.fork(source, from_task, values, unset, idempotency_key=key)
        now = _until_taken_up(engine, row.id)
        _say(f"begins at {clean(from_task)} of run {clean(source)}", now, database, as_json, _goes_on(now, database))


def _values(context: str | None, sets: tuple[str, ...]) -> Any:
    """The edited values.  Raises CommandError, and DecodingError for what cannot be a context."""
    from holdwater.tasks import Context

    values = context_arguments.read(context) or Context()
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
