"""Gates: what they may decide, and what is said when they decide something else."""

from __future__ import annotations

import ast
import copy
import enum
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdwater.errors import GraphConfigError, NodeReturnError
from holdwater.graphs import END, GateNode, IfElseNode, RouteNode, TypeRouteNode, branch, ifelse, node, route

# -- END


def test_end_is_one_object_and_no_text() -> None:
    assert (repr(END), str(END), f"{END}", f"{END:>5}") == ("END", "END", "END", "  END")
    assert END != "END"
    assert isinstance(END, str)
    assert copy.deepcopy(END) is copy.copy(END) is pickle.loads(pickle.dumps(END)) is END
    assert copy.deepcopy({"next": [END]})["next"][0] is END


# -- routes


@route(["draft", "review", END])
def choose(score: float, strict: bool = False) -> str:
    """Where next."""
    return "draft" if score < 0.5 else END


def test_a_gate_is_a_function_that_makes_no_data() -> None:
    assert choose(0.1) == "draft"
    assert choose.__doc__ == "Where next."
    assert (choose.name, choose.inputs, choose.outputs, choose.data_outputs) == ("choose", ("score", "strict"), (), ())
    assert choose.targets == ("draft", "review", END)
    assert choose.is_gate
    assert isinstance(choose, GateNode)
    assert choose.default_open
    assert not choose.multi_target
    assert choose.get_default_for("strict") is False


def test_options() -> None:
    @route(
        {"a": "the short way", END: "nothing to do"},
        name="way",
        fallback="b",
        default_open=False,
        cache=True,
        hide=True,
        rename_inputs={"x": "y"},
        emit="decided",
        wait_for="loaded",
    )
    def gate(x: int) -> str | None:
        return None

    assert (gate.name, gate.inputs, gate.outputs, gate.emit) == ("way", ("y",), ("decided",), ("decided",))
    assert gate.targets == ("a", END, "b")
    assert gate.descriptions == {"a": "the short way", END: "nothing to do"}
    assert (gate.default_open, gate.cache, gate.hide, gate.wait_for) == (False, True, True, ("loaded",))
    assert gate.decide(None) == ("b",)
    assert gate.rename_outputs(decided="chosen").outputs == ("chosen",)


def make_route(targets: Any = ("a", "b", END), **options: Any) -> RouteNode[..., Any]:
    return route(list(targets), **options)(lambda: None)


def test_decisions_of_a_route() -> None:
    gate = make_route()
    assert gate.decide("a") == ("a",)
    assert gate.decide(END) == ("END",)
    assert gate.decide(None) == ()
    assert make_route(fallback="c").decide(None) == ("c",)
    assert make_route(fallback=END).decide(None) == ("END",)
    assert type(gate.decide(END)[0]) is str, "decisions are recorded as plain text"


def test_members_of_a_str_enum_are_names() -> None:
    class Way(str, enum.Enum):  # noqa: UP042 - its str() is not its value
        A = "a"

    assert make_route().decide(Way.A) == ("a",)
    assert make_route([Way.A, "b"]).decide("a") == ("a",)


@pytest.mark.parametrize("returned", ["elsewhere", 5, ["a"], ("a",), str.__str__(END), True])
def test_a_route_that_returns_no_target(returned: object) -> None:
    gate = make_route(["a", "b"])
    with pytest.raises(NodeReturnError) as raised:
        gate.decide(returned)
    text = str(raised.value)
    assert repr(returned) in text
    assert "'a', 'b'" in text
    assert "hint" in text
    assert isinstance(raised.value, (ValueError, TypeError))


def test_end_in_quotes_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="instead of END"), pytest.raises(ValueError, match="without quotes"):
        make_route().decide("END")
    with pytest.raises(ValueError, match="none of its targets"):
        make_route(["a"]).decide("END")


def test_decisions_of_a_route_to_several() -> None:
    gate = make_route(multi_target=True)
    assert gate.decide(["b", "a", "b"]) == ("b", "a")
    assert gate.decide([]) == gate.decide(None) == ()
    assert gate.decide(["a", END]) == ("a", "END")
    with pytest.raises(TypeError, match="list of targets"):
        gate.decide("a")
    with pytest.raises(TypeError, match="list of targets"):
        gate.decide(END)
    with pytest.raises(ValueError, match="'c', which is none"):
        gate.decide(["a", "c"])


def test_targets_are_taken_once() -> None:
    assert make_route(["a", "b", "a"], fallback="b").targets == ("a", "b")


# -- if, else


@ifelse(when_true="publish", when_false=END)
def good(score: float) -> bool:
    return score > 0.5


def test_decisions_of_ifelse() -> None:
    assert good(1.0) is True
    assert (good.when_true, good.when_false, good.targets) == ("publish", END, ("publish", END))
    assert good.descriptions == {True: "True", False: "False"}
    assert good.decide(True) == ("publish",)
    assert good.decide(False) == ("END",)


@pytest.mark.parametrize("returned", [1, 0, None, "publish", [], ""])
def test_ifelse_takes_nothing_for_true(returned: object) -> None:
    with pytest.raises(TypeError, match="True") as raised:
        good.decide(returned)
    assert f"returned {returned!r}" in str(raised.value)


