"""The reconciler, with real archives, hosts and a database; a process that is killed does nothing more."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdwater.engine import Engine
from holdwater.errors import TrustError
from holdwater.model.registry import Registry
from holdwater.model.releases import ReleaseRow
from holdwater.operations.databases import Database
from holdwater.operations.releases import activate_release, remove_release, retry_release
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.reconciling.reconcile_pass import MAX_PACKAGES_PER_PASS
from holdwater.packages.reconciling.reconciler import RegistryReconciler
from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.folder_scans import ScannedFolder
from holdwater.packages.registries.registry import StoredArchive, WorkflowRegistry
from holdwater.packages.settings import EXECUTOR_NAME, PackageSettings
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from tests.daemon.daemon_process import share_host_library
from tests.daemon.packages import archive, one_task_package, schedule
from tests.suite.effort import sample_cases

BROKEN = "raise RuntimeError('no luck')"
WRITES = ("put_release", "delete_release", "put_schedule", "delete_schedule")


class Killed(BaseException):
    """A process ends here."""


@dataclass
class Scene:
    """A home with a folder of packages; `open` is a process that starts, `close` one that has ended somehow."""

    home: Path
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.home / "packages"
        self.folder.mkdir(parents=True, exist_ok=True)
        share_host_library(self.home)
        self.url = f"sqlite:///{self.home}/runs.db"
        self.open()

    def open(self) -> None:
        self.pool = HostPool(PackageSettings(), self.home)
        self.engine = Engine(
            self.url,
            DriverConfig(executors={EXECUTOR_NAME: HostExecutor(self.pool)}, scheduling=ScheduleConfig(cron=True)),
            registry=Registry(),
        )
        self.reconciler = RegistryReconciler(self.make_registry(), self.engine, self.pool, self.home, **self.options)

    def make_registry(self) -> WorkflowRegistry:
        return FilesystemWorkflowRegistry(self.folder, ScannedFolder(self.folder, 0.0))

    def close(self) -> None:
        self.reconciler.close()
        self.engine.close(0.0)
        self.pool.close()

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def reconcile(self, passes: int = 3) -> None:
        """Passes until nothing is left to do: they are level-triggered, so more of them change nothing."""
        for _ in range(passes):
            self.reconciler.reconcile()

    @property
    def database(self) -> Database:
        return Database.of(self.engine)

    def row(self, package: str, version: str) -> ReleaseRow:
        (found,) = [one for one in self.engine.store.list_releases(package) if one.version == version]
        return found

    def states(self) -> dict[str, str]:
        return {f"{row.package} {row.version}": row.state for row in self.engine.store.list_releases()}

    def started_by_name(self) -> dict[str, str | None]:
        """The release that new runs take, by workflow."""
        found = {name: self.engine.registry.find(name) for name in self.engine.registry.startable_names()}
        return {name: definition.release for name, definition in found.items() if definition is not None}

    def schedules(self) -> dict[str | None, bool]:
        return {row.name: row.enabled for row in self.engine.store.list_schedules()}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "home")
    yield made
    made.close()


def test_what_a_row_says_is_done(scene: Scene) -> None:
    """New runs take what is called active, and what is gone has no schedules any more."""
    seen: list[tuple[str, str]] = []

    def look(row: ReleaseRow) -> None:
        seen.append((row.version, row.state))
        if row.state == "active":
            assert scene.started_by_name() == {"orders": row.release}
        if row.state == "gone" and "active" not in scene.states().values():
            assert scene.schedules() == {}

    scene.reconciler.add_listener(look)
    for version in ("1.0", "2.0"):
        scene.put(f"{version}.cloacina", one_task_package("orders", version, more=schedule("orders", "0 3 * * *")))
        scene.reconcile()
    assert scene.schedules() == {"orders/often": True}
    for version in ("1.0", "2.0"):
        (scene.folder / f"{version}.cloacina").unlink()
    scene.reconcile()
    assert {("1.0", "active"), ("2.0", "active"), ("1.0", "gone"), ("2.0", "gone")} <= set(seen)


def test_versions_follow_each_other(scene: Scene) -> None:
    often = schedule("orders", "0 0 1 1 *", "yearly")
    first = scene.put("1.cloacina", one_task_package("orders", "1.0", more=often))
    result = scene.reconciler.reconcile()
    assert (result.loaded, result.unloaded, result.failed, result.total) == (("orders 1.0",), (), (), 1)
    assert scene.reconciler.reconcile().loaded == ()
    assert scene.schedules() == {"orders/yearly": True}
    old = scene.row("orders", "1.0")
    (row,) = scene.engine.store.list_schedules()
    row.enabled = False
    assert scene.engine.store.put_schedule(row)

    second = schedule("orders", "0 0 2 2 *", "yearly") + schedule("orders", "0 0 3 3 *", "other")
    scene.put("2.cloacina", one_task_package("orders", "2.0", more=second))
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "inactive", "orders 2.0": "active"}
    assert scene.started_by_name() == {"orders": scene.row("orders", "2.0").release}
    assert scene.schedules() == {"orders/yearly": False, "orders/other": True}  # it stays disabled

    run = scene.engine.submit("orders", {})  # a run of the active one
    assert run.info.release == scene.row("orders", "2.0").release
    activate_release(scene.database, old.release)
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "active", "orders 2.0": "inactive"}
    assert scene.schedules() == {"orders/yearly": False}
    assert scene.started_by_name() == {"orders": old.release}

    first.unlink()
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "gone", "orders 2.0": "active"}
    assert [path.name[:16] for path in (scene.home / "releases").glob("[0-9a-f]*")] == [
        scene.row("orders", "2.0").release
    ]
    remove_release(scene.database, scene.row("orders", "2.0").release)
    scene.engine.wait_for_run(run.info.id, 60.0)
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "gone", "orders 2.0": "gone"}
    assert list(scene.folder.iterdir()) == []
    assert scene.schedules() == {}
    assert scene.started_by_name() == {}
    scene.put("1.cloacina", one_task_package("orders", "1.0", more=often))  # the same content comes back
    scene.reconcile()
    assert scene.states()["orders 1.0"] == "active"
    scene.put("1.cloacina", one_task_package("orders", "2.0", note="other content of what is gone"))
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "gone", "orders 2.0": "active"}


def test_broken_packages_are_tried_again(scene: Scene) -> None:
    path = scene.put("bad.cloacina", archive("bad", "1.0", BROKEN))
    scene.put("good.cloacina", one_task_package("good", "1.0"))
    scene.put("none.cloacina", b"")
    result = scene.reconciler.reconcile()
    assert result.loaded == ("good 1.0",)
    assert len(result.failed) == 2
    before = scene.row("bad", "1.0")
    assert before.attempts == 1
    assert before.next_attempt_at is not None
    assert 59 <= (before.next_attempt_at - before.changed_at) / 1e6 <= 61
    scene.reconcile()
    assert scene.row("bad", "1.0") == before  # not before its time
    retry_release(scene.database, before.release)
    scene.reconcile()
    after = scene.row("bad", "1.0")
    assert after.attempts == 2
    assert after.next_attempt_at is not None
    assert 119 <= (after.next_attempt_at - after.changed_at) / 1e6 <= 121
    assert "no luck" in str(after.error)
    path.write_bytes(one_task_package("bad", "1.0"))  # other content of its version
    scene.reconcile()
    assert scene.states() == {"bad 1.0": "active", "good 1.0": "active"}


def test_a_package_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "home", {"package_timeout_seconds": 3.0})
    scene.put("hangs.cloacina", archive("hangs", "1.0", "import threading; threading.Event().wait()"))
    scene.put("good.cloacina", one_task_package("good", "1.0"))
    result = scene.reconciler.reconcile()
    assert scene.states() == {"good 1.0": "active", "hangs 1.0": "broken"}
    assert result.loaded == ("good 1.0",)
    assert "longer than 3 s" in str(scene.row("hangs", "1.0").error)
    scene.close()


def test_names_that_are_taken(scene: Scene) -> None:
    scene.put("a.cloacina", one_task_package("orders", "1.0"))
    scene.reconcile()
    scene.put("b.cloacina", one_task_package("Orders", "2.0", workflow="other"))
    scene.put("c.cloacina", one_task_package("third", "1.0", workflow="orders"))
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "active", "third 1.0": "broken"}
    assert "workflow named 'orders'" in str(scene.row("third", "1.0").error)
    (rejected,) = scene.reconciler.status.rejected
    assert "case alone" in rejected.error
    assert scene.started_by_name() == {"orders": scene.row("orders", "1.0").release}


def test_what_another_process_has_registered_is_left_alone(tmp_path: Path) -> None:
    one = Scene(tmp_path / "one")
    one.put("orders.cloacina", one_task_package("orders", "1.0", more=schedule("orders", "0 0 1 1 *", "yearly")))
    one.reconcile()
    two = Scene(tmp_path / "two")
    two.close()
    two.url = one.url
    two.open()
    two.put("other.cloacina", one_task_package("other", "1.0"))
    two.put("taken.cloacina", one_task_package("thief", "1.0", workflow="orders"))
    two.put("again.cloacina", one_task_package("orders", "1.0", note="other content"))
    two.reconcile()
    assert two.states() == {"orders 1.0": "active", "other 1.0": "active", "thief 1.0": "broken"}
    assert list(two.started_by_name()) == ["other"]
    one.reconcile()
    assert one.states() == two.states()
    assert list(one.started_by_name()) == ["orders"]
    assert one.schedules() == {"orders/yearly": True}
    two.close()
    one.close()


def test_a_registry_in_the_database(tmp_path: Path) -> None:
    class InDatabase(Scene):
        def make_registry(self) -> WorkflowRegistry:
            return DatabaseWorkflowRegistry(self.engine.store, self.engine.clock)

    scene = InDatabase(tmp_path / "home")
    registry = scene.make_registry()
    data = one_task_package("orders", "1.0")
    release = registry.register(data, by="cli:alice")
    assert registry.register(data) == release
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "active"}
    assert scene.row("orders", "1.0").registered_by == "cli:alice"
    with pytest.raises(ValueError, match=r"another archive of version 1\.0"):
        registry.register(one_task_package("orders", "1.0", note="other"))
    assert registry.get("orders", "1.0").archive.release == release
    scene.close()
    scene.open()  # another server has nothing unpacked
    scene.reconcile()
    assert scene.started_by_name() == {"orders": release}
    registry = scene.make_registry()
    registry.unregister("orders", "1.0")
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "gone"}
    assert registry.register(one_task_package("orders", "1.0", note="other")) != release
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "active"}
    scene.close()


# -- kill -9 at every write


def upgrade(scene: Scene) -> None:
    """A second version comes, with another schedule."""
    scene.put("2.cloacina", one_task_package("orders", "2.0", more=schedule("orders", "0 0 2 2 *", "second")))
    scene.reconcile()


def removal(scene: Scene) -> None:
    (scene.folder / "1.cloacina").unlink()
    scene.reconcile()


def first_load(scene: Scene) -> None:
    scene.put("3.cloacina", one_task_package("third", "1.0", more=schedule("third", "0 0 1 1 *", "yearly")))
    scene.reconcile()


def replacement(scene: Scene) -> None:
    """Other content of the version, in its file."""
    scene.put("1.cloacina", one_task_package("orders", "1.0", note="other"))
    scene.reconcile()


SCENARIOS = {one.__name__: one for one in (upgrade, removal, first_load, replacement)}
POINTS = [(name, number, after) for name in SCENARIOS for number in range(12) for after in (False, True)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """What a process makes that is not killed, by scenario."""
    return functools.cache(lambda name: run_scenario(tmp_path_factory.mktemp(name), SCENARIOS[name], None, False))


@pytest.mark.parametrize("point", sample_cases(25, POINTS))
def test_killed_at_a_write(point: tuple[str, int, bool], outcomes: Callable[[str], Any], tmp_path: Path) -> None:
    """Whatever write a process dies at, before it or after it, the next process makes what the first one would have."""
    name, number, after = point
    assert run_scenario(tmp_path, SCENARIOS[name], number, after) == outcomes(name)


def run_scenario(home: Path, scenario: Callable[[Scene], None], number: int | None, after: bool) -> Any:
    scene = Scene(home)
    scene.put("1.cloacina", one_task_package("orders", "1.0", more=schedule("orders", "0 0 1 1 *", "first")))
    scene.reconcile()
    active = scene.started_by_name()["orders"]
    if number is not None:
        with pytest.MonkeyPatch.context() as patched:
            kill_at_write(patched, scene, number, after)
            with contextlib.suppress(Killed):
                scenario(scene)
        # between the two, the database says either what was or what is to be
        states = scene.states()
        assert len([state for package, state in states.items() if state == "active" and "orders" in package]) <= 2
        scene.close()
        scene.open()
        scene.reconcile()
    else:
        scenario(scene)
    assert scene.started_by_name().get("orders", active) is not None
    found = (scene.states(), sorted(scene.started_by_name().items()), sorted(map(str, scene.schedules())))
    unpacked = sorted([path.name[:16] for path in (home / "releases").glob("[0-9a-f]*")])
    scene.close()
    return found, unpacked


def kill_at_write(patched: pytest.MonkeyPatch, scene: Scene, number: int, after: bool) -> None:
    count = 0

    def wrap(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == number + 1 and not after:
                raise Killed
            result = write(*arguments)
            if count == number + 1:
                raise Killed
            return result

        return wrapped

    for method in WRITES:
        patched.setattr(scene.engine.store, method, wrap(getattr(scene.engine.store, method)))


def test_what_is_removed_while_many_packages_come_is_seen_before_they_are_done(scene: Scene) -> None:
    def refuse(stored: StoredArchive) -> str:
        if stored.archive.manifest.name == "good":
            return ""
        raise TrustError("no key is trusted for this")

    scene.close()
    scene.options["verify_signature"] = refuse
    scene.open()
    path = scene.put("good.cloacina", one_task_package("good", "1.0", more=schedule("good", "0 0 1 1 *", "yearly")))
    scene.reconcile()
    count = 3 * MAX_PACKAGES_PER_PASS
    for number in range(count):
        scene.put(f"{number}.cloacina", one_task_package(f"p{number}", "1.0"))
    seen: list[tuple[str, str]] = []

    def note(row: ReleaseRow) -> None:
        path.unlink(missing_ok=True)
        seen.append((row.package, row.state))

    scene.reconciler.add_listener(note)
    result = scene.reconciler.reconcile()  # all of them are looked at, in whichever number of passes
    assert len(result.failed) == count
    assert result.unloaded == ("good 1.0",)
    assert scene.schedules() == {}
    attempts = [place for place, (_, state) in enumerate(seen) if state == "broken"]
    assert len(attempts) == count  # each was tried once
    assert seen.index(("good", "draining")) < attempts[-1]
