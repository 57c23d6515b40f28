"""What large workflows cost, in operations counted and never in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater.model import codec
from holdwater.model.values import StoredValue
from holdwater.tasks import Context, TaskRunData, task
from holdwater.tasks.ancestry import Ancestry
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.layered_map import LayeredMap
from tests.tasks.driver import KernelRun, get_definition, make_builder


def workflow(
    n: int, function: Callable[[Context, int], Any], dependencies: Callable[[int], list[str]]
) -> TaskWorkflowDefinition:
    made, registry = make_builder()
    with made:
        for i in range(n):
            task(id=f"t{i}", dependencies=dependencies(i))(lambda c, i=i: function(c, i))
    return get_definition(registry)


def chain(i: int) -> list[str]:
    return [f"t{i - 1}"] if i else []


def fan_out_and_in(n: int) -> Callable[[int], list[str]]:
    return lambda i: [] if i == 0 else ["t0"] if i <= n else [f"t{k}" for k in range(1, n + 1)]


def count_entries(run: KernelRun) -> int:
    """Entries in all dictionaries that all views of a run are made of, each dictionary counted once."""
    views = [run.board.view(i) for i in range(len(run.program.plan.nodes))]
    return sum({id(layer): len(layer) for view in views for layer in view.layers}.values())


class CodecCalls:
    """Copies and encodings of values, while it is in force."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.copies = self.encodings = 0
        copy, encode, make = StoredValue.copy, codec.encode, StoredValue.encode.__func__  # type: ignore[attr-defined]

        def copying(stored: StoredValue) -> Any:
            self.copies += 1
            return copy(stored)

        def encoding(value: Any) -> str:
            self.encodings += 1
            return encode(value)

        def making(cls: type[StoredValue], value: Any) -> Any:
            self.encodings += 1
            return make(cls, value)

        monkeypatch.setattr(StoredValue, "copy", copying)
        monkeypatch.setattr(StoredValue, "encode", classmethod(making))
        monkeypatch.setattr(codec, "encode", encoding)


def work(c: Context, i: int) -> None:
    c["rows"].append(i)
    c[f"new{i}"] = c["n"]


def test_a_task_is_not_dearer_in_a_context_of_1000_keys_than_in_one_of_10(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []
    for keys in (10, 1000):
        run = KernelRun(workflow(50, work, chain), {"rows": [0], "n": 1, **{f"k{i}": [i] for i in range(keys - 2)}})
        with monkeypatch.context() as patch:
            count = CodecCalls(patch)
            run.run_to_end()
        costs.append((count.copies, count.encodings, count_entries(run) - keys))
    small, large = costs
    assert large[:2] == small[:2]
    assert large[2] <= small[2]


def test_1000_tasks_that_each_add_a_key_copy_each_entry_log_n_times() -> None:
    run = KernelRun(workflow(1000, lambda c, i: c.set(f"k{i}", i), chain)).run_to_end()
    assert len(run.final_context) == 1000
    assert count_entries(run) <= 1000 * 11


def test_a_chain_of_10000_that_only_reads_shares_one_view() -> None:
    seen: list[Any] = []
    run = KernelRun(workflow(10_000, lambda c, i: seen.append(c["x"]), chain), {"x": [1]}).run_to_end()
    assert (run.machine.status, len(seen)) == ("completed", 10_000)
    assert len({id(run.board.view(i)) for i in range(10_000)}) == 1


def test_a_chain_of_10000_that_all_write_one_key_after_a_restart() -> None:
    run = KernelRun(workflow(10_000, lambda c, i: {"n": c["n"] + 1}, chain), {"n": 0}).run_to_end()
    fresh = TaskRunData(run.machine)  # knows nothing yet
    assert fresh.result()["n"].copy() == 10_000
    assert count_entries(run) <= 10_001


@pytest.mark.parametrize("n", [1000])
def test_a_fan_of_1000_is_linear(n: int) -> None:
    run = KernelRun(
        workflow(n + 2, lambda c, i: c.set(f"k{i}", i), fan_out_and_in(n)), {f"old{i}": i for i in range(100)}
    ).run_to_end()
    assert len(run.final_context) == n + 2 + 100
    assert count_entries(run) <= 6 * (n + 100)


def test_no_ancestor_is_asked_for_where_no_key_has_two_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(Ancestry, "seen_by", lambda *a: asked.append(a) or 0)  # type: ignore[func-returns-value]
    run = KernelRun(workflow(102, lambda c, i: c.set(f"k{i}", i), fan_out_and_in(100)), {"x": 1}).run_to_end()
    assert len(run.final_context) == 103
    assert asked == []


def test_a_fan_that_appends_to_one_list_encodes_once_at_the_join(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 300
    bases: list[Any] = []
    base = TaskRunData._find_merge_base
    monkeypatch.setattr(TaskRunData, "_find_merge_base", lambda *a: bases.append(a) or base(*a))  # type: ignore[func-returns-value]
    run = KernelRun(workflow(n + 2, lambda c, i: c["l"].append(i), fan_out_and_in(n)), {"l": []}).run_to_end()
    assert run.final_context == {"l": list(range(n + 2))}
    assert len(bases) == n - 1


def test_the_base_of_a_long_history_is_its_latest_write(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 500
    looked: list[Any] = []
    value = TaskRunData._written_value
    monkeypatch.setattr(TaskRunData, "_written_value", lambda *a: looked.append(a) or value(*a))  # type: ignore[func-returns-value]

    made, registry = make_builder()
    with made:
        for i in range(n):
            task(id=f"t{i}", dependencies=chain(i))(lambda c, i=i: c["l"].append(i))
        for name in "ab":
            task(id=name, dependencies=[f"t{n - 1}"])(lambda c, name=name: c["l"].append(name))
        task(id="j", dependencies=["a", "b"])(lambda c: None)
    assert KernelRun(get_definition(registry), {"l": []}).run_to_end().final_context == {"l": [*range(n), "a", "b"]}
    assert len(looked) == 1


def test_a_join_looks_at_each_shared_dictionary_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, n = 127, 200  # 127 pushes: seven dictionaries, which the fan flattens
    made, registry = make_builder()
    with made:
        for i in range(keys):
            task(id=f"t{i}", dependencies=chain(i))(lambda c, i=i: c.set(f"k{i}", i))
        for i in range(n):
            task(id=f"b{i}", dependencies=[f"t{keys - 1}"])(lambda c, i=i: c.set(f"b{i}", i))
        task(id="j", dependencies=[f"b{i}" for i in range(n)])(lambda c: None)
    run = KernelRun(get_definition(registry)).run_to_end()
    board = TaskRunData(run.machine)
    for i in range(keys + n):
        board.view(i)
    looked: list[Any] = []
    get = LayeredMap.get
    monkeypatch.setattr(LayeredMap, "get", lambda *a: looked.append(a) or get(*a))  # type: ignore[func-returns-value]
    assert board.view(keys + n).count == keys + n
    assert len(looked) <= 5 * (keys + n) + 2 * n


def test_joining_a_short_branch_into_a_long_one_looks_at_the_short_one() -> None:
    n = 400
    for dependencies in (["side", "main"], ["main", "side"]):
        made, registry = make_builder()
        with made:
            task(id="side")(lambda c: c.set("side", 1))
            for i in range(n):
                last = {"side": "side", "main": f"t{i - 1}"}
                after = [last[one] for one in dependencies] if i else []
                task(id=f"t{i}", dependencies=after)(lambda c, i=i: c.set(f"k{i}", i))
        run = KernelRun(get_definition(registry)).run_to_end()
        assert len(run.final_context) == n + 1
        assert count_entries(run) <= n * 12
