"""What a context promises to those who read and write it."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import ContextTooLarge, DecodingError, EncodingError, KeyExists, KeyMissing
from holdwater.model.values import StoredValue
from holdwater.tasks import Context
from holdwater.tasks.layered_map import LayeredMap

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def layered(data: dict[str, Any]) -> Context:
    """A context over a view, as a task gets it."""
    return Context.from_view(LayeredMap.from_values({key: StoredValue.encode(value) for key, value in data.items()}))


MAKERS: list[Callable[[dict[str, Any]], Context]] = [Context, layered]


@pytest.mark.parametrize("make", MAKERS)
def test_reads_like_a_mapping(make: Callable[[dict[str, Any]], Context]) -> None:
    c = make({"a": 1, "none": None, "rows": [1, 2]})
    assert (len(c), list(c), list(c.keys())) == (3, ["a", "none", "rows"], ["a", "none", "rows"])
    assert list(c.values()) == [1, None, [1, 2]]
    assert dict(c.items()) == {**c} == c.to_dict() == {"a": 1, "none": None, "rows": [1, 2]}
    assert "a" in c
    assert "none" in c
    assert "b" not in c
    assert not c.__contains__(1)
    assert c["none"] is None
    assert c.get("none", "default") is None
    assert c.get("b") is None
    assert c.get("b", "default") == "default"


@pytest.mark.parametrize("make", MAKERS)
def test_writes(make: Callable[[dict[str, Any]], Context]) -> None:
    c = make({"a": 1, "b": 2})
    c.set("a", 10)
    c["c"] = 3
    c.insert("d", 4)
    c.update("d", 5)
    c.update_from_dict({"e": 6, "a": 11})
    assert c.remove("b") == 2
    assert c.remove("b") is None
    del c["c"]
    assert c == {"a": 11, "d": 5, "e": 6}
    assert len(c) == 3
    c["b"] = "again"
    assert sorted(c) == ["a", "b", "d", "e"]


@pytest.mark.parametrize(
    ("what", "error", "builtin"),
    [
        (lambda c: c["nope"], KeyMissing, KeyError),
        (lambda c: c["n" * 5000], KeyMissing, KeyError),
        (lambda c: c.update("nope", 1), KeyMissing, KeyError),
        (lambda c: c.__delitem__("nope"), KeyMissing, KeyError),
        (lambda c: c.insert("a", 1), KeyExists, ValueError),
        (lambda c: c.set(1, 1), EncodingError, TypeError),
        (lambda c: c[1], EncodingError, TypeError),
        (lambda c: c.update_from_dict([("a", 1)]), EncodingError, TypeError),
        (lambda c: c.set("x", object()), EncodingError, TypeError),
        (lambda c: c.set("x", [object()]), EncodingError, ValueError),
        (lambda c: c.set("\ud800\udc00", 1), EncodingError, ValueError),
        (lambda c: Context({cast(str, 1): 1}), EncodingError, TypeError),
        (lambda c: Context({"x": lambda: 0}), EncodingError, TypeError),
    ],
)
def test_errors_are_ours_and_the_builtin(what: Callable[[Any], Any], error: type, builtin: type) -> None:
    c = Context({"a": 1})
    with pytest.raises(error) as caught:
        what(c)
    assert isinstance(caught.value, builtin)
    assert c == {"a": 1}


def test_an_encoding_error_names_the_key_path() -> None:
    with pytest.raises(EncodingError, match=r"rows\[1\]\.price") as caught:
        Context().set("rows", [1, {"price": object()}])
    assert caught.value.path == "rows[1].price"


def test_update_from_dict_is_all_or_nothing() -> None:
    c = Context()
    with pytest.raises(EncodingError):
        c.update_from_dict({"a": 1, "b": object()})
    assert len(c) == 0


def test_what_is_passed_in_is_copied() -> None:
    rows = [1]
    c = Context({"first": rows})
    c.set("second", rows)
    rows.append(2)
    assert c == {"first": [1], "second": [1]}


@pytest.mark.parametrize("make", MAKERS)
def test_a_change_in_place_counts_here_and_nowhere_else(make: Callable[[dict[str, Any]], Context]) -> None:
    c = make({"rows": [1], "deep": {"x": [0]}})
    other = c.copy()
    held = c["rows"]
    held.append(2)
    c["deep"]["x"].append(1)
    assert c["rows"] is held
    assert c == {"rows": [1, 2], "deep": {"x": [0, 1]}}
    assert json.loads(c.to_json()) == c.to_dict()
    held.append(3)  # also after it was looked at
    assert c["rows"] == c.to_dict()["rows"] == [1, 2, 3]
    assert other == {"rows": [1], "deep": {"x": [0]}}


def test_a_value_taken_out_by_to_dict_is_a_copy() -> None:
    c = Context({"rows": [1]})
    c.to_dict()["rows"].append(2)
    assert c == {"rows": [1]}


def test_the_delta_holds_what_differs_and_nothing_else() -> None:
    c = layered({"same": [1], "read": [1], "grown": [1], "set": 1, "reset": 2, "gone": 3, "back": 4, "typed": 1})
    assert c["read"] == [1]
    c["same"].append(2)
    c["same"].pop()
    c["grown"].append(2)
    c["set"] = 5
    c["reset"] = 2
    del c["gone"]
    del c["back"]
    c["back"] = 4
    c["typed"] = True  # equal, and yet another value
    c["new"] = None
    c["brief"] = 1
    del c["brief"]
    changed, removed = c.delta()
    assert {key: value.copy() for key, value in changed.items()} == {
        "grown": [1, 2],
        "set": 5,
        "typed": True,
        "new": None,
    }
    assert removed == ["gone"]


def test_minus_zero_is_a_change() -> None:
    c = layered({"x": 0.0})
    c["x"] = -0.0
    assert list(c.delta()[0]) == ["x"]


def test_a_change_in_place_to_what_cannot_be_stored_names_its_key() -> None:
    c = layered({"rows": [1]})
    c["rows"].append({1, 2}.__iter__())
    with pytest.raises(EncodingError, match=r"rows\[1\]"):
        c.delta()


def test_only_touched_keys_are_copied_and_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    c = layered({f"k{i}": [i] for i in range(1000)})
    copied: list[StoredValue] = []
    encoded: list[Any] = []
    copy_one, encode_one = StoredValue.copy, StoredValue.encode.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(StoredValue, "copy", lambda s: copied.append(s) or copy_one(s))  # type: ignore[func-returns-value]
    monkeypatch.setattr(StoredValue, "encode", classmethod(lambda cls, v: encoded.append(v) or encode_one(cls, v)))  # type: ignore[func-returns-value]
    c["k1"].append(0)
    assert c["k1"] == [1, 0]
    c.get("k2")
    assert "k3" in c
    assert len(c) == 1000
    c.delta()
    assert (len(copied), encoded) == (2, [[1, 0]])


def test_too_large_names_key_and_size() -> None:
    c = Context({"a": "x" * 50}, max_bytes=200)
    with pytest.raises(ContextTooLarge, match=r"'big'.*at most 200") as caught:
        c["big"] = ["y" * 200]
    assert isinstance(caught.value, ValueError)
    assert c == {"a": "x" * 50}
    for _ in range(10):  # replacing and removing gives the room back
        c["a"] = "x" * 120
        c["b"] = ["z" * 40]
        del c["b"]
    c["rows"] = []
    c["rows"].append("y" * 200)
    with pytest.raises(ContextTooLarge, match="'rows'"):
        c.delta()


@given(st.dictionaries(st.text(), PLAIN))
def test_json_round_trip(data: dict[str, Any]) -> None:
    c = Context(data)
    assert Context.from_json(c.to_json()).to_json() == c.to_json()
    text = json.dumps(data)
    if '"$t"' not in text:  # which means something in the JSON of a context
        assert Context.from_json(text).to_dict() == data


def test_json_keeps_what_json_does_not_know() -> None:
    data = {"when": dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "price": Decimal("1.10"), "t": (1, [2]), "$t": {"$t": 1}}
    assert Context.from_json(Context(data).to_json()).to_dict() == data


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", '{"a": NaN}', '{"a": Infinity}', '{"a": {"$t": "enum", "c": "os:system", "v": "x"}}',
     '{"a": {"$t": "nope"}}', "[" * 100_000, '{"a": [{"$t": "set", "v": []}, ' + "[" * 1_500 + "]" * 1_500 + "]}"],
)  # fmt: skip
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(DecodingError) as caught:
        Context.from_json(text)
    assert isinstance(caught.value, ValueError)


def test_repr_copies_and_equality() -> None:
    c = Context({"a": [1]})
    assert repr(c) == "Context({'a': [1]})"
    for twin in (c.copy(), copy.copy(c), copy.deepcopy(c), pickle.loads(pickle.dumps(c)), Context(c)):
        assert twin == c
        twin["a"].append(2)
        assert twin != c
    assert c == {"a": [1]}
    c["a"].append(3)
    assert c.copy() == Context(c) == {"a": [1, 3]}
    c["a"].pop()
    assert c != {"a": [1], "b": 2}
    assert c != 1
    with pytest.raises(TypeError):
        hash(c)


def test_string_subclasses_as_keys_become_strings() -> None:
    class Name(str):
        __slots__ = ()

    c = Context({Name("a"): 1})
    assert [type(key) for key in c] == [str]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["set", "remove", "append", "insert", "settle"]), st.sampled_from("abcd"), PLAIN),
    max_size=20,
)


@given(st.dictionaries(st.sampled_from("abcd"), PLAIN), OPERATIONS)
def test_behaves_like_a_dictionary_and_its_delta_rebuilds_it(
    start: dict[str, Any], operations: list[tuple[str, str, Any]]
) -> None:
    c, model = layered(start), copy.deepcopy(start)
    for what, key, value in operations:
        if what == "set":
            c[key] = value
            model[key] = copy.deepcopy(value)
        elif what == "remove":
            assert c.remove(key) == model.pop(key, None)
        elif what == "append" and isinstance(model.get(key), list):
            c[key].append(1)
            model[key].append(1)
        elif what == "insert" and key not in model:
            c.insert(key, value)
            model[key] = copy.deepcopy(value)
        elif what == "settle":
            c.delta()
        assert len(c) == len(model)
    assert c.to_dict() == model
    changed, removed = c.delta()
    assert set(removed) == start.keys() - model.keys()
    rebuilt = layered(start)
    rebuilt.apply_delta(changed, removed)
    assert rebuilt.to_dict() == model


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        (["total", "rows"], "did you mean 'total'?"),
        (["rows", "day"], "it has 'rows', 'day'"),
        ([], "it is empty"),
        ([f"k{k}" for k in range(1000)], ""),
        (["k" * 5000], "it has '" + "k" * 292),
    ],
)
def test_a_missing_key_names_those_that_are_there(keys: list[str], hint: str) -> None:
    context = Context(dict.fromkeys(keys, 1))
    with pytest.raises(KeyMissing) as missing:
        context["totl"]
    assert missing.value.hint == hint
    assert context.get("totl", 7) == 7
    assert context.remove("totl") is None


def _cycle() -> list[object]:
    cycle: list[object] = []
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        (open, "key", "context key 'key': value is of type "),
        ([open], "key[0]", "context key 'key[0]': value is of type "),
        ({"a": {"b": [1, open]}}, "key.a.b[1]", "context key 'key.a.b[1]': value is of type "),
        (_cycle(), "key" + "[0]" * 150, "context key 'key[0]"),
    ],
)
def test_an_error_says_once_and_shortly_where_a_value_is(value: object, path: str, said: str) -> None:
    with pytest.raises(EncodingError) as refused:
        Context()["key"] = value
    assert refused.value.message.startswith(said)
    assert refused.value.message.count("value") == 1
    assert len(refused.value.message) < 300
    assert refused.value.path.startswith(path[:100])
