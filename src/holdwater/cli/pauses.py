"""Texts of the open questions of a paused run, and the command that answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli.commands import format_command
from holdwater.cli.formatting import escape_unsafe, truncate
from holdwater.cli.places import Place

if TYPE_CHECKING:
    from holdwater.runs.open_pauses import Pause


def pauses_to_json(pauses: Sequence[Pause], *, typed: bool) -> list[dict[str, Any]]:
    """Convert open questions to JSON data.  `typed`: values exactly as they are stored."""
    from holdwater.model.value_types.plain_json import to_plain_json

    return [
        {
            "pause_id": pause.pause_id,
            "answer_name": pause.answer_name,
            "value": None
            if pause.question is None
            else pause.question.tree
            if typed
            else to_plain_json(pause.question.tree),
            "answer_schema": pause.answer_schema,
        }
        for pause in pauses
    ]


def print_pauses(pauses: Sequence[Pause]) -> None:
    """One line for each question."""
    from holdwater.model.schema_validation import describe_schema
    from holdwater.operations.questions import question_text

    for pause in pauses:
        shown = "" if pause.question is None else f": {escape_unsafe(question_text(pause.question, 300))}"
        kind = "" if pause.answer_schema is None else f" ({truncate(describe_schema(pause.answer_schema), 120)})"
        click.echo(f"waits for {escape_unsafe(pause.pause_id)}{kind}{shown}")


def print_answer_command(run_id: str, pauses: Sequence[Pause], place: Place, *, other_count: int = 0) -> None:
    """Print the command that answers them; it names the first question only if there are several.

    `other_count`: number of open questions of the run besides these.
    """
    which = ["--pause", pauses[0].pause_id] if len(pauses) + other_count > 1 else []
    answer = format_command("runs", "answer", run_id, *which, place=place)
    click.echo(f"  answer with `{answer} ANSWER`, in JSON or as text")
