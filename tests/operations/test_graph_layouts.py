"""Layouts are made once, by whichever thread comes first, and kept in the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.drawing.graph_layout import GraphLayout, layout_graph
from holdwater.drawing.layout_data import LAYOUT_FORMAT, layout_to_data
from holdwater.drawing.picture import Picture
from holdwater.model.time import Micros
from holdwater.operations import graph_layouts
from holdwater.operations.databases import Database, open_for_reading, open_for_writing
from holdwater.operations.graph_layouts import GraphLayouts
from tests.drawing.pictures import looping_picture, random_picture


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/runs.db"
    DefaultRunner(url).shutdown()
    return url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with open_for_writing(url) as opened:
        yield opened


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of pictures that were laid out."""
    names: list[str] = []

    def layout(picture: Picture) -> GraphLayout:
        names.append(picture.name)
        return layout_graph(picture)

    monkeypatch.setattr(graph_layouts, "layout_graph", layout)
    return names


def test_a_layout_is_made_once(database: Database, made: list[str]) -> None:
    layouts = GraphLayouts(database)
    picture = looping_picture()
    assert layouts.find(picture) is None
    first = layout_to_data(layouts.get(picture))
    assert layout_to_data(layouts.get(picture)) == first
    elsewhere = GraphLayouts(database)
    found = elsewhere.find(picture)
    assert found is not None
    assert layout_to_data(found) == first
    assert made == ["press"]


def test_threads_that_ask_at_once_wait_for_one(
    database: Database, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts, picture = GraphLayouts(database), looping_picture()
    looked = threading.Barrier(4, timeout=20)
    find: Callable[[str, Picture], GraphLayout | None] = layouts._find
    first_look = threading.local()

    def find_together(digest: str, asked: Picture) -> GraphLayout | None:
        found = find(digest, asked)
        if not getattr(first_look, "over", False):  # all have found nothing before one begins
            first_look.over = True
            looked.wait()
        return found

    monkeypatch.setattr(layouts, "_find", find_together)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: layouts.get(picture), range(4)))
    assert len({json.dumps(layout_to_data(one)) for one in found}) == 1
    assert made == ["press"]


def test_what_does_not_fit_is_made_again(database: Database, made: list[str]) -> None:
    database.store.put_layout(looping_picture().digest, LAYOUT_FORMAT, '{"size": [1, 1], "boxes": []}', Micros(1))
    assert GraphLayouts(database).get(looping_picture()).placed_boxes.keys() == looping_picture().boxes.keys()
    assert made == ["press"]


def test_a_database_that_is_only_read_does_not_keep_it(url: str, made: list[str]) -> None:
    with open_for_reading(url) as database:
        layouts = GraphLayouts(database)
        layouts.get(looping_picture())
        assert layouts.find(looping_picture()) is not None
        assert database.store.get_layout(looping_picture().digest, LAYOUT_FORMAT) is None
    assert made == ["press"]


def test_memory_is_bounded(database: Database, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [random_picture(1, count=number + 10, reach=2) for number in range(8)]
    sizes = [len(json.dumps(layout_to_data(layout_graph(one)), separators=(",", ":"))) for one in pictures]
    monkeypatch.setattr(graph_layouts, "MAX_KEPT_BYTES", sum(sizes[-3:]))
    layouts = GraphLayouts(database)
    for picture in pictures:
        layouts.get(picture)
    assert list(layouts._kept) == [picture.digest for picture in pictures[-3:]]
    layouts.get(pictures[0])  # from the database
    assert len(made) == len(pictures)
    monkeypatch.setattr(graph_layouts, "MAX_KEPT_BYTES", 1)
    layouts.get(pictures[1])
    assert list(layouts._kept) == [pictures[1].digest]
