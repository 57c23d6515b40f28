"""What a run is given: in any form, held against what the graph takes."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from holdwater.errors import InputError, MissingInputError
from holdwater.graphs import END, Graph, InterruptNode
from holdwater.graphs.inputs import resolve_inputs
from tests.graphs.building import fn, gate


def etl_graph() -> Graph:
    return Graph([fn("load", "path, limit=10", "rows"), fn("clean", "rows, mode", "table")])


def resolved_values(of: Graph, *given: Any, **options: Any) -> dict[str, Any]:
    return resolve_inputs(of, *given, **options).values


def test_inputs_may_be_given_in_any_form_and_mixed() -> None:
    expected = {"path": "p", "mode": "m"}
    assert resolved_values(etl_graph(), expected) == expected
    assert resolved_values(etl_graph(), values=expected) == expected
    assert resolved_values(etl_graph(), keywords=expected) == expected
    assert resolved_values(etl_graph(), {"path": "p"}, keywords={"mode": "m"}) == expected


def test_values_are_handed_on_as_they_are() -> None:
    path = object()
    assert resolved_values(etl_graph(), {"path": path, "mode": None})["path"] is path


def test_nothing_may_be_given_twice() -> None:
    with pytest.raises(InputError, match="given twice: 'path'"):
        resolved_values(etl_graph(), {"path": 1, "mode": 2}, keywords={"path": 1})
    with pytest.raises(ValueError, match="given twice"):
        resolved_values(etl_graph(), {"path": 1}, values={"path": 1})


def test_what_is_missing_is_named_with_who_takes_it() -> None:
    with pytest.raises(MissingInputError) as caught:
        resolved_values(etl_graph(), {"path": "p"})
    assert caught.value.missing == ("mode",)
    assert caught.value.provided == ("path",)
    assert "'mode', taken by 'clean'" in str(caught.value)
    assert "bind(...), which returns a new graph" in str(caught.value)


def test_a_misspelt_input_is_pointed_out() -> None:
    with pytest.warns(UserWarning, match="'moed' is no input"), pytest.raises(MissingInputError) as caught:
        resolved_values(etl_graph(), {"path": "p", "moed": 1})
    assert "'moed' was given, did you mean 'mode'?" in str(caught.value)


def test_unknown_names_in_a_mapping_are_a_warning_and_not_used() -> None:
    with pytest.warns(UserWarning, match="'extra' is no input of the graph"):
        assert "extra" not in resolved_values(etl_graph(), {"path": 1, "mode": 2, "extra": 3})


def test_unknown_keywords_are_an_error() -> None:
    with pytest.raises(InputError, match="'pth' is neither an input of the graph nor an option") as caught:
        resolved_values(etl_graph(), keywords={"pth": 1})
    assert "did you mean 'path'" in str(caught.value)


def test_inputs_are_a_mapping_of_names() -> None:
    with pytest.raises(InputError, match="inputs are a mapping"):
        resolved_values(etl_graph(), ["path"])
    with pytest.raises(InputError, match="name of an input is a str"):
        resolved_values(etl_graph(), {1: 2})


def test_bound_values_are_there_and_can_be_replaced_with_a_warning() -> None:
    bound = etl_graph().bind(mode="fast")
    assert resolved_values(bound, {"path": 1}) == {"path": 1, "mode": "fast"}
    with pytest.warns(UserWarning, match="'mode' is bound.*'slow' instead of 'fast'"):
        assert resolved_values(bound, {"path": 1, "mode": "slow"})["mode"] == "slow"


def test_no_warning_for_the_bound_object_itself_and_none_shows_big_values() -> None:
    rows = list(range(1000))
    bound = etl_graph().bind(mode=rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolved_values(bound, {"path": 1, "mode": rows})
    with pytest.warns(UserWarning, match="'mode' is bound") as caught:
        resolved_values(bound, {"path": 1, "mode": [1]})
    assert "999" not in str(caught[0].message)


def test_a_given_output_takes_the_place_of_its_node() -> None:
    resolved = resolve_inputs(etl_graph(), {"rows": [1], "mode": "m"})
    assert resolved.supplied_outputs == ("rows",)
    assert resolved.scope.active == ("clean",)
    assert resolved.values == {"rows": [1], "mode": "m"}


def test_inputs_of_nodes_outside_the_scope_are_accepted_and_not_required() -> None:
    assert resolved_values(etl_graph(), {"path": 1}, select=["rows"]) == {"path": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolved_values(etl_graph(), {"path": 1, "mode": 2}, select=["rows"])
        resolved_values(etl_graph(), {"rows": 1, "mode": 2}, entrypoint="clean")


def test_what_a_checkpoint_knows_is_not_missing() -> None:
    assert resolved_values(etl_graph(), {"path": 1}, known_names=["mode"]) == {"path": 1}


def test_answers_are_kept_apart() -> None:
    asking = Graph([InterruptNode("ask", "text", "verdict"), fn("act", "verdict", "done")])
    resolved = resolve_inputs(asking, {"text": "t", "verdict": "yes"})
    assert resolved.answers == {"verdict": "yes"}
    assert resolved.values == {"text": "t"}
    assert resolved.scope.active == ("ask", "act")


def test_seeds_with_a_default_may_be_given() -> None:
    loop = Graph([fn("step", "n=0", "n"), gate("more", "n", ["step", END])])
    assert loop.inputs.required == ()
    assert resolved_values(loop, {"n": 5}) == {"n": 5}
    assert resolved_values(loop) == {}


# -- namespaces


def nested_graph() -> Graph:
    inner = Graph([fn("work", "x, y=1", "z")], name="inner")
    middle = Graph([inner.as_node(namespaced=True)], name="middle")
    return Graph([middle.as_node(namespaced=True), fn("end", "other", "w")])


def test_addresses_may_be_dotted_or_nested() -> None:
    assert nested_graph().inputs.required == ("middle.inner.x", "other")
    expected = {"middle.inner.x": 1, "other": 2}
    assert resolved_values(nested_graph(), expected) == expected
    assert resolved_values(nested_graph(), {"middle": {"inner": {"x": 1}}, "other": 2}) == expected
    assert resolved_values(nested_graph(), {"middle": {"inner.x": 1}}, keywords={"other": 2}) == expected
    assert resolved_values(nested_graph(), keywords={"middle": {"inner": {"x": 1}}, "other": 2}) == expected


def test_an_address_is_given_in_one_form() -> None:
    with pytest.raises(InputError, match=r"'middle.inner.x' is given twice"):
        resolved_values(nested_graph(), {"middle": {"inner": {"x": 1}}, "middle.inner.x": 1, "other": 2})


def test_an_address_is_no_keyword() -> None:
    with pytest.raises(InputError, match="cannot be a keyword"):
        resolved_values(nested_graph(), keywords={"middle.inner.x": 1})


def test_addresses_can_be_bound() -> None:
    assert nested_graph().bind({"middle": {"inner": {"x": 1}}}).inputs.required == ("other",)


def test_an_exposed_address_says_its_new_name() -> None:
    inner = Graph([fn("work", "x", "z")], name="inner")
    outer = Graph([inner.as_node(namespaced=True).expose(x="given")])
    assert outer.inputs.required == ("given",)
    for form in ({"inner.x": 1}, {"inner": {"x": 1}}):
        with pytest.raises(InputError, match="give it as 'given'"):
            resolved_values(outer, form)


def test_a_mapping_is_a_value_for_an_input_of_its_name() -> None:
    plain = Graph([fn("work", "config", "z")])
    assert resolved_values(plain, {"config": {"a": 1}}) == {"config": {"a": 1}}


def test_a_missing_input_that_sounds_like_an_output_is_taken_for_a_typo() -> None:
    with pytest.raises(MissingInputError, match="no node makes 'rosw', did you mean 'rows'") as caught:
        resolved_values(Graph([fn("load", "path", "rows"), fn("clean", "rosw", "table")]), {"path": "p"})
    assert caught.value.missing == ("rosw",)
