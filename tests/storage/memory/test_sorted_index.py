"""The sorted set of stores in memory, beside a set that is sorted anew each time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from holdwater.model.records import FIRST_CURSOR, LAST_CURSOR, Cursor
from holdwater.model.time import Micros
from holdwater.storage.memory.sorted_index import SortedIndex

positions = st.tuples(st.integers(0, 5).map(Micros), st.sampled_from("abc"))


@given(st.lists(positions, max_size=60), positions)
def test_it_is_a_sorted_set(touched: list[Cursor], place: Cursor) -> None:
    ours, known = SortedIndex(), set[Cursor]()
    for position in touched:  # the second time it goes, the third time it comes back
        if position in known:
            known.remove(position)
            ours.remove(position)
        else:
            known.add(position)
            ours.add(position)
        model = sorted(known)
        assert len(ours) == len(model)
        assert list(ours.after(FIRST_CURSOR)) == model
        assert list(ours.before(LAST_CURSOR)) == model[::-1]
        assert list(ours.after(place)) == model[bisect_right(model, place) :]
        assert list(ours.before(place)) == model[: bisect_left(model, place)][::-1]
