"""The runners of steps and of graphs, killed before and after every transaction, and called again."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from holdwater.storage.checkpoints.file import FileCheckpoints
from holdwater.storage.checkpoints.port import CheckpointBackend
from holdwater.storage.checkpoints.redis import RedisCheckpoints
from holdwater.storage.checkpoints.store import CheckpointedStore
from tests.crash import graph_shapes, step_shapes
from tests.crash.databases import Databases, count_recorded_ends, places
from tests.crash.runners_under_test import RUN
from tests.crash.test_every_commit import Job, start
from tests.crash.test_styles import LONG, SOME, crash_points, without_times
from tests.storage.redis_server import redis_url as redis_url

__all__ = ["places", "redis_url", "start"]

STEPS = [(storage, shape) for storage in ("sqlite", "postgresql", "file", "redis") for shape in step_shapes.SHAPES]
GRAPHS = [(storage, shape) for storage in ("sqlite", "postgresql") for shape in graph_shapes.SHAPES]
FEW_STEPS = [
    ("sqlite", "mapped"), ("sqlite", "naps"), ("file", "nested"), ("file", "persistent"), ("redis", "mapped"),
]  # fmt: skip
FEW_GRAPHS = [("sqlite", "loops"), ("sqlite", "nests"), ("sqlite", "asks_inside")]
"""On a server each case takes until a lease has run out, half a minute."""


class RunStorage:
    """Where a runner keeps its runs, and what is recorded there."""

    def __init__(self, storage: str, places: Databases, directory: Path, name: str, redis_url: str | None) -> None:
        self._storage, self._places, self._name, self._redis_url = storage, places, name, redis_url
        self.url = str(directory / name)
        if storage in ("sqlite", "postgresql"):
            self.url = places.url(storage, name)
        elif redis_url is not None:
            self.url = redis_url

    def recorded_ends(self) -> Counter[str]:
        """How often a body came to something that is recorded, by node."""
        if self._storage in ("sqlite", "postgresql"):
            return self._places.recorded_ends(self._storage, self._name)
        store = CheckpointedStore(self._open_port())
        try:
            port = store._backend
            runs = [run for run_id in (RUN, *port.find_descendants(RUN)) if (run := store.get_run(run_id)) is not None]
            plans = [(run.structure, json.dumps(store.get_plan(run.structure))) for run in runs]
            rows = [(run.id, run.structure, None, row.entries) for run in runs for row in store.read_journal(run.id)]
            return count_recorded_ends(plans, rows)
        finally:
            store.close()

    def _open_port(self) -> CheckpointBackend:
        if self._redis_url is None:
            return FileCheckpoints(self.url)
        return RedisCheckpoints(self._redis_url)

    def expire_locks(self) -> None:
        """In Redis nobody sees that a process died, only that it does not renew its lock."""
        if self._redis_url is not None:
            import redis

            with redis.Redis.from_url(self._redis_url) as server:
                for key in server.scan_iter("*:lock"):
                    server.delete(key)

    def clear(self) -> None:
        if self._redis_url is not None:
            import redis

            with redis.Redis.from_url(self._redis_url) as server:
                server.flushdb()


def case(face: str, storage: str, shape: str, every: int, **options: Any) -> Any:
    return pytest.param(face, storage, shape, every, **options)


@pytest.mark.parametrize(
    ("face", "storage", "shape", "every"),
    [
        *[case("steps", *one, SOME) for one in FEW_STEPS],
        *[case("graphs", *one, SOME) for one in FEW_GRAPHS],
        *[case("steps", *one, SOME if one[0] == "postgresql" else 1, marks=LONG) for one in STEPS],
        *[case("graphs", *one, SOME if one[0] == "postgresql" else 1, marks=LONG) for one in GRAPHS],
    ],
)
def test_killed_at_transactions(
    face: str,
    storage: str,
    shape: str,
    every: int,
    start: Job,
    places: Databases,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    server: str | None = request.getfixturevalue("redis_url") if storage == "redis" else None
    kind = "database" if storage in ("sqlite", "postgresql") else storage

    def go(place: RunStorage, name: str, crash_at: int = 0, when: str = "never") -> int:
        log, out = (tmp_path / f"{name}.{what}" for what in ("log", "out"))
        job = {"url": place.url, "log": log, "out": out, "shape": shape, "face": face, "storage": kind}
        return start(**job, crash_at=crash_at, when=when)

    def outcome(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / f"{name}.out").read_text(), object_hook=without_times)
        return found

    def begun(name: str) -> Counter[str]:
        log = tmp_path / f"{name}.log"
        return Counter(log.read_text().splitlines() if log.exists() else [])

    def opened(name: str) -> RunStorage:
        place = RunStorage(storage, places, tmp_path, name, server)
        place.clear()
        return place

    assert go(opened("reference"), "reference") == 0
    reference = outcome("reference")
    transactions = reference.pop("transactions")
    assert reference["status"] == "completed"
    points = 0
    for _, n, when in crash_points([transactions], every):
        name = f"{n}-{when}"
        place = opened(name)
        status = go(place, name, n, when)
        assert status in (0, -signal.SIGKILL), name
        points += status != 0
        place.expire_locks()
        recorded, before = place.recorded_ends(), begun(name)
        assert all([before[node] >= recorded[node] for node in before]), name
        assert go(place, name) == 0, name
        result = outcome(name)
        result.pop("transactions")
        assert result == reference, name
        again, since = begun(name) - before, place.recorded_ends() - recorded
        assert again == Counter({node: count for node, count in since.items() if node in before + again}), name
    assert points >= transactions // every
