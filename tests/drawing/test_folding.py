"""Pictures that are too large: levels with counts, and what is around one box."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from holdwater.drawing.folded_svg import bar_segments, counts_text, render_folded
from holdwater.drawing.folding import MAX_LEVELS, MAX_NEIGHBOURS, fold_levels, surroundings_of
from holdwater.drawing.graph_state import BoxState, GraphState
from holdwater.drawing.picture import Arrow, Box, Picture
from tests.drawing.pictures import looping_picture, parallel_picture, random_picture


def chain(count: int) -> Picture:
    names = [f"n{i}" for i in range(count)]
    arrows = [Arrow(one, other, "data") for one, other in pairwise(names)]
    return Picture("chain", {name: Box(name, "function") for name in names}, arrows)


def test_each_box_is_in_one_level_behind_those_it_depends_on() -> None:
    picture = random_picture(3, count=400, reach=40)
    levels = fold_levels(picture, max_levels=1000)
    level_of = {key: number for number, level in enumerate(levels) for key in level.keys}
    assert sum(len(level.keys) for level in levels) == len(level_of) == 400
    assert all(level_of[arrow.source] < level_of[arrow.target] for arrow in picture.arrows)


def test_many_levels_are_put_together() -> None:
    levels = fold_levels(chain(1000))
    assert len(levels) <= MAX_LEVELS
    assert [key for level in levels for key in level.keys] == [f"n{i}" for i in range(1000)]
    assert (levels[0].first, levels[0].last, levels[0].title) == (1, 21, "Levels 1 – 21")
    assert levels[-1].last == 1000
    assert fold_levels(Picture("empty")) == ()
    assert [level.title for level in fold_levels(chain(2))] == ["Level 1", "Level 2"]


def test_a_loop_is_folded_too() -> None:
    assert sum(len(level.keys) for level in fold_levels(looping_picture())) == len(looping_picture().boxes)


def test_counts_are_those_of_the_boxes() -> None:
    picture = parallel_picture(5000)
    state = GraphState(
        {key: BoxState("failed" if i % 100 == 0 else "completed") for i, key in enumerate(picture.boxes)}
    )
    levels = fold_levels(picture)
    counts = [level.counts(state) for level in levels]
    assert [sum(found.values()) for found in counts] == [1, 5000, 1]
    assert sum(found.get("failed", 0) for found in counts) == state.counts()["failed"] == 51
    assert counts_text(counts[1]) == "50 failed, 4,950 completed"
    root = ElementTree.fromstring(render_folded(levels, counts, selected=1, link=lambda index: f"?level={index + 1}"))
    boxes = [one for one in root.iter() if "data-level" in one.attrib]
    assert [one.attrib["href"] for one in boxes] == ["?level=1", "?level=2", "?level=3"]
    assert ["selected" in one.attrib["class"] for one in boxes] == [False, True, False]
    assert [one.text for one in boxes[1].iter() if one.tag.endswith("text")] == [
        "Level 2", "5,000", "50 failed, 4,950 completed",
    ]  # fmt: skip


def test_what_is_there_at_all_can_be_seen_in_the_bar() -> None:
    segments = list(bar_segments({"failed": 1, "completed": 9999}, 100))
    assert [mark for mark, _, _ in segments] == ["completed", "failed"]
    assert segments[1][2] >= 2
    assert segments[1][1] + segments[1][2] == pytest.approx(100)
    assert list(bar_segments({}, 100)) == []


def test_a_folded_picture_keeps_a_strict_content_security_policy() -> None:
    levels = fold_levels(chain(300))
    source = render_folded(levels, [{"running": 1} for _ in levels], name='"><script>')
    assert not re.search(r"<style|\sstyle=|<script|\son\w+=|url\(", source)
    ElementTree.fromstring(source)


def test_surroundings_are_two_arrows_away() -> None:
    found = surroundings_of(chain(100), "n50")
    assert list(found.picture.boxes) == ["n48", "n49", "n50", "n51", "n52"]
    assert [(one.source, one.target) for one in found.picture.arrows] == [
        ("n48", "n49"), ("n49", "n50"), ("n50", "n51"), ("n51", "n52"),
    ]  # fmt: skip
    assert found.hidden == 0


def test_surroundings_are_bounded() -> None:
    found = surroundings_of(parallel_picture(5000), "split")
    assert len(found.picture.boxes) == MAX_NEIGHBOURS
    assert "split" in found.picture.boxes
    assert found.hidden == 5001 - MAX_NEIGHBOURS + 1
    with pytest.raises(KeyError):
        surroundings_of(chain(3), "unknown")
