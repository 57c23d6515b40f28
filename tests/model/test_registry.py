"""The registry of definitions."""

from __future__ import annotations

from typing import Any, cast

import pytest

from holdwater.errors import WorkflowNotFound
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry


class FakeDefinition:
    def __init__(self, name: str) -> None:
        self.plan = Plan(name, (PlanNode("x"),))


def fake_definition(name: str) -> WorkflowDefinition:
    return cast(WorkflowDefinition, FakeDefinition(name))


def test_register_find_and_forget() -> None:
    r = Registry()
    b, a = fake_definition("b"), fake_definition("a")
    r.register(b)
    r.register(a)
    r.register(a, "alias")
    assert r.names() == ("a", "alias", "b")
    assert r.get("a") is r.get("alias") is r.find("a") is a
    again = fake_definition("a")
    r.register(again)
    assert r.get("a") is again
    r.unregister("a")
    r.unregister("a")
    assert r.find("a") is None


@pytest.mark.parametrize(
    ("names", "wanted", "says"),
    [
        (["daily_report", "other"], "daily_reprot", "did you mean 'daily_report'"),
        (["alpha"], "zzz", "knows 'alpha'"),
        ([], "zzz", "no workflow yet"),
    ],
)
def test_not_found_helps(names: list[str], wanted: str, says: str) -> None:
    r = Registry()
    for name in names:
        r.register(fake_definition(name))
    with pytest.raises(WorkflowNotFound, match=says) as caught:
        r.get(wanted)
    assert isinstance(caught.value, ValueError)
    assert wanted in str(caught.value)


def test_listeners_hear_every_registration_until_they_stop() -> None:
    r = Registry()
    heard: list[Any] = []
    r.register(fake_definition("before"))
    stop = r.add_listener(lambda name, program: heard.append((name, r.find(name) is program)))
    r.register(fake_definition("a"))
    r.register(fake_definition("b"), "c")
    stop()
    stop()
    r.register(fake_definition("d"))
    assert heard == [("a", True), ("c", True)]
