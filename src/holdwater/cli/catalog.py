"""`holdwater workflows` and `holdwater runners`: the catalog of a database, and the runners that work on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import options
from holdwater.cli.commands import format_command
from holdwater.cli.formatting import align_columns, escape_unsafe, first_line, format_instant, pluralize, truncate
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.model.time import Micros
    from holdwater.operations import RunnerInfo, WorkflowInfo

MAX_SCHEMA_CHARS: Final = 120


@click.command()
@click.argument("name", required=False)
@place_options
@options.json_option("the workflows, or the one with its nodes and plan,")
def workflows(name: str | None, place: Place, as_json: bool) -> None:
    """List the workflows that runners of the database have announced, or show one with its inputs and nodes."""
    with place.reading() as opened:
        found = opened.catalog.list_workflows() if name is None else [opened.catalog.get_workflow(name)]
    if as_json:
        rows = [_workflow_to_json(one) for one in found]
        click.echo(json.dumps(rows if name is None else rows[0], indent=2))
    elif name is not None:
        click.echo("\n".join(_workflow_lines(found[0], place)))
    else:
        click.echo("\n".join(_table_lines(found, place)))


@click.command()
@place_options
@options.json_option("the runners")
def runners(place: Place, as_json: bool) -> None:
    """List the runners of the database: living ones, and those that died within the last hour."""
    with place.reading() as opened:
        found = opened.catalog.list_runners()
    if as_json:
        click.echo(json.dumps([_with_instants(asdict(one), "started_at", "seen_at") for one in found], indent=2))
        return
    if not found:
        start = "" if place.is_server else f"; start one: {format_command('worker', 'MODULE', place=place)}"
        click.echo(f"no runners{start}")
        return
    rows = [("NAME", "STATUS", "HOST:PID", "VERSION", "SLOTS", "SEEN", "WORKFLOWS")]
    click.echo("\n".join(align_columns([*rows, *[_runner_row(one) for one in found]])))


def _runner_row(runner: RunnerInfo) -> tuple[str, ...]:
    slots = " ".join([f"{name}:{count}" for name, count in runner.executors.items()])
    served = "its own runs only" if runner.own_runs_only else ", ".join(runner.workflows) or "none"
    return (
        truncate(runner.name, 40),
        runner.status,
        escape_unsafe(f"{runner.host}:{runner.pid}"),
        escape_unsafe(runner.version),
        truncate(slots, 40),
        _instant(runner.seen_at),
        truncate(served, 80),
    )


def _table_lines(found: Sequence[WorkflowInfo], place: Place) -> Iterator[str]:
    if not found:
        yield f"no workflows; {_announcing_command(place)}"
        return
    rows = [("WORKFLOW", "STYLE", "RUNNERS", "INPUTS", "DESCRIPTION")]
    for one in found:
        inputs = ", ".join(one.inputs_schema.get("properties", {})) or "any"
        rows.append(
            (
                truncate(one.name, 40),
                one.style or "",
                str(len(one.runners)),
                truncate(inputs, 60),
                first_line(one.description, 60),
            )
        )
    yield from align_columns(rows)


def _announcing_command(place: Place) -> str:
    if place.is_server:
        return f"a package brings its own: {format_command('package', 'upload', 'ARCHIVE', place=place)}"
    return f"a worker announces those of its modules: {format_command('worker', 'MODULE', place=place)}"


def _workflow_lines(workflow: WorkflowInfo, place: Place) -> Iterator[str]:
    rows = [
        ("workflow", f"{workflow.name} ({workflow.style}, structure {workflow.structure}, code {workflow.code})"),
        ("description", first_line(workflow.description, 300)),
        ("tags", ", ".join(workflow.tags)),
        ("announced", f"{_instant(workflow.registered_at)}, seen {_instant(workflow.seen_at)}"),
        ("runners", ", ".join(workflow.runners) or "none now"),
    ]
    yield from align_columns((title, truncate(value, 500)) for title, value in rows if value)
    yield "inputs"
    yield from (f"  {line}" for line in _input_lines(workflow))
    yield pluralize(len(workflow.nodes), "node")
    yield from (
        f"  {line}"
        for line in align_columns((truncate(n.name, 60), n.kind, first_line(n.doc or "", 80)) for n in workflow.nodes)
    )
    yield "start a run of it with"
    given = [word for name in workflow.inputs_schema.get("required", ()) for word in ("--input", f"{name}=VALUE")]
    yield f"  {format_command('submit', workflow.name, *given, place=place)}"


def _input_lines(workflow: WorkflowInfo) -> Iterator[str]:
    from holdwater.model.schema_validation import describe_schema

    schema = workflow.inputs_schema
    properties: dict[str, Any] = schema.get("properties", {})
    rows = []
    for name, one in properties.items():
        kind = describe_schema({**one, "$defs": schema.get("$defs", {})})
        default = f"default {json.dumps(one['default'])}" if "default" in one else ""
        state = "required" if name in schema.get("required", ()) else default
        rows.append((truncate(name, 60), truncate(kind, MAX_SCHEMA_CHARS), truncate(state, MAX_SCHEMA_CHARS)))
    yield from align_columns(rows)
    if schema.get("additionalProperties", True) is not False:
        yield "any other names" if rows else "any names"


def _workflow_to_json(workflow: WorkflowInfo) -> dict[str, Any]:
    row = asdict(replace(workflow, plan=None))
    row["plan"] = None if workflow.plan is None else workflow.plan.to_data()
    return _with_instants(row, "registered_at", "seen_at")


def _with_instants(row: dict[str, Any], *names: str) -> dict[str, Any]:
    from holdwater.model.time import to_rfc3339

    return {**row, **{name: to_rfc3339(row[name]) for name in names}}


def _instant(at: Micros) -> str:
    from holdwater.model.time import to_rfc3339

    return format_instant(to_rfc3339(at))
