"""`holdwater questions`: what the runs of a database wait for people to answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options
from holdwater.cli.commands import format_command
from holdwater.cli.formatting import align_columns, escape_unsafe, format_duration, pluralize, short_id, truncate
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.time import wall_now

if TYPE_CHECKING:
    from holdwater.model.time import Micros
    from holdwater.operations.questions import OpenQuestion


@click.command()
@place_options
@click.option("--oldest", is_flag=True, help="The question that waits longest first.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many questions.")
@options.json_option("the questions")
@options.typed_option
def questions(place: Place, oldest: bool, limit: int, as_json: bool, typed: bool) -> None:
    """List the open questions of all runs, the newest first.  `holdwater runs answer` answers one."""
    with place.reading() as opened:
        found = opened.questions.list_questions(limit=limit, newest_first=not oldest)
        total = opened.questions.count_questions()
    now = wall_now()
    if as_json:
        click.echo(json.dumps([_to_json(question, typed=typed) for question in found], indent=2))
        return
    if not found:
        click.echo("no questions")
        return
    rows = [("RUN", "WORKFLOW", "QUESTION", "WAITS", "ASKS", "ANSWER")]
    for line in align_columns(rows + [_row(question, now) for question in found]):
        click.echo(line)
    shown = f", {len(found):,} shown" if total.has_more or total.count > len(found) else ""
    click.echo(f"{'more than ' if total.has_more else ''}{pluralize(total.count, 'question')}{shown}")
    command = format_command("runs", "answer", "RUN", "--pause", "QUESTION", "ANSWER", place=place)
    click.echo(f"answer with `{command}`, in JSON or as text")


def _row(question: OpenQuestion, now: Micros) -> tuple[str, ...]:
    from holdwater.model.schema_validation import describe_schema
    from holdwater.operations.questions import question_text

    asked = question_text(question.question, 60)
    return (
        short_id(question.run_id),
        truncate(question.workflow, 40),
        escape_unsafe(question.pause_id),
        format_duration(max(0, now - question.since) / 1e6),
        truncate(f"cannot be read: {question.problem}" if question.problem else asked, 60),
        "anything" if question.answer_schema is None else truncate(describe_schema(question.answer_schema), 40),
    )


def _to_json(question: OpenQuestion, *, typed: bool) -> dict[str, Any]:
    from holdwater.model.time import to_rfc3339
    from holdwater.model.value_types.plain_json import to_plain_json

    tree = None if question.question is None else question.question.tree
    return {
        "run_id": question.run_id,
        "workflow_name": question.workflow,
        "pause_id": question.pause_id,
        "answer_name": question.answer_name,
        "asking_run_id": question.asking_run_id,
        "node": question.node,
        "value": tree if typed else to_plain_json(tree),
        "answer_schema": question.answer_schema,
        "since": to_rfc3339(question.since),
        "problem": question.problem or None,
    }
