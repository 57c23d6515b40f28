"""The registry of definitions."""

from __future__ import annotations

from typing import Any, cast

import pytest

from holdwater.errors import ReleaseNotFound, WorkflowError, WorkflowNotFound
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.registry import Registry, registry
from holdwater.model.triggers import triggers

ONE, TWO = "1" * 16, "2" * 16


class FakeDefinition:
    def __init__(self, name: str, release: str | None, children: tuple[str, ...]) -> None:
        self.plan = Plan(name, (PlanNode("x"),))
        self.release = release
        self._children = {i: FakeDefinition(child, release, ()) for i, child in enumerate(children)}

    def child_definitions(self) -> dict[int, FakeDefinition]:
        return self._children


def fake_definition(name: str, release: str | None = None, children: tuple[str, ...] = ()) -> WorkflowDefinition:
    return cast(WorkflowDefinition, FakeDefinition(name, release, children))


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


# -- releases


def test_a_name_leads_to_the_active_release_and_a_claim_key_to_its_own() -> None:
    r = Registry()
    old, new = fake_definition("orders", ONE), fake_definition("orders", TWO)
    r.register_release(ONE, [old, fake_definition("gone", ONE)])
    assert (r.find("orders"), r.startable_names()) == (None, ()), "it is not active"
    assert r.find(f"orders@{ONE}") is r.find_in_release("orders", ONE) is old
    assert r.executable_names() == (f"orders@{ONE}", f"gone@{ONE}")
    r.activate(ONE)
    assert (r.find("orders"), set(r.startable_names())) == (old, {"orders", "gone"})
    r.register_release(TWO, [new])
    assert r.find("orders") is old
    r.activate(TWO, replacing=[ONE])
    assert (r.find("orders"), r.startable_names()) == (new, ("orders",)), "it has no 'gone'"
    assert r.find(f"orders@{ONE}") is old, "its runs go on"
    assert set(r.executable_names()) == {f"orders@{ONE}", f"gone@{ONE}", f"orders@{TWO}"}
    assert (r.releases(), r.release_names(ONE), r.release_names("nothing")) == ((ONE, TWO), ("gone", "orders"), ())
    r.remove_release(TWO)
    r.remove_release(TWO)
    assert (r.find("orders"), r.find(f"orders@{TWO}"), r.startable_names()) == (None, None, ())
    r.activate(ONE)
    r.deactivate(ONE)
    assert (r.find("orders"), r.find(f"orders@{ONE}")) == (None, old)


def test_a_release_that_is_not_there_cannot_be_activated() -> None:
    with pytest.raises(ReleaseNotFound, match=ONE):
        Registry().activate(ONE)


def test_code_of_the_process_comes_before_a_release_and_has_runs_of_its_own() -> None:
    r = Registry()
    code, packaged = fake_definition("orders"), fake_definition("orders", ONE)
    r.register_release(ONE, [packaged])
    r.activate(ONE)
    assert r.find_in_release("orders", None) is None, "a run of code is not for a release"
    r.register(code)
    assert (r.find("orders"), r.find_in_release("orders", None)) == (code, code)
    assert r.find_in_release("orders", ONE) is packaged
    assert set(r.executable_names()) == {"orders", f"orders@{ONE}"}
    assert r.startable_names() == ("orders",)
    assert r.names() == ("orders",)
    r.unregister("orders")
    assert r.find("orders") is packaged


def test_workflows_inside_others_belong_to_their_release() -> None:
    r = Registry()
    r.register(fake_definition("outer", children=("outer/inner",)))
    r.register_release(ONE, [fake_definition("outer", ONE, ("outer/inner",))])
    r.register_release(TWO, [fake_definition("outer", TWO, ("outer/other",))])
    releases = [getattr(r.find_in_release("outer/inner", one), "release", "none") for one in (None, ONE, TWO)]
    assert releases == [None, ONE, "none"]
    assert {f"outer/inner@{ONE}", f"outer/other@{TWO}", "outer/inner"} < set(r.executable_names())
    found = r.find(f"outer/other@{TWO}")
    assert found is not None
    assert found.plan.name == "outer/other"
    r.unregister("outer")
    r.activate(TWO)
    assert set(r.startable_names()) == {"outer", "outer/other"}
    assert r.find("outer/other") is found


def test_a_release_is_registered_as_a_whole() -> None:
    r = Registry()
    r.register_release(ONE, [fake_definition("a", ONE), fake_definition("b", ONE)])
    r.activate(ONE)
    with pytest.raises(WorkflowError, match=f"of release {TWO}, not of {ONE}"):
        r.register_release(ONE, [fake_definition("c", ONE), fake_definition("d", TWO)])
    assert r.release_names(ONE) == ("a", "b")
    r.register_release(ONE, [fake_definition("b", ONE)])
    assert (r.release_names(ONE), r.startable_names()) == (("b",), ("b",))


@pytest.mark.parametrize("name", [f"orders@{ONE}", f"@{'a' * 16}"])
def test_a_name_that_ends_like_a_claim_key_is_refused(name: str) -> None:
    r = Registry()
    with pytest.raises(WorkflowError, match="16 hex digits"):
        r.register(fake_definition(name))
    with pytest.raises(WorkflowError, match="16 hex digits"):
        r.register_release(ONE, [fake_definition(name, ONE)])
    r.register(fake_definition("orders@home"))
    r.register(fake_definition("orders@ABCDEFABCDEFABCD"))


def test_listeners_hear_of_releases() -> None:
    r, heard = Registry(), list[str]()
    r.add_listener(lambda name, definition: heard.append(name))
    r.register_release(ONE, [fake_definition("a", ONE)])
    r.activate(ONE)
    r.deactivate(ONE)
    r.remove_release(ONE)
    assert heard == [f"a@{ONE}", "a", "a", f"a@{ONE}"]


def test_the_names_that_come_close_are_those_that_can_be_started() -> None:
    r = Registry()
    r.register_release(ONE, [fake_definition("daily_report", ONE)])
    assert "knows no workflow yet" in str(r.not_found_error("daily_reprot"))
    r.activate(ONE)
    assert "did you mean 'daily_report'" in str(r.not_found_error("daily_reprot"))


def test_each_registry_has_its_own_triggers() -> None:
    assert registry.triggers is triggers
    assert Registry().triggers is not triggers
