"""The graph tab: what is drawn, folded or laid out later, and what its script is told."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from holdwater import DefaultRunner
from holdwater.drawing.plan_pictures import picture_of
from holdwater.operations.databases import Database
from holdwater.operations.graph_layouts import GraphLayouts
from holdwater.server import graph_pictures
from holdwater.server.graph_pictures import PictureRequest, draw
from holdwater.server.pages.run.graph import GraphTab, build_graph_tab
from holdwater.server.pages.run.query import PageLinks
from tests.server.pages.run.conftest import Show, fails_first
from tests.suite.runners import Define

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def layouts(runner: DefaultRunner) -> GraphLayouts:
    return GraphLayouts(Database.of(runner._engine))


def define_tree(define: Define) -> str:
    """a, behind it b and c, of which c fails, and d behind both."""
    return define(
        "w", ("a", fails_first(0), {}), ("b", fails_first(0), {"dependencies": ["a"]}),
        (HOSTILE, fails_first(9), {"dependencies": ["a"], "retry_attempts": 1}),
        ("d", fails_first(0), {"dependencies": ["b", HOSTILE]}),
    )  # fmt: skip


def links_to(node: str | None = None, **options: str) -> PageLinks:
    return PageLinks("/ui/public/runs/r1", "graph", node, options)


def states_of(tab: GraphTab) -> dict[str, Any]:
    states: dict[str, Any] = json.loads(tab.picture.states)
    return states


def test_a_picture_with_links_and_states(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts
) -> None:
    shown = show(runner.execute(define_tree(define)).run_id)
    tab = build_graph_tab(shown, links_to(HOSTILE), layouts)
    assert (tab.picture.mode, tab.picture.boxes) == ("drawn", 4)
    assert tab.counts == (("failed", 1), ("completed", 2), ("skipped", 1))
    root = ElementTree.fromstring(tab.picture.svg)
    nodes = [one for one in root.iter() if "data-node" in one.attrib]
    assert [one.attrib["data-node"] for one in nodes] == ["a", "b", HOSTILE, "d"]
    assert nodes[0].attrib["href"] == "?node=a"
    assert ["related" in one.attrib["class"].split() for one in nodes] == [True, False, True, True]
    states = states_of(tab)
    assert states["selected"] == HOSTILE
    assert [state[0] for state in states["nodes"]] == ["completed", "completed", "failed", "skipped"]
    assert "ValueError: 8 more" in states["nodes"][2][2]
    assert "<" not in tab.picture.states
    assert not re.search("[&>]", tab.picture.states)


def test_an_update_has_the_states_only(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts
) -> None:
    shown = show(runner.execute(define_tree(define)).run_id)
    tab = build_graph_tab(shown, links_to("a"), layouts, states_only=True)
    assert tab.picture.svg == ""
    assert states_of(tab) == states_of(build_graph_tab(shown, links_to("a"), layouts))


def test_a_node_that_is_not_there_is_not_selected(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts
) -> None:
    shown = show(runner.execute(define_tree(define)).run_id)
    tab = build_graph_tab(shown, links_to("unknown"), layouts)
    assert states_of(tab)["selected"] is None
    assert "has-selection" not in tab.picture.svg


def test_the_table_says_what_is_before_and_behind(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts
) -> None:
    tab = build_graph_tab(show(runner.execute(define_tree(define)).run_id), links_to(), layouts)
    assert [(row.name, row.mark, row.before, row.behind) for row in tab.rows] == [
        ("a", "completed", (), ("b", HOSTILE)), ("b", "completed", ("a",), ("d",)),
        (HOSTILE, "failed", ("a",), ("d",)), ("d", "skipped", ("b", HOSTILE), ()),
    ]  # fmt: skip
    assert tab.more_rows == 0


def test_a_large_picture_is_laid_out_when_it_is_asked_for(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_pictures, "MAX_BOXES_AT_ONCE", 3)
    shown = show(runner.execute(define_tree(define)).run_id)
    assert build_graph_tab(shown, links_to(), layouts).picture.mode == "laying out"
    assert build_graph_tab(shown, links_to(full="1"), layouts).picture.mode == "drawn"
    assert build_graph_tab(shown, links_to(), layouts).picture.mode == "drawn"  # it is kept


def test_the_largest_pictures_are_folded(
    runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_pictures, "MAX_DRAWN_BOXES", 3)
    shown = show(runner.execute(define_tree(define)).run_id)
    tab = build_graph_tab(shown, links_to(), layouts)
    assert tab.picture.mode == "folded"
    assert [level.keys for level in tab.picture.levels] == [("a",), ("b", HOSTILE), ("d",)]
    root = ElementTree.fromstring(tab.picture.svg)
    said = [one.text for one in root.iter() if one.attrib.get("class") == "about"]
    assert said == ["1 completed", "1 failed, 1 completed", "1 skipped"]
    assert tab.picture.around == ""
    assert [row.mark for row in tab.rows] == ["failed", "completed", "completed", "skipped"]
    chosen = build_graph_tab(shown, links_to("b", level="2"), layouts)
    assert [row.name for row in chosen.rows] == [HOSTILE, "b"]
    assert chosen.level is not None
    assert 'class="node level selected" data-level="1"' in chosen.picture.svg
    around = ElementTree.fromstring(chosen.picture.around)
    assert [one.attrib["data-node"] for one in around.iter() if "data-node" in one.attrib] == ["a", "b", HOSTILE, "d"]


@pytest.mark.parametrize("level", ["0", "-1", "99", "x", "9" * 30, "٣"])
def test_a_level_that_is_not_there(
    runner: DefaultRunner,
    define: Define,
    show: Show,
    layouts: GraphLayouts,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
) -> None:
    monkeypatch.setattr(graph_pictures, "MAX_DRAWN_BOXES", 3)
    tab = build_graph_tab(show(runner.execute(define_tree(define)).run_id), links_to(level=level), layouts)
    assert tab.level is None
    assert len(tab.rows) == 4


def test_a_workflow_has_no_states(runner: DefaultRunner, define: Define, show: Show, layouts: GraphLayouts) -> None:
    shown = show(runner.execute(define_tree(define)).run_id)
    plan = shown.view.plan
    drawn = draw(layouts, PictureRequest(picture_of(plan)))
    assert json.loads(drawn.states) == {"selected": None}
    assert "state-" not in drawn.svg
