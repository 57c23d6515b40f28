"""Modifiers: each returns another node and leaves the first as it was."""

from __future__ import annotations

import pytest

from holdwater.errors import RenameError
from holdwater.graphs import node


@node(output_name=("total", "count"), emit="done")
def summarise(rows: list[int], scale: int = 1) -> tuple[int, int]:
    return sum(rows) * scale, len(rows)


def test_a_rename_returns_another_node() -> None:
    other = summarise.rename_inputs(rows="prices").rename_outputs(total="sum").with_name("sum_up")
    assert (other.name, other.inputs, other.outputs) == ("sum_up", ("prices", "scale"), ("sum", "count", "done"))
    assert (summarise.name, summarise.inputs) == ("summarise", ("rows", "scale"))
    assert summarise.outputs == ("total", "count", "done")
    assert other([1, 2]) == (3, 2)


def test_with_inputs_and_with_outputs_are_the_same() -> None:
    other = summarise.with_inputs({"rows": "prices"}).with_outputs({"total": "sum"})
    assert (other.inputs[0], other.outputs[0]) == ("prices", "sum")


def test_an_input_may_be_called_mapping() -> None:
    assert summarise.rename_inputs(rows="mapping").rename_inputs(mapping="again").inputs == ("again", "scale")


def test_a_mapping_and_keywords_together() -> None:
    assert summarise.rename_inputs({"rows": "a"}, scale="b").inputs == ("a", "b")


def test_two_names_are_swapped() -> None:
    swapped = summarise.rename_inputs(rows="scale", scale="rows")
    assert swapped.inputs == ("scale", "rows")
    assert swapped.map_inputs_to_params({"scale": [1], "rows": 2}) == {"rows": [1], "scale": 2}
    assert summarise.rename_outputs(total="count", count="total").outputs == ("count", "total", "done")


def test_defaults_and_types_follow() -> None:
    other = summarise.rename_inputs(scale="factor").rename_inputs(factor="weight").rename_outputs(count="n")
    assert other.get_default_for("weight") == 1
    assert not other.has_default_for("scale")
    assert other.get_input_type("weight") is int
    assert other.get_input_type("rows") == list[int]
    assert other.get_output_type("n") is int
    assert other.param("weight") == "scale"


def test_an_emitted_name_stays_one() -> None:
    other = summarise.rename_outputs(done="ready")
    assert (other.emit, other.data_outputs) == (("ready",), ("total", "count"))


def test_an_old_name_is_told_with_what_became_of_it() -> None:
    other = summarise.rename_inputs(rows="x").rename_inputs(x="z")
    with pytest.raises(RenameError, match="rows → x → z") as raised:
        other.rename_inputs(rows="y")
    assert "('z', 'scale')" in str(raised.value)
    with pytest.raises(RenameError, match="rows → x → z"):
        other.rename_inputs(x="y")


def test_a_name_that_never_was() -> None:
    with pytest.raises(RenameError, match="did you mean 'rows'"):
        summarise.rename_inputs(row="x")
    with pytest.raises(ValueError, match="no output 'rows'"):
        summarise.rename_outputs(rows="x")


def test_two_ports_cannot_share_a_name() -> None:
    with pytest.raises(RenameError, match="more than one input named 'scale'"):
        summarise.rename_inputs(rows="scale")
    with pytest.raises(RenameError, match="more than one output named 'done'"):
        summarise.rename_outputs(total="done")


def test_a_name_is_text() -> None:
    with pytest.raises(RenameError, match="non-empty str"):
        summarise.rename_inputs(rows="")
    with pytest.raises(TypeError, match="name of a node"):
        summarise.with_name("")


def test_thousands_of_renames_one_after_the_other() -> None:
    other = summarise
    for i in range(2_000):
        other = other.rename_inputs({other.inputs[0]: f"x{i}"})
    assert other.inputs == ("x1999", "scale")
    assert other.param("x1999") == "rows"
