"""Values that people edit before a fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import DecodingError, InvalidArgument, TaskNotFound
from holdwater.operations import edited_values
from holdwater.operations.edited_values import editable_values, find_edits, values_from_json
from holdwater.runs.view import RunView
from tests.suite.runners import Define, define

__all__ = ["define"]


@pytest.fixture
def view(tmp_path: Path, define: Define) -> RunView:
    def load(context: Any) -> None:
        context["pair"] = (1, 2)
        context["large"] = "x" * 100_000

    def use(context: Any) -> None:
        pass

    define("w", ("load", load, {}), ("use", use, {"dependencies": ["load"]}))
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as runner:
        return runner._engine.reader.view(runner.execute("w", {"who": "Ada", "n": 1}).run_id)


def test_values_as_a_task_sees_them(view: RunView) -> None:
    found = editable_values(view, "use")
    assert dict(found.trees) == {"who": "Ada", "n": 1, "pair": {"$t": "tuple", "v": [1, 2]}}
    assert found.left_out == ("large",)
    assert dict(editable_values(view, "load").trees) == {"who": "Ada", "n": 1}
    with pytest.raises(TaskNotFound):
        editable_values(view, "none")


def test_no_more_than_so_many_bytes_together(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edited_values, "MAX_TOTAL_BYTES", 5)
    assert editable_values(view, "load").left_out == ("n",)


def test_what_was_left_as_it_is_is_no_edit(view: RunView) -> None:
    trees = editable_values(view, "use").trees
    assert find_edits(view, "use", trees, list(trees)).is_empty


def test_changes_additions_and_removals(view: RunView) -> None:
    edited = {"n": 1.0, "pair": {"$t": "tuple", "v": [1, 2]}, "new": {"$t": "decimal", "v": "9.50"}}
    edits = find_edits(view, "use", edited, ["who", "n", "pair"])
    assert (sorted(edits.values), edits.removed) == (["n", "new"], ("who",))
    assert str(edits.values["new"]) == "9.50"
    assert type(edits.values["n"]) is float


@pytest.mark.parametrize("tag", ["dataclass", "pydantic", "enum", "namedtuple"])
def test_no_class_is_looked_up(tag: str) -> None:
    with pytest.raises(InvalidArgument, match="antigravity:Up"):
        values_from_json({"a": [{"$t": tag, "c": "antigravity:Up", "v": {}}]})


def test_tags_that_are_none() -> None:
    with pytest.raises(DecodingError):
        values_from_json({"a": {"$t": "nonsense"}})
