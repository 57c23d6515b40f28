"""Lists, counts and histograms of runs, as every store must have them: against a plain filter over random runs."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from holdwater.model.provenance import encode_labels
from holdwater.model.records import CappedCount, RunFilter, RunRow
from holdwater.model.time import Micros
from holdwater.storage.sql import run_lists
from tests.storage.conformance import StoreLocation
from tests.storage.factories import make_run_row, new_run_update

WORKFLOWS = ("orders", "orders.eu", "bills", "Bills", "re%port", "a[1]")
STATUSES = ("running", "paused", "completed", "completed", "completed", "failed", "cancelled")
RELEASES = ("1" * 16, "2" * 16, None)
ERRORS = (None, "ValueError: 100% wrong", "TimeoutError: no answer in 5_0 s", "Ärger", "a\\b")
LABELS: tuple[dict[str, str], ...] = ({}, {}, {"env": "prod"}, {"env": "dev", "team": "x"}, {"env": "prod", "team": ""})
ORIGINS = ("", "code", "cli", "cron")


def make_runs(seed: int, count: int) -> list[RunRow]:
    """Random runs, several of them with one instant; about every third is a child."""
    dice = random.Random(seed)
    runs: list[RunRow] = []
    for number in range(count):
        status, born = dice.choice(STATUSES), dice.randrange(count // 2)
        parent = dice.choice(runs) if runs and dice.random() < 0.3 else None
        ended = None if status in ("running", "paused") else Micros(born + dice.randrange(20))
        runs.append(
            make_run_row(
                f"{dice.randrange(16**8):08x}-{number}",
                workflow=dice.choice(WORKFLOWS),
                status=status,
                created_at=Micros(born),
                finished_at=ended,
                error=dice.choice(ERRORS) if status == "failed" else None,
                idempotency_key=f"Key-{number}" if dice.random() < 0.2 else None,
                parent_id=None if parent is None else parent.id,
                labels_json=encode_labels(dice.choice(LABELS)),
                origin=dice.choice(ORIGINS),
                release=dice.choice(RELEASES),
            )
        )
    return runs


def expected(runs: list[RunRow], which: RunFilter) -> list[RunRow]:
    """The runs of a filter in their order, as plain conditions."""

    def fits(run: RunRow) -> bool:
        text, end = which.text, run.finished_at
        checks = [
            which.workflow is None or run.workflow == which.workflow,
            which.status is None or run.status == which.status,
            not which.statuses or run.status in which.statuses,
            run.status not in which.excluded_statuses,
            not which.workflows or any(fnmatchcase(run.workflow, glob) for glob in which.workflows),
            not any(fnmatchcase(run.workflow, glob) for glob in which.excluded_workflows),
            which.parent_id is None or run.parent_id == which.parent_id,
            not which.top_level or run.parent_id is None,
            which.since is None or run.created_at >= which.since,
            which.until is None or run.created_at < which.until,
            which.ended_since is None or (end is not None and end >= which.ended_since),
            which.ended_until is None or (end is not None and end < which.ended_until),
            all(
                key in run.labels if value is None else run.labels.get(key) == value
                for key, value in which.labels.items()
            ),
            not which.origins or run.origin in which.origins,
            which.release is None or run.release == which.release,
            text is None
            or run.id.startswith(text)
            or run.id.endswith(text)
            or text.lower() in (run.error or "").lower()
            or text.lower() in (run.idempotency_key or "").lower(),
        ]
        return all(checks)

    return sorted(filter(fits, runs), key=which.position_of, reverse=True)


def random_filters(seed: int, runs: list[RunRow]) -> Iterator[RunFilter]:
    """Filters of one to four conditions, without end."""
    dice = random.Random(seed)
    instants = sorted(run.created_at for run in runs)
    globs = ("orders*", "*", "?ills", "re%*", "a[[]1]", "none", "[ob]*")
    choices: dict[str, Any] = {
        "workflow": lambda: dice.choice(WORKFLOWS),
        "status": lambda: dice.choice(STATUSES),
        "statuses": lambda: tuple(dice.sample(STATUSES, 3)),
        "excluded_statuses": lambda: tuple(dice.sample(STATUSES, 2)),
        "workflows": lambda: tuple(dice.sample(globs, 2)),
        "excluded_workflows": lambda: (dice.choice(globs),),
        "parent_id": lambda: dice.choice(runs).parent_id or dice.choice(runs).id,
        "top_level": lambda: True,
        "since": lambda: dice.choice(instants),
        "until": lambda: dice.choice(instants),
        "ended_since": lambda: dice.choice(instants),
        "ended_until": lambda: dice.choice(instants),
        "labels": lambda: dice.choice([*LABELS[2:], {"team": None}, {"env": "prod", "team": None}]),
        "origins": lambda: tuple(dice.sample(ORIGINS, 2)),
        "release": lambda: dice.choice(RELEASES),
        "text": lambda: dice.choice(["0", "100% W", "5_0", "KEY-1", "Är", "a\\b", dice.choice(runs).id[:6], "-7"]),
    }
    while True:
        yield RunFilter(**{name: choices[name]() for name in dice.sample(sorted(choices), dice.randint(1, 4))})


class RunListConformance:
    def test_lists_counts_and_histograms_are_those_of_a_plain_filter(
        self, place: StoreLocation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_lists, "_SCAN_STEPS_RUNS", (7, 50, 10_000))  # several steps to a page
        store, runs = place.open(), make_runs(1, 300)
        store.commit([new_run_update(run.id, **_fields(run)) for run in runs])
        spans = [
            RunFilter(top_level=is_top, since=run.created_at, until=Micros(run.created_at + 60), ended_since=Micros(1))
            for run in runs[:20]
            for is_top in (True, False)
        ]
        for which in [*itertools.islice(random_filters(2, runs), 150), *spans]:
            wanted = expected(runs, which)
            ids = [run.id for run in wanted]
            page = store.page_runs(replace(which, limit=9))
            assert ([run.id for run in page.rows], page.has_more) == (ids[:9], len(ids) > 9), which
            assert [run.id for run in store.list_runs(replace(which, limit=5, offset=3))] == ids[3:8], which
            assert store.count_runs(which) == _counts(wanted), which
            histogram = store.run_histogram(which, Micros(20), Micros(90), 7)
            span = which.of_span(Micros(20), Micros(90))
            starts = [(span.position_of(run)[0], run.status) for run in expected(runs, span)]
            assert histogram.counts == Counter((20 + (at - 20) // 7 * 7, status) for at, status in starts), which
            assert histogram.complete_since == 20

    @pytest.mark.parametrize(
        "which",
        [
            RunFilter(),
            RunFilter(top_level=True),
            RunFilter(top_level=True, statuses=("failed", "completed")),
            RunFilter(workflows=("orders*",), top_level=True),
            RunFilter(labels={"env": "prod"}),
            RunFilter(labels={"env": "prod"}, status="completed", top_level=True),
            RunFilter(top_level=True, ended_since=Micros(5)),
            RunFilter(text="-1"),
        ],
    )
    def test_pages_lead_to_the_end_and_back(
        self, place: StoreLocation, which: RunFilter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_lists, "_SCAN_STEPS_RUNS", (3, 5, 10_000))
        store, runs = place.open(), make_runs(3, 80)
        store.commit([new_run_update(run.id, **_fields(run)) for run in runs])
        ids, which = [run.id for run in expected(runs, which)], replace(which, limit=7)
        there, page = list[str](), store.page_runs(which)
        while True:
            there += [run.id for run in page.rows]
            if not page.has_more:
                break
            page = store.page_runs(replace(which, cursor=which.position_of(page.rows[-1])))
        assert there == ids
        back = list[str]()
        while True:
            back = [run.id for run in page.rows] + back
            page = store.page_runs(replace(which, cursor=which.position_of(page.rows[0]), newer=True))
            if not page.rows:
                break
        assert back == ids

    def test_labels_go_with_their_run(self, place: StoreLocation) -> None:
        store = place.open()
        labels = encode_labels({"env": "prod"})
        store.commit([new_run_update("old", labels_json=labels, finished_at=Micros(5), status="completed")])
        store.commit([new_run_update("new", labels_json=labels), new_run_update("plain")])
        prod = RunFilter(labels={"env": "prod"})
        assert [run.id for run in store.list_runs(prod)] == ["old", "new"]
        store.prune(Micros(10), (), 10)
        assert [run.id for run in store.list_runs(prod)] == ["new"]
        store.commit([new_run_update("old")])
        assert [run.id for run in store.list_runs(prod)] == ["new"], "an id that is used again has labels of its own"

    def test_names_of_workflows_are_texts_and_patterns_are_of_names(self, place: StoreLocation) -> None:
        store = place.open()
        store.commit([new_run_update(f"r{n}", workflow=name) for n, name in enumerate(("%", "'; --", "o*", "ox"))])
        for name, found in (("%", ["r0"]), ("'; --", ["r1"]), ("o*", ["r2"])):
            assert [run.id for run in store.list_runs(RunFilter(workflow=name))] == found
        assert [run.id for run in store.list_runs(RunFilter(workflows=("o*",)))] == ["r3", "r2"]
        assert store.list_runs(RunFilter(workflows=("O*",))) == []
        assert store.list_runs(RunFilter(text="%")) == store.list_runs(RunFilter(text="_")) == []


def _fields(run: RunRow) -> dict[str, Any]:
    names = (
        "workflow", "status", "created_at", "finished_at", "error", "idempotency_key", "parent_id", "labels_json",
        "origin", "release",
    )  # fmt: skip
    return {name: getattr(run, name) for name in names}


def _counts(runs: list[RunRow]) -> dict[str, CappedCount]:
    return {status: CappedCount(count) for status, count in Counter(run.status for run in runs).items()}
