"""`holdwater runs`: what is recorded.  To look at it starts, recovers and creates nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import events, export, follow, graph, listing, logs, options, prune, run_filters, steer
from holdwater.cli import map_items as map_texts
from holdwater.cli import pauses as pause_texts
from holdwater.cli.formatting import (
    align_columns,
    escape_unsafe,
    format_duration,
    format_instant,
    truncate,
    truncate_lines,
)
from holdwater.cli.live_view import describe_task
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.operations.map_items import MapReport
    from holdwater.runners.tasks.results import PipelineResult

NO_LIMIT: Final = 1 << 62


@click.group()
def runs() -> None:
    """Look at recorded runs, and steer them."""


for command in (
    events.follow, export.export, graph.graph_of_run, logs.logs, prune.prune,
    steer.answer, steer.cancel, steer.pause, steer.resume, steer.retry, steer.fork,
):  # fmt: skip
    runs.add_command(command)


@runs.command("list")
@place_options
@run_filters.filter_options
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many runs.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out so many runs first.")
@click.option("--watch", is_flag=True, help="Show the list again every two seconds, until Ctrl-C.")
@options.json_option("the runs")
def list_(
    place: Place,
    limit: int,
    offset: int,
    watch: bool,
    as_json: bool,
    **selection: Any,
) -> None:
    """List runs, newest first, and how many there are of each status."""
    if watch and as_json:
        raise click.UsageError("--watch is for people: it does not go with --json")
    with place.reading() as opened:
        which = replace(run_filters.RunSelection(**selection).to_filter(opened.runs), offset=offset)
        if as_json:
            click.echo(json.dumps([asdict(run) for run in listing.list_summaries(opened.runs, which, limit)], indent=2))
        elif watch:
            listing.watch_runs(opened.runs, which, limit)
        else:
            click.echo("\n".join(listing.table_lines(opened.runs, which, limit)))


@runs.command()
@click.argument("run")
@place_options
@options.json_option("the run with its final context")
@options.typed_option
def show(run: str, place: Place, as_json: bool, typed: bool) -> None:
    """Show one run with its tasks.  RUN is its id, the beginning or the end of it, or @last, the newest."""
    from holdwater.cli.run import result_to_json
    from holdwater.runners.tasks.results import PipelineResult, describe_activity

    with place.reading() as opened:
        found = opened.runs.show_run(run)
        items = opened.runs.report_items(found)
    result = PipelineResult(found)
    if as_json:
        shown = result_to_json(result, found.pauses, typed=typed)
        click.echo(json.dumps(shown if items is None else shown | {"items": map_texts.items_to_json(items)}, indent=2))
        return
    activity = describe_activity(found.activity) if found.status == "running" else None
    for line in _header_lines(result, activity, items):
        click.echo(line)
    for line in () if items is None else map_texts.failure_lines(items):
        click.echo(line)
    click.echo("tasks")
    for line in _task_lines(result):
        click.echo(f"  {line}")
    follow.print_tracebacks(result)
    if found.pauses:
        pause_texts.print_pauses(found.pauses)
        pause_texts.print_answer_command(found.id, found.pauses, place)
    follow.print_context(result, NO_LIMIT)


def _header_lines(result: PipelineResult, activity: str | None, items: MapReport | None) -> Iterator[str]:
    from holdwater.model.provenance import FROM_CODE

    run = result.summary
    ended = f"{format_instant(run.end_time)} after {format_duration(result.duration)}" if run.end_time else None
    rows = [
        ("run", run.run_id),
        ("workflow", f"{run.workflow_name} (structure {run.workflow_version}, code {run.code_version})"),
        ("status", _status_text(run.status, activity)),
        *_multiline_rows("error", run.error_message),
        *_multiline_rows("reason", run.reason),
        ("started", format_instant(run.start_time)),
        ("by", None if run.started_by == FROM_CODE.started_by else run.started_by),
        ("labels", " ".join(f"{key}={value}" for key, value in run.labels.items())),
        ("ended", ended),
        ("items", None if items is None else map_texts.progress_text(items)),
        ("key", run.idempotency_key),
        ("release", run.release),
        ("forked from", run.forked_from),
        ("parent", run.parent_run_id),
    ]
    return align_columns((name, truncate(value, 500)) for name, value in rows if value)


def _status_text(status: str, activity: str | None) -> str:
    """Return `Running on HOST:PID`, `Running: queued`, `Paused`."""
    if activity is None:
        return status
    is_said = activity.startswith(status.lower())
    return f"{status}{activity[len(status) :]}" if is_said else f"{status}: {activity}"


def _multiline_rows(name: str, text: str | None) -> Iterator[tuple[str, str]]:
    """Return the rows of a text that may have several lines, the first with its name."""
    for k, line in enumerate(truncate_lines(text or "")):
        yield (name if k == 0 else "", line)


def _task_lines(result: PipelineResult) -> Iterator[str]:
    tasks = result.task_results
    lines = align_columns(
        (escape_unsafe(t.task_name), t.status, format_instant(t.start_time), describe_task(t)) for t in tasks
    )
    for task, line in zip(tasks, lines, strict=True):
        yield line
        for note in task.notes:
            first, *more = truncate_lines(note, 300) or [""]
            yield f"    note: {first}"
            yield from (f"      {line}" for line in more)
