"""Layouts as data come back as they were, and are not used for another picture."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdwater.drawing.graph_layout import layout_graph
from holdwater.drawing.graph_svg import render_graph
from holdwater.drawing.layout_data import layout_from_data, layout_to_data
from holdwater.drawing.picture import Picture
from tests.drawing.pictures import looping_picture, parallel_picture


@pytest.mark.parametrize("picture", [looping_picture(), parallel_picture(30), Picture("empty")])
def test_a_layout_comes_back_from_data(picture: Picture) -> None:
    layout = layout_graph(picture)
    data = layout_to_data(layout)
    again = layout_from_data(picture, json.loads(json.dumps(data)))
    assert again is not None
    assert layout_to_data(again) == data
    assert [one.is_back for one in again.routes.values()] == [one.is_back for one in layout.routes.values()]
    assert render_graph(picture, again).count("<path") == render_graph(picture, layout).count("<path")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("size"),
        lambda data: data["boxes"].pop(),
        lambda data: data["drawn_as"].pop(),
        lambda data: data["drawn_as"].__setitem__(0, 99),
        lambda data: data["routes"].pop(),
        lambda data: data["routes"].__setitem__(0, None),
        lambda data: data["boxes"].__setitem__(0, [1, 2]),
        lambda data: data["boxes"].__setitem__(0, ["<script>", 0, 0, 0]),
        lambda data: data.update(size=7),
    ],
)
def test_a_layout_of_another_picture_is_not_used(damage: Any) -> None:
    picture = looping_picture()
    data = layout_to_data(layout_graph(picture))
    damage(data)
    assert layout_from_data(picture, data) is None
