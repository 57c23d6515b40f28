"""The choice of tasks that may begin: never too many, the oldest first, and none for ever passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdwater.model.limits import LimitState, join_keys, keys_of_task, split_keys
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros

KEYS = ("a", "b", "c", "unlimited")
key_sets = st.sets(st.sampled_from(KEYS)).map(join_keys)
states = st.builds(
    LimitState,
    limits=st.dictionaries(st.sampled_from(KEYS[:3]), st.integers(0, 4)),
    held=st.dictionaries(key_sets.filter(bool), st.integers(1, 4)),
)


def rows(keys: list[str]) -> list[WorkRow]:
    return [
        WorkRow(f"r{at}", 0, 1, "execute", "w", Micros(at), limit_keys=limit_keys) for at, limit_keys in enumerate(keys)
    ]


@given(states, st.lists(key_sets, max_size=12), st.integers(0, 8))
def test_no_limit_is_exceeded_and_no_place_is_wasted(state: LimitState, waiting: list[str], at_most: int) -> None:
    candidates = rows(waiting)
    chosen = state.choose(candidates, at_most)
    assert len(chosen) <= at_most
    free = state.free_places()
    taken = {key: sum(key in split_keys(row.limit_keys) for row in chosen) for key in free}
    assert all(taken[key] <= max(0, free[key]) for key in free)
    assert [row.due_at for row in chosen] == sorted(row.due_at for row in chosen)
    if len(chosen) < at_most:
        for row in candidates:
            if row not in chosen:  # a limit of it is full, of older tasks that begin or wait for a place in another one
                older = [one for one in candidates if one.due_at < row.due_at]
                keys = [key for key in split_keys(row.limit_keys) if key in free]
                assert any(sum(key in split_keys(one.limit_keys) for one in older) >= free[key] for key in keys)


@given(states, st.lists(key_sets, max_size=12), st.integers(1, 8))
def test_the_first_tasks_of_each_set_are_enough(state: LimitState, waiting: list[str], at_most: int) -> None:
    """A store reads these alone: no fewer begin than if all were read, and the oldest of all begins if it may."""
    candidates = rows(waiting)
    state.waiting = sorted(set(waiting))
    room = state.room(at_most)
    read = [
        row
        for row in candidates
        if [one.limit_keys for one in candidates if one.due_at <= row.due_at].count(row.limit_keys)
        <= room.get(row.limit_keys, 0)
    ]
    chosen, of_all = state.choose(read, at_most), state.choose(candidates, at_most)
    assert len(chosen) >= len(of_all)
    if candidates and of_all and of_all[0] is candidates[0]:
        assert chosen[0] is candidates[0], "the oldest begins"


@given(st.lists(key_sets, min_size=1, max_size=8), st.lists(st.integers(1, 2), min_size=3, max_size=3))
def test_every_task_begins_in_the_end(waiting: list[str], numbers: list[int]) -> None:
    """However young tasks keep coming: the oldest one that waits begins when those before it have ended."""
    state = LimitState(dict(zip("abc", numbers, strict=True)))
    queue, clock, held = rows(waiting), len(waiting), list[WorkRow]()
    old = {row.run_id for row in queue}
    for _ in range(4 * len(waiting) + 4):
        state.held = {}
        for row in held:
            state.held[row.limit_keys] = state.held.get(row.limit_keys, 0) + 1
        chosen = state.choose(queue, 3)
        queue = [row for row in queue if row not in chosen]
        held += chosen
        if held:
            held.pop(0)
        for key in "abc":  # as many new ones as there is room for
            queue.append(WorkRow(f"new{clock}", 0, 1, "execute", "w", Micros(clock), limit_keys=key))
            clock += 1
    assert not old & {row.run_id for row in queue}


def test_keys_of_a_task() -> None:
    broad = frozenset({"workflow:orders", "workflow:orders/items", "label:env=prod"})
    assert keys_of_task(None, "orders", {}, ()) == ()
    assert keys_of_task("openai", "orders", {"env": "prod"}, ()) == ("openai",)
    assert keys_of_task("openai", "orders", {"env": "prod", "team": "x"}, broad) == (
        "openai", "workflow:orders", "label:env=prod"
    )  # fmt: skip
    assert keys_of_task(None, "orders/items/0", {}, broad) == ("workflow:orders", "workflow:orders/items")
    assert keys_of_task(None, "orders2", {"env": "dev"}, broad) == ()
    assert (split_keys(""), split_keys(join_keys(["b", "a", "b"]))) == ((), ("a", "b"))
