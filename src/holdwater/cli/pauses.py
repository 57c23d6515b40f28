"""What a paused run asks, and how to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli.commands import command
from holdwater.cli.formatting import clean, short

if TYPE_CHECKING:
    from holdwater.runs.pauses import Pause


def as_data(pauses: Sequence[Pause], *, typed: bool) -> list[dict[str, Any]]:
    """The open questions as JSON data.  `typed`: values exactly as they are stored."""
    from holdwater.model.value_types.plain_json import as_json

    return [
        {
            "pause_id": pause.pause_id,
            "answer_name": pause.answer_name,
            "value": None if pause.question is None else pause.question.tree if typed else as_json(pause.question.tree),
            "answer_schema": pause.answer_schema,
        }
        for pause in pauses
    ]


def say(pauses: Sequence[Pause]) -> None:
    """One line for each question."""
    from holdwater.model.json_schema import summary
    from holdwater.model.value_types.display import as_text

    for pause in pauses:
        shown = "" if pause.question is None else f": {clean(as_text(pause.question.tree, 300))}"
        kind = "" if pause.answer_schema is None else f" ({short(summary(pause.answer_schema), 120)})"
        click.echo(f"waits for {clean(pause.pause_id)}{kind}{shown}")


def say_how_to_answer(run_id: str, pauses: Sequence[Pause], database: str) -> None:
    """The command that answers them; which question is to be said only where there are several."""
    which = ["--pause", pauses[0].pause_id] if len(pauses) > 1 else []
    answer = command("runs", "answer", run_id, *which, database=database)
    click.echo(f"  answer with `{answer} ANSWER`, in JSON or as text")
