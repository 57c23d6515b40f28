"""What every store must do with open questions.  Subclass it with a fixture `place`, as `StoreConformance`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdwater.model.ports.store import Store
from holdwater.model.records import FirstQuestion, QuestionChanges, QuestionRow, RunUpdate
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import make_work_row, new_run_update, run_update


def asking(run_id: str, at: int, *asked: tuple[int, int]) -> RunUpdate:
    update = new_run_update(run_id)
    update.at, update.questions = Micros(at), QuestionChanges(list(asked))
    return update


class QuestionConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_questions_are_listed_by_their_instants(self, store: Store) -> None:
        store.commit([asking("r2", 20, (0, 1), (3, 2)), asking("r1", 30, (1, 1)), asking("r3", 10, (0, 5))])
        oldest = [
            QuestionRow("r3", 0, 5, Micros(10)),
            QuestionRow("r2", 0, 1, Micros(20)),
            QuestionRow("r2", 3, 2, Micros(20)),
            QuestionRow("r1", 1, 1, Micros(30)),
        ]
        assert store.list_questions(10, newest_first=False) == oldest
        assert store.list_questions(10) == oldest[::-1]
        assert store.list_questions(0) == []
        for newest_first, rows in ((True, oldest[::-1]), (False, oldest)):
            for k, row in enumerate(rows):
                place = (row.asked_at, row.run_id, row.node)
                assert store.list_questions(2, place, newest_first=newest_first) == rows[k + 1 : k + 3]
        assert [store.count_questions(limit) for limit in (0, 3, 4, 5)] == [0, 3, 4, 4]

    def test_a_question_is_closed_and_asked_again_by_commits(self, store: Store) -> None:
        first = asking("r1", 10, (0, 1), (1, 1))
        store.commit([first, asking("r2", 10, (0, 1))])
        second = run_update("r1", first.run.seq, at=20)
        second.questions = QuestionChanges([(1, 2)], [0])
        store.commit([second])
        assert store.list_questions(10) == [QuestionRow("r1", 1, 2, Micros(20)), QuestionRow("r2", 0, 1, Micros(10))]
        late = run_update("r1", first.run.seq)
        late.questions = QuestionChanges([], [1])
        store.commit([late])
        assert store.count_questions(10) == 2, "a change that conflicts closes nothing"

    def test_the_first_question_of_each_run_is_its_own_or_of_its_children(self, store: Store) -> None:
        store.commit([asking("r1", 10, (4, 1), (2, 1)), asking("r1/each.1.0", 5, (0, 1))])
        store.commit([new_run_update("r2"), asking("r2/each.1.1", 5, (1, 1)), asking("r2/each.1.1/in.1.0", 5, (0, 1))])
        store.commit([new_run_update("r3"), asking("r3-other", 5, (0, 1)), asking("r30", 5, (0, 1))])
        assert store.first_questions(["r1", "r2", "r3", "unknown"]) == {
            "r1": FirstQuestion("r1", "s1", 2, False),
            "r2": FirstQuestion("r2/each.1.1", "s1", 1, False),
        }
        assert store.first_questions([]) == {}

    @pytest.mark.parametrize(
        ("entries", "is_suspended"),
        [
            (['["paused",""]'], True),
            (['["paused","","cli:alice"]', '["resumed",""]'], False),
            (['["resumed",""]', '["paused","again"]', '["succeeded",0,["x"]]'], True),
            (['["succeeded",0,[["paused","data"],"[\\"paused\\",1]"]]'], False),
        ],
    )
    def test_a_run_is_suspended_if_its_last_request_was_a_pause(
        self, store: Store, entries: list[str], is_suspended: bool
    ) -> None:
        first = asking("r1", 10, (0, 1))
        store.commit([first, asking("r2", 10, (0, 1))])
        store.commit([run_update("r1", first.run.seq, [entries[0]])])
        if entries[1:]:
            store.commit([run_update("r1", first.run.seq + 1, entries[1:])])
        found = store.first_questions(["r1", "r2"])
        assert {run_id: one.is_suspended for run_id, one in found.items()} == {"r1": is_suspended, "r2": False}

    def test_ready_work_is_listed_the_oldest_first(self, store: Store) -> None:
        rows = [
            make_work_row("r1", 0, due_at=30),
            make_work_row("r1", 1, due_at=10, owner="someone", lease_until=50),
            make_work_row("r1", 2, due_at=10, kind="timer"),
            make_work_row("r1", 3, due_at=20),
        ]
        store.commit([new_run_update("r1", rows), new_run_update("r2", [make_work_row("r2", due_at=25)])])
        assert [(row.run_id, row.node) for row in store.list_ready_work(10)] == [("r1", 3), ("r2", 0), ("r1", 0)]
        assert [row.node for row in store.list_ready_work(1)] == [3]

    def test_a_database_tells_how_it_is(self, store: Store) -> None:
        found = store.inspect()
        assert found.is_writable
        assert (found.pending, found.unknown) == ((), ())
        assert found.migrations == () or found.migrations[0] == (1, "pre", "initial")

    def test_questions_go_with_their_run(self, store: Store) -> None:
        ended = asking("r1", 10, (0, 1))
        ended.run.status, ended.run.finished_at = "completed", Micros(15)
        store.commit([ended, asking("r2", 10, (0, 1))])
        assert store.prune(Micros(100), (), 10).pruned_count == 1
        assert [row.run_id for row in store.list_questions(10)] == ["r2"]
