"""`holdwater bulk`: the same is done to many runs, by jobs that survive the process that executes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import exit_codes, options, run_filters
from holdwater.cli.commands import format_command
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, pluralize, truncate
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.client.interface.runs import ReadableRuns
    from holdwater.model.bulk_jobs import BulkJob
    from holdwater.operations.bulk_jobs import SelectedRuns

VERBS: Final = ("cancel", "pause", "resume", "retry", "forget")
_json_option = options.json_option("the job")
_job_argument: Callable[[Any], Any] = click.argument("job")


@click.group()
def bulk() -> None:
    """Do the same to many runs, and see how far it is."""


@bulk.command()
@click.argument("verb", type=click.Choice(VERBS))
@run_filters.filter_options
@click.option("--run", "runs", metavar="ID", multiple=True, help="These runs, in the place of a filter; repeatable.")
@click.option("--all", "all_runs", is_flag=True, help="All top-level runs, in the place of a filter.")
@click.option("--reason", metavar="TEXT", default="", help="Recorded with each run.")
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a job has already, that job goes on.")
@click.option("--preview", is_flag=True, help="Count the runs, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@place_options
@_json_option
def start(
    verb: str,
    runs: tuple[str, ...],
    all_runs: bool,
    reason: str,
    key: str | None,
    preview: bool,
    yes: bool,
    place: Place,
    as_json: bool,
    **selection: Any,
) -> int:
    """Cancel, pause, resume, retry or forget (delete) the runs that match now, 100,000 at most.

    A run that it does not fit is left as it is.  If this command is interrupted, `holdwater bulk resume` does the rest.
    """
    given = [bool(runs), all_runs, any(selection.values())]
    if sum(given) != 1:
        raise click.UsageError("select runs by filters, or by --run, or --all")
    with place.controlling() as opened:
        chosen = _select(opened.runs, runs, selection)
        if preview or not (yes or as_json):
            counts = {status: str(count) for status, count in opened.bulk_jobs.preview(chosen).items()}
            if preview:
                click.echo(json.dumps(counts) if as_json else _describe_counts(counts))
                return exit_codes.COMPLETED
            click.confirm(f"{verb} these runs: {_describe_counts(counts)}?", abort=True)
        job = opened.bulk_jobs.create(verb, chosen, reason, idempotency_key=key)  # type: ignore[arg-type]
        if not as_json:
            resume_command = format_command("bulk", "resume", job.id, place=place)
            click.echo(f"bulk job {job.id}; if it is interrupted: `{resume_command}`", err=True)
        if job.state == "running":
            job = opened.bulk_jobs.execute(job.id, None if as_json else _show_progress)
    return _show_result(job, as_json)


def _select(opened: ReadableRuns, runs: tuple[str, ...], selection: dict[str, Any]) -> SelectedRuns:
    from holdwater.operations.bulk_jobs import SelectedRuns

    if runs:
        return SelectedRuns(tuple([opened.find_run(one).id for one in runs]))
    return SelectedRuns(which=run_filters.RunSelection(**selection).to_filter(opened))


def _describe_counts(counts: dict[str, str]) -> str:
    return ", ".join([f"{count} {status}" for status, count in counts.items()]) or "no run"


def _show_progress(job: BulkJob) -> None:
    click.echo(f"\r{job.done_count + job.refused_count:,} of {job.matched_count:,}", nl=not job.left_count, err=True)


def _show_result(job: BulkJob, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(_to_json(job), indent=2))
    else:
        click.echo("\n".join(_lines(job)))
    return exit_codes.COMPLETED if job.state == "completed" else exit_codes.STOPPED


def _to_json(job: BulkJob) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(job).items() if name not in ("digest", "owner", "lease_until")}
    return facts | {
        "created_at": to_rfc3339(job.created_at),
        "ended_at": None if job.ended_at is None else to_rfc3339(job.ended_at),
    }


def _lines(job: BulkJob) -> list[str]:
    lines = [
        f"bulk job {job.id} ({job.verb}) is {job.state}: {pluralize(job.done_count, 'run')} of {job.matched_count:,}"
    ]
    if job.refused_count:
        lines.append(f"  {pluralize(job.refused_count, 'run')} left as they were:")
        lines += [f"    {escape_unsafe(run_id)}: {truncate(why, 200)}" for run_id, why in job.refusals.items()]
    if job.has_more:
        lines.append("  more runs match than one job takes: start another one for the rest")
    return lines


@bulk.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many jobs.")
@place_options
@options.json_option("the jobs")
def list_(limit: int, place: Place, as_json: bool) -> None:
    """List bulk jobs, the newest first."""
    with place.reading() as opened:
        jobs = opened.bulk_jobs.list(limit)
    if as_json:
        click.echo(json.dumps([_to_json(job) for job in jobs], indent=2))
        return
    rows = [
        (job.id, job.verb, job.state, f"{job.done_count:,} of {job.matched_count:,}", job.by, truncate(job.reason, 60))
        for job in jobs
    ]
    for job, line in zip(jobs, align_columns(rows), strict=True):
        click.echo(f"{format_instant(to_rfc3339(job.created_at))}  {escape_unsafe(line)}")


@bulk.command()
@_job_argument
@place_options
@_json_option
def show(job: str, place: Place, as_json: bool) -> None:
    """Show how far a bulk job is, and which runs it has left as they were."""
    with place.reading() as opened:
        _show_result(opened.bulk_jobs.get(job), as_json)


@bulk.command()
@_job_argument
@place_options
@_json_option
def resume(job: str, place: Place, as_json: bool) -> int:
    """Go on with a bulk job whose process died; what it has done is not done again."""
    with place.controlling() as opened:
        done = opened.bulk_jobs.execute(job, None if as_json else _show_progress)
    return _show_result(done, as_json)


@bulk.command()
@_job_argument
@place_options
@_json_option
def stop(job: str, place: Place, as_json: bool) -> None:
    """Stop a bulk job; what it has done stays."""
    with place.writing() as opened:
        _show_result(opened.bulk_jobs.stop(job), as_json)
