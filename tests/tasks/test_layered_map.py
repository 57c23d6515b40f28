"""Views against plain dictionaries, and what they cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdwater.model.values import StoredValue
from holdwater.tasks.layered_map import EMPTY, Layer, LayeredMap

DELTAS = st.dictionaries(st.sampled_from([f"k{i}" for i in range(12)]), st.none() | st.integers(0, 9), max_size=4)


def layer(delta: dict[str, int | None], writer: int) -> Layer:
    return {k: (None if v is None else StoredValue.encode(v), (writer,)) for k, v in delta.items()}


@given(st.lists(st.tuples(st.integers(0, 1000), DELTAS), max_size=40))
def test_every_view_of_a_tree_equals_its_dictionary(pushes: list[tuple[int, dict[str, int | None]]]) -> None:
    views: list[LayeredMap] = [EMPTY]
    models: list[dict[str, int | None]] = [{}]
    for writer, (parent, delta) in enumerate(pushes, 1):
        parent %= len(views)
        views.append(views[parent].push_layer(layer(delta, writer)))
        models.append({**models[parent], **delta})
    for view, model in zip(views, models, strict=True):  # all at the end: a push must not change what is below it
        live = {k: v for k, v in model.items() if v is not None}
        assert {k: v.copy() for k, v in view.items()} == live
        assert list(dict(view.items())) == list(live)  # the order of first writing
        assert view.count == len(live)
        assert view.size_bytes == sum(len(k) + 8 for k in live)
        assert {k for k in model if view.get(k) is not None} == model.keys()


def all_entries(views: list[LayeredMap]) -> int:
    """Entries in all dictionaries these views are made of, each counted once."""
    return sum({id(part): len(part) for view in views for part in view.layers}.values())


def test_a_chain_of_pushes_copies_each_entry_log_n_times() -> None:
    n = 4096
    views = [EMPTY]
    for i in range(n):
        views.append(views[-1].push_layer(layer({f"k{i}": i}, i + 1)))
    assert all_entries(views) <= n * 13
    assert max(len(view.layers) for view in views) <= 13


def test_a_fan_over_a_layered_view_pays_for_flattening_once() -> None:
    base = EMPTY
    for i in range(1023):  # the worst moment: one more push merges everything
        base = base.push_layer(layer({f"k{i}": i}, i + 1))
    branches = [base.push_layer(layer({f"b{i}": i}, 2000 + i)) for i in range(1000)]
    assert all_entries(branches) <= 8 * 1023 + 1000


def test_writing_one_key_again_and_again_keeps_one_entry() -> None:
    view = EMPTY
    for i in range(1000):
        view = view.push_layer(layer({"n": i}, i + 1))
    assert all_entries([view]) == 1


def test_an_empty_push_is_the_same_view() -> None:
    view = EMPTY.push_layer(layer({"a": 1}, 1))
    assert view.push_layer({}) is view
