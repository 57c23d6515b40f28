"""Runs folded once and kept: looking again costs what is new, and shows the same as a fold of the whole journal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import RunNotFound
from holdwater.graphs import Graph, interrupt, node
from holdwater.model.ports.store import Store
from holdwater.runs.folded_runs import FoldedRuns
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView
from tests.suite.runners import Define, Gate


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def reader(runner: DefaultRunner) -> RunReader:
    return runner._engine.reader


def shown(view: RunView) -> tuple[Any, ...]:
    return (
        view.status, view.nodes, [(e.type, e.position) for e in view.events], dict(view.result), view.info,
        dict(view.starting_values), [dict(view.input_values(node.name)) for node in view.nodes],
    )  # fmt: skip


def noop(context: Any) -> None:
    context["n"] = 1


@node(output_name="draft")
def write(topic: str) -> str:
    return f"about {topic}"


@interrupt(answer_name="verdict", response_type=str)
def ask(draft: str) -> str | None:
    return f"print {draft}?"


def count_journal_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The entries behind which the journal is read, at each look."""
    looks: list[int] = []
    read = store.read_journal

    def counted(run_id: str, after_seq: int = 0) -> Any:
        looks.append(after_seq)
        return read(run_id, after_seq=after_seq)

    monkeypatch.setattr(store, "read_journal", counted)
    return looks


def test_a_run_that_goes_on_is_read_from_where_it_was(
    runner: DefaultRunner, reader: RunReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = FoldedRuns(reader.store, reader.clock)
    run_id = runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id
    before = folded.view(run_id)
    as_it_was = shown(before)
    looks = count_journal_reads(reader.store, monkeypatch)
    assert shown(folded.view(run_id)) == as_it_was
    assert looks == [before.info.journal_length]
    runner.answer(run_id, None, "yes")
    runner.handle(run_id).result(20)
    after = folded.view(run_id)
    assert after.status == "completed"
    assert shown(after) == shown(reader.view(run_id))
    assert shown(before) == as_it_was


def test_a_request_that_waited_for_another_one_does_not_read_the_journal_again(
    runner: DefaultRunner, reader: RunReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = FoldedRuns(reader.store, reader.clock)
    run_id = runner.execute(Graph([write, ask], name="press"), {"topic": "rain"}).run_id
    early = folded.row(run_id)
    runner.answer(run_id, None, "yes")
    runner.handle(run_id).result(20)
    length = folded.view(run_id).info.journal_length
    assert length > early.seq
    rows = iter([early, folded.row(run_id)])
    monkeypatch.setattr(folded, "row", lambda _: next(rows))
    looks = count_journal_reads(reader.store, monkeypatch)
    assert folded.view(run_id).status == "completed"
    assert looks == [length]


def test_what_was_worked_out_is_kept_while_nothing_changes(
    runner: DefaultRunner, reader: RunReader, define: Define
) -> None:
    define("w", ("a", noop, {}))
    run_id = runner.execute("w").run_id
    folded = FoldedRuns(reader.store, reader.clock)
    first = folded.view(run_id)
    nodes, events = first.nodes, first.events
    again = folded.view(run_id)
    assert again is not first
    assert again.nodes is nodes
    assert again.events is events


def test_a_task_that_begins_is_seen(runner: DefaultRunner, reader: RunReader, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    folded = FoldedRuns(reader.store, reader.clock)
    handle = runner.submit("w")
    gate.wait_started()
    assert folded.view(handle.run_id).nodes[0].state == "running"
    gate.open.set()
    handle.result(20)
    assert folded.view(handle.run_id).nodes[0].state == "completed"


def test_retries_and_resets_are_seen(runner: DefaultRunner, reader: RunReader, define: Define) -> None:
    left = [1]

    def body(context: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ValueError("no")

    define("w", ("a", body, {"retry_attempts": 1}), ("b", noop, {"dependencies": ["a"]}))
    folded = FoldedRuns(reader.store, reader.clock)
    handle = runner.submit("w")
    handle.result(20)
    assert folded.view(handle.run_id).status == "failed"
    handle.retry()
    handle.result(20)
    assert shown(folded.view(handle.run_id)) == shown(reader.view(handle.run_id))
    assert folded.view(handle.run_id).status == "completed"


def test_only_so_many_runs_and_entries_are_kept(runner: DefaultRunner, reader: RunReader, define: Define) -> None:
    define("w", ("a", noop, {}), ("b", noop, {"dependencies": ["a"]}))
    ids = [runner.execute("w").run_id for _ in range(4)]
    length = reader.row(ids[0]).seq
    few = FoldedRuns(reader.store, reader.clock, max_runs=2)
    for run_id in ids:
        few.view(run_id)
    assert [run_id in few for run_id in ids] == [False, False, True, True]
    small = FoldedRuns(reader.store, reader.clock, max_entries=length)
    for run_id in ids:
        assert small.view(run_id).status == "completed"
    assert [run_id in small for run_id in ids] == [False, False, False, True]
    tiny = FoldedRuns(reader.store, reader.clock, max_entries=0)
    assert tiny.view(ids[0]).status == "completed"
    assert len(tiny) == 1


def test_a_run_that_is_not_there(reader: RunReader) -> None:
    folded = FoldedRuns(reader.store, reader.clock)
    with pytest.raises(RunNotFound):
        folded.view("none")
    assert len(folded) == 0


def test_requests_at_the_same_time_see_the_same_run(
    runner: DefaultRunner, reader: RunReader, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    define("w", ("a", noop, {}))
    run_id = runner.execute("w").run_id
    folded = FoldedRuns(reader.store, reader.clock)
    folds: list[str] = []
    fold: Callable[..., Any] = folded.fold

    def counted(row: Any) -> Any:
        folds.append(row.id)
        return fold(row)

    monkeypatch.setattr(folded, "fold", counted)
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(shown(folded.view(run_id)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == 8
    assert all(one == seen[0] for one in seen)
    assert folds == [run_id]
