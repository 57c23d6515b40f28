"""Pieces that are written become lines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.model.logs import MAX_LINE_CHARS
from holdwater.runtime.logs.line_assembly import LineAssembler


def lines_of(*pieces: str) -> list[str]:
    assembler = LineAssembler()
    lines = [line for piece in pieces for line in assembler.feed(piece)]
    return lines + assembler.finish()


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([""], []),
        (["a", "b\nc", "\n"], ["ab", "c"]),
        (["a\n\nb"], ["a", "", "b"]),
        (["a\r\nb\r\n"], ["a", "b"]),
        (["a\r", "\nb"], ["a", "b"]),
        (["a\r", "", "b"], ["b"]),
        (["\r 10%", "\r 90%", "\r100%\n", "done\n"], ["100%", "done"]),
        (["a\rb\rc\n"], ["c"]),
        (["a\r\r\n"], ["a"]),
        (["abc\rd\r"], ["d"]),
        (["\r", "x\n"], ["x"]),
    ],
)
def test_lines(pieces: list[str], lines: list[str]) -> None:
    assert lines_of(*pieces) == lines


def test_a_huge_line_loses_its_end() -> None:
    (line, after) = lines_of(*["x" * 7_000] * 10, "\n", "y")
    assert line == "x" * MAX_LINE_CHARS + " ... 54,000 characters left out"
    assert after == "y"


def test_a_progress_bar_without_end_is_no_huge_line() -> None:
    assert lines_of(*[f"\r{k:5} of 9999" for k in range(10_000)]) == [" 9999 of 9999"]


@given(st.text(st.sampled_from("ab\r\n")), st.lists(st.integers(0, 20)))
def test_it_does_not_matter_how_a_text_is_cut_into_pieces(text: str, cuts: list[int]) -> None:
    at = sorted({0, len(text), *[cut for cut in cuts if cut < len(text)]})
    assert lines_of(*[text[i:j] for i, j in itertools.pairwise(at)]) == lines_of(text)