def test_branch_is_ifelse() -> None:
    assert branch is ifelse
    assert isinstance(branch("a", "b", default_open=False)(lambda: True), IfElseNode)


# -- by class


def test_a_route_by_class() -> None:
    gate = TypeRouteNode("kind", "item", {bool: "flag", int: "number", str: END}, fallback="rest")
    assert (gate.inputs, gate.outputs, gate.targets) == (("item",), (), ("flag", "number", END, "rest"))
    assert gate.decide(gate.func(item=True)) == ("flag",)
    assert gate.decide(gate.func(item=3)) == ("number",)
    assert gate.decide("text") == ("END",)
    assert gate.decide(None) == ("rest",)
    renamed = gate.rename_inputs(item="thing").with_name("sort")
    assert (renamed.input_param, renamed.param("thing"), renamed.decide(1)) == ("thing", "item", ("number",))
    assert TypeRouteNode("kind", "item", {bool: "flag"}).definition_hash != gate.definition_hash
    assert "kind(item)" in repr(gate)


def test_a_route_by_class_without_a_fallback() -> None:
    with pytest.raises(NodeReturnError, match="a float as 'item', but only knows int") as raised:
        TypeRouteNode("kind", "item", {int: "number"}).decide(1.5)
    assert "fallback" in raised.value.hint


def test_what_a_route_by_class_refuses() -> None:
    with pytest.raises(ValueError, match="no targets"):
        TypeRouteNode("kind", "item", {})
    with pytest.raises(ValueError, match="is none"):
        TypeRouteNode("kind", "item", {"int": "number"})  # type: ignore[dict-item]


# -- what cannot be a gate


async def later() -> str:
    return "a"


def several() -> Iterator[str]:
    yield "a"


@pytest.mark.parametrize("function", [later, several])
@pytest.mark.parametrize("decorate", [route(["a"]), ifelse("a", "b")])
def test_a_decision_is_made_at_once(function: Callable[..., Any], decorate: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="plain function"):
        decorate(function)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"targets": []}, "no targets"),
        ({"targets": "a"}, r"\['a'\]"),
        ({"targets": ["END"]}, "without quotes"),
        ({"targets": [str.__str__(END)]}, "without quotes"),
        ({"targets": ["a"], "fallback": "END"}, "without quotes"),
        ({"targets": ["a", 5]}, "not 5"),
        ({"targets": ["a"], "fallback": "b", "multi_target": True}, "multi_target"),
    ],
)
def test_targets_that_make_no_sense(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(GraphConfigError, match=text):
        route(**arguments)(lambda: None)


def test_a_route_without_arguments_is_no_gate() -> None:
    with pytest.raises(TypeError, match="needs its targets"):
        route(len_is_even)  # type: ignore[arg-type]


def test_ifelse_needs_two_targets() -> None:
    with pytest.raises(ValueError, match="decides nothing"):
        ifelse("a", "a")(lambda: True)
    with pytest.raises(ValueError, match="without quotes"):
        ifelse("a", "END")(lambda: True)


def test_parameters_are_those_of_nodes() -> None:
    def starred(*rows: int) -> str:
        return "a"

    with pytest.raises(TypeError, match=r"\*rows"):
        route(["a"])(starred)


# -- fingerprints and sources


def test_what_a_gate_does_depends_on_its_targets() -> None:
    one, other = ifelse("a", "b")(len_is_even), ifelse("b", "a")(len_is_even)
    assert one.definition_hash != other.definition_hash
    assert one.definition_hash == one.with_name("x").rename_inputs(text="y").definition_hash


def len_is_even(text: str) -> bool:
    return len(text) % 2 == 0


def test_the_function_of_a_node_can_be_a_gate() -> None:
    again = ifelse("a", "b")(node(output_name="even", rename_inputs={"text": "t"})(len_is_even))
    assert (again.func, again.inputs) == (len_is_even, ("text",))


@pytest.mark.parametrize("returned", [("a", "b"), {"a"}, frozenset(["b"]), {"a": 1}, (), "a"])
def test_the_hint_of_a_route_to_several_can_be_followed(returned: Any) -> None:
    gate = make_route(["a", "b"], multi_target=True)
    with pytest.raises(NodeReturnError) as raised:
        gate.decide(returned)
    hint = raised.value.hint.partition("return ")[2].partition("; the targets")[0]
    followed = ast.literal_eval(hint)
    assert gate.decide(followed) == tuple([returned] if isinstance(returned, str) else returned)


def test_truth_values_of_numpy_decide() -> None:
    numpy = pytest.importorskip("numpy")
    for value, target in (
        (numpy.float64(1) > 0.5, "publish"),
        (numpy.float64(0) > 0.5, "END"),
        (numpy.array(True), "publish"),
        (numpy.all([]), "publish"),
    ):
        assert good.decide(value) == (target,)
    for value in (numpy.float64(1), numpy.int64(0), numpy.array([True]), numpy.array([])):
        with pytest.raises(NodeReturnError, match="True"):
            good.decide(value)
