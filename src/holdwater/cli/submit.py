"""`holdwater submit`: a run by the name of its workflow, executed by whichever runner has that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import context_arguments, exit_codes, follow, live_view, options
from holdwater.cli.commands import format_command
from holdwater.cli.formatting import escape_unsafe
from holdwater.cli.idle_notice import IdleNotice
from holdwater.cli.label_arguments import parse_labels
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.operations import WorkflowInfo
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle

_MAX_TIMEOUT_SECONDS: Final = 3_155_760_000


@click.command()
@click.argument("workflow", metavar="NAME")
@click.option("--input", "given", metavar="NAME=VALUE", multiple=True, help="One input, JSON or text; may be repeated.")
@click.option("--inputs", "context", metavar="JSON|FILE|-", help="All inputs: a JSON object, a file, or stdin.")
@place_options
@click.option("--key", metavar="KEY", help="Idempotency key: with one that a run has already, that run is shown.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="A label of the run; may be repeated.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, _MAX_TIMEOUT_SECONDS, min_open=True),
    default=3600.0,
    help="The run fails if it takes longer (default: 1 h).",
)
@click.option("--wait", is_flag=True, help="Watch the run to its end; the exit code says how it ended.")
@options.json_option("the run")
def submit(
    workflow: str,
    given: tuple[str, ...],
    context: str | None,
    place: Place,
    key: str | None,
    labels: tuple[str, ...],
    timeout: float,
    wait: bool,
    as_json: bool,
) -> int:
    """Start a run of a workflow that a runner of the database has announced; nothing is executed here.

    NAME is that of the workflow; `holdwater workflows` lists them, and `holdwater workflows NAME` shows the inputs.
    """
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle

    with place.controlling() as opened:
        described = opened.catalog.get_workflow(workflow)
        inputs = _parse_inputs(described, context, given)
        started = opened.runs.start(
            workflow, inputs, idempotency_key=key, labels=parse_labels(labels) or None, timeout_seconds=timeout
        )
        handle = WorkflowHandle.of(opened, opened.runs, started)
        if not as_json:
            earlier = "" if handle.is_new else ", an earlier run with this key"
            click.echo(f"run {escape_unsafe(handle.run_id)} of {escape_unsafe(workflow)}{earlier}")
        try:
            if wait:
                return _watch(handle, place, as_json, IdleNotice(opened.runs, handle.run_id, place))
            if as_json:
                click.echo(json.dumps(handle.info().to_dict(), indent=2))
            elif not handle.done():
                _print_next_step(handle, described, place)
        except KeyboardInterrupt:
            followed = format_command("runs", "follow", handle.run_id, place=place)
            click.echo(f"\nthe run goes on; watch it with `{followed}`", err=True)
            return exit_codes.INTERRUPTED
    return exit_codes.COMPLETED


def _parse_inputs(workflow: WorkflowInfo, context: str | None, given: tuple[str, ...]) -> dict[str, Any]:
    """Parse the inputs: those of `--inputs`, and over them each `--input`, as its schema asks for.

    Raises CommandError, UsageError.
    """
    from holdwater.model.schema_validation import parse_user_input

    inputs: dict[str, Any] = {}
    if context is not None:
        inputs = context_arguments.read_json_object("--inputs", context)
    properties: dict[str, Any] = workflow.inputs_schema.get("properties", {})
    definitions = workflow.inputs_schema.get("$defs", {})
    for one in given:
        name, found, text = one.partition("=")
        if not found or not name:
            raise click.UsageError(f"--input {one}: write NAME=VALUE")
        inputs[name] = parse_user_input(text, {**properties.get(name, {}), "$defs": definitions})
    return inputs


def _watch(handle: WorkflowHandle, place: Place, as_json: bool, idle_notice: IdleNotice) -> int:
    """Show the run to its end or its question."""
    from holdwater.cli.run import result_to_json

    with live_view.SilentView() if as_json else live_view.choose_view() as shown:
        result = follow.watch_run(handle, shown, place, idle_notice)
    pauses = handle.pauses() if result.status == "Paused" else []
    if as_json:
        click.echo(json.dumps(result_to_json(result, pauses, typed=False), indent=2))
    else:
        follow.print_outcome(result, pauses, place, format_command("runs", "resume", handle.run_id, place=place))
        follow.print_traceback_hint(result, place)
        follow.print_context(result)
    return exit_codes.CODES_BY_STATUS.get(result.status, exit_codes.INTERNAL)


def _print_next_step(handle: WorkflowHandle, workflow: WorkflowInfo, place: Place) -> None:
    """Say which runners take it, or that there is none."""
    shown = format_command("runs", "follow", handle.run_id, place=place)
    if workflow.runners:
        who = escape_unsafe(", ".join(workflow.runners[:5]))
        click.echo(f"  it is executed by {who}; watch it with `{shown}`")
        return
    click.echo("  no runner has this workflow now: it waits for one")
    if place.is_server:
        return
    click.echo(f"    {format_command('worker', 'MODULE', place=place)}")
