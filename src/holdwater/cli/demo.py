"""`holdwater demo`: a workflow worth watching, and worth killing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes, follow, live_view
from holdwater.cli import pauses as pause_texts
from holdwater.cli.commands import format_command
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, format_instant
from holdwater.cli.places import DatabasePlace
from holdwater.cli.runner_options import capturing_config

if TYPE_CHECKING:
    from holdwater.runners.tasks.default_runner import DefaultRunner
    from holdwater.runners.tasks.results import PipelineResult
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle

_KEY_PATTERN: Final = re.compile(r"demo-(\d+)")


@click.command()
@click.option("--dir", "directory", type=click.Path(path_type=Path), default="holdwater-demo", show_default=True,
              help="Where its database and its files go.")  # fmt: skip
@click.option("--pace", type=click.FloatRange(min=0), default=0.4, show_default=True,
              help="Seconds each task pauses, for those who watch.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Start another run, whatever became of the one before.")
@click.option("--review", is_flag=True, help="At the end a person approves the report: in the web UI, or by a command.")
def demo(directory: Path, pace: float, fresh: bool, review: bool) -> int:
    """Watch a workflow on real weather data: four years of Seattle, checked, analysed in parallel and drawn.

    Kill it in the middle, with kill -9 too, and call it again: the same run goes on, and nothing recorded is done
    twice.
    """
    from holdwater.demo import run as weather

    home = _make_directory(directory)
    path = home / "demo.db"
    place = DatabasePlace(f"sqlite:///{path}")
    again = escape_unsafe(shlex.join(["holdwater", "demo", "--dir", str(directory)]))
    view: Callable[[], live_view.ProgressView] = live_view.choose_view

    def start(runner: DefaultRunner) -> WorkflowHandle:
        nonlocal view
        newest = next(iter(runner.list_runs(workflow_name=weather.WORKFLOW_NAME, limit=1)), None)
        if newest is None or fresh:
            key = _next_key(newest.idempotency_key if newest is not None else None)
            handle = runner.submit(weather.WORKFLOW_NAME, weather.initial_context(home, pace), idempotency_key=key)
            click.echo(f"Run {handle.run_id} of {weather.WORKFLOW_NAME} begins.")
            click.echo(f"Watch it in the browser: {format_command('ui', place=place)}")
            return handle
        # Found by its id and not by its key: with another pace the key would come with another context.
        if newest.end_time is not None:
            click.echo(f"Run {newest.run_id} {newest.status.lower()} already, {format_instant(newest.end_time)}.")
            click.echo("Nothing is done again; --fresh starts another run.")
            view = live_view.SilentView
            return runner.handle(newest.run_id)
        known = runner.get_run(newest.run_id)
        so_far, recorded = follow.describe_progress(known), live_view.recorded_tasks(known)
        view = partial(live_view.choose_view, recorded)
        click.echo(f"Resuming run {newest.run_id}, begun {format_instant(newest.start_time)}.")
        click.echo(f"Recorded already, and not done again: {so_far}.")
        return follow.continue_run(runner, newest.run_id)

    try:
        _, result, pauses = follow.run_and_watch(place, capturing_config(own_runs_only=True), start, lambda: view())
    except follow.Interrupted as interrupted:
        follow.print_interrupted(place, interrupted.run_id, again)
        return follow.exit_after_interrupt(interrupted)
    follow.print_outcome(result, pauses, place, again)
    for line in weather.summary_lines(result.final_context):
        click.echo(escape_unsafe(line))
    click.echo(f"{'Database:':<15}{escape_unsafe(path)}")
    click.echo(f"{'Look closer:':<15}{format_command('runs', 'show', result.run_id, place=place)}")
    click.echo(f"{'Web UI:':<15}{format_command('ui', place=place)}")
    if review and result.status == "Completed":
        return _review(place, result, again)
    return exit_codes.CODES_BY_STATUS.get(result.status, exit_codes.INTERNAL)


def _review(place: DatabasePlace, weather_result: PipelineResult, again: str) -> int:
    """Have a person approve the report, whichever process gives the answer."""
    from holdwater.demo.review import review_graph, review_inputs

    context = weather_result.final_context

    def start(runner: DefaultRunner) -> WorkflowHandle:
        inputs = review_inputs(context["report"], context["findings"])
        return runner.submit(review_graph(), inputs, idempotency_key=f"review of {weather_result.run_id}")

    def ask(handle: WorkflowHandle) -> None:
        pauses = handle.pauses()
        pause_texts.print_pauses(pauses)
        pause_texts.print_answer_command(handle.run_id, pauses, place)
        click.echo("  this process waits for the answer, and goes on with it")

    try:
        _, result, pauses = follow.run_and_watch(
            place, capturing_config(own_runs_only=True), start, live_view.choose_view, wait_for_answers=ask
        )
    except follow.Interrupted as interrupted:
        follow.print_interrupted(place, interrupted.run_id, f"{again} --review")
        return follow.exit_after_interrupt(interrupted)
    follow.print_outcome(result, pauses, place, f"{again} --review")
    click.echo(f"{'Decision:':<15}{result.final_context.get('decision', 'none')}")
    return exit_codes.CODES_BY_STATUS.get(result.status, exit_codes.INTERNAL)


def _make_directory(directory: Path) -> Path:
    """Create the directory if it does not exist; returns its absolute path, valid for later processes."""
    if "?" in str(directory.absolute()):
        raise CommandError(f"{directory}: a database URL has no room for '?' in a path", hint="choose another --dir")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{directory} cannot be made: {error.strerror}") from error
    return directory.resolve()


def _next_key(key: str | None) -> str:
    """Return the next id of a run of the directory, demo-1, demo-2...; `key`: the latest one."""
    found = _KEY_PATTERN.fullmatch(key or "")
    return f"demo-{int(found[1]) + 1 if found else 1}"
