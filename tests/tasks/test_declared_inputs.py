"""`WorkflowBuilder.inputs`: the keys of the initial context, declared with their types."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, Required, TypedDict

import pytest

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.errors import InputError, MissingInputError, WorkflowError
from holdwater.model.registry import registry
from holdwater.operations import get_workflow, open_for_control, start_by_name
from holdwater.operations.databases import Database


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Part:
    name: str
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("less than none")


class Inputs(TypedDict):
    day: dt.date
    part: Part
    size: NotRequired[Size]


class Partial(TypedDict, total=False):
    day: Required[dt.date]
    limit: int | None


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    yield f"sqlite:///{tmp_path}/runs.db"
    registry.unregister("typed")


def define(*declared: Any, **annotations: Any) -> None:
    with WorkflowBuilder("typed").inputs(*declared, **annotations):

        @task()
        def show(context: Context) -> None:
            context["seen"] = repr([context.get(name) for name in ("day", "part", "size")])


GIVEN = {"day": "2026-01-02", "part": {"name": "a"}}


@pytest.mark.parametrize("by_keywords", [False, True])
def test_a_run_without_the_code_gets_values_of_the_declared_types(url: str, by_keywords: bool) -> None:
    if by_keywords:
        define(day=dt.date, part=Part, size=NotRequired[Size])
    else:
        define(Inputs)
    with DefaultRunner(url) as runner:
        runner.announce()
        info = get_workflow(Database.of(runner._engine), "typed")
        assert info.inputs_schema["required"] == ["day", "part"]
        assert info.inputs_schema["properties"]["size"] == {"enum": ["small", "large"]}
        assert "additionalProperties" not in info.inputs_schema
        with open_for_control(url) as engine:
            run_id = start_by_name(engine, "typed", {**GIVEN, "size": "large", "more": 1}).info.id
            for wrong in (
                {"day": "soon", "part": {"name": "a"}},
                {**GIVEN, "part": {"nme": "a"}},
                {**GIVEN, "size": 1},
            ):
                with pytest.raises(InputError):
                    start_by_name(engine, "typed", wrong)
            with pytest.raises(MissingInputError, match="needs 'part'"):
                start_by_name(engine, "typed", {"day": "2026-01-02"})
        result = runner.handle(run_id).result(20)
        assert result.final_context["seen"] == repr([dt.date(2026, 1, 2), Part("a"), Size.LARGE])
        assert result.final_context["more"] == 1


def test_with_the_code_what_is_missing_is_refused_and_values_are_the_callers(url: str) -> None:
    define(Partial)
    with DefaultRunner(url) as runner:
        with pytest.raises(MissingInputError, match="needs 'day'") as raised:
            runner.submit("typed", {"limit": 1})
        assert raised.value.missing == ("day",)
        assert runner.execute("typed", {"day": "as it is"}).final_context["seen"] == "['as it is', None, None]"


def test_what_only_the_constructor_refuses_fails_where_it_is_read(url: str) -> None:
    define(Inputs)
    wrong = {**GIVEN, "part": {"name": "a", "count": -1}}
    with DefaultRunner(url) as runner:
        runner.announce()
        with pytest.raises(InputError, match="less than none"):
            start_by_name(runner._engine, "typed", wrong)
        with open_for_control(url) as engine:
            run_id = start_by_name(engine, "typed", wrong).info.id
        result = runner.handle(run_id).result(20)
        assert (result.status, "less than none" in (result.error_message or "")) == ("Failed", True)
        assert result.to_plain_context()["part"] == {"name": "a", "count": -1}


@pytest.mark.parametrize("declared", [(), (dict,), (Part,), ("day",)])
def test_what_declares_nothing(declared: tuple[Any, ...]) -> None:
    with pytest.raises(WorkflowError, match="declared by a TypedDict or by keywords"):
        WorkflowBuilder("w").inputs(*declared)
    with pytest.raises(WorkflowError):
        WorkflowBuilder("w").inputs(Inputs, day=dt.date)
