from __future__ import annotations

import unicodedata
from typing import get_args
from xml.etree import ElementTree

import pytest

from holdwater.drawing.marks import MARKS, RUN_MARKS, MarkName, character_of, mark_icon, mark_of_run, mark_symbols
from holdwater.model.statuses import RunStatus
from holdwater.runs.activity import ActivityState

SVG = "{http://www.w3.org/2000/svg}"


def test_no_two_states_share_a_word_a_shape_or_a_character() -> None:
    for field in ("name", "word", "shape", "character", "ascii"):
        assert len({getattr(mark, field) for mark in MARKS.values()}) == len(get_args(MarkName))


def test_characters_take_one_cell_of_a_terminal() -> None:
    for mark in MARKS.values():
        assert len(mark.character) == len(mark.ascii) == 1
        assert unicodedata.east_asian_width(mark.character) not in "WF"
        assert not unicodedata.combining(mark.character)
        assert mark.ascii.isascii()


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "✓"), ("ascii", "+"), ("latin-1", "+"), (None, "+"), ("no-such-encoding", "+")]
)
def test_a_terminal_that_lacks_a_character_gets_another(encoding: str | None, shown: str) -> None:
    assert character_of("completed", encoding) == shown


def test_every_status_and_activity_of_a_run_has_a_mark() -> None:
    assert set(RUN_MARKS) == {str(status) for status in RunStatus} | set(get_args(ActivityState))
    assert mark_of_run(RunStatus.FAILED).word == "Failed"
    assert mark_of_run("waiting for child runs").name == "running"


def test_icons_use_the_symbols_of_their_document() -> None:
    root = ElementTree.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{mark_symbols()}</svg>')
    symbols = [symbol.attrib["id"] for symbol in root.iter(f"{SVG}symbol")]
    assert symbols == [f"mark-{name}" for name in MARKS]
    for name in MARKS:
        assert ElementTree.fromstring(mark_icon(name))[-1].attrib["href"] == f"#mark-{name}"


def test_an_icon_alone_says_its_word() -> None:
    assert ElementTree.fromstring(mark_icon("orphaned", titled=True)).attrib["aria-label"] == "Orphaned"
    assert ElementTree.fromstring(mark_icon("orphaned")).attrib["aria-hidden"] == "true"
