"""The watched folder of a daemon that is a real process: what is put there, changed and removed."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from holdwater.operations.databases import open_for_reading
from tests.daemon.daemon_process import DaemonProcess
from tests.daemon.packages import archive, one_task_package, schedule

BROKEN = "raise RuntimeError('no luck at import')"


def test_a_package_is_loaded_runs_and_is_unloaded(daemon: DaemonProcess) -> None:
    daemon.start()
    often = schedule("orders", "* * * * * *")
    path = daemon.put("orders.cloacina", one_task_package("orders", "1.0", more=often))
    daemon.wait_until(lambda: [run for run in daemon.runs(workflow="orders") if run.status == "completed"])
    assert daemon.states() == {"orders 1.0": "active"}
    assert {run.started_by for run in daemon.runs()} == {"schedule:orders/often"}
    assert all(run.release is not None for run in daemon.runs())

    os.utime(path)  # nothing else about it changes
    path.rename(path.with_name("renamed.cloacina"))
    daemon.wait_until(lambda: "renamed" in (daemon.health() or {"releases": [{"source": ""}]})["releases"][0]["source"])
    assert daemon.states() == {"orders 1.0": "active"}

    path.with_name("renamed.cloacina").unlink()
    daemon.wait_until(lambda: daemon.states() == {})
    with open_for_reading(daemon.url) as database:
        assert database.store.list_schedules() == []
    assert list((daemon.home / "releases").glob("[0-9a-f]*")) == []
    assert daemon.stop() == 0


def test_versions_and_broken_packages(daemon: DaemonProcess) -> None:
    daemon.put("a.cloacina", one_task_package("orders", "1.10"))
    daemon.put("bad.cloacina", archive("bad", "1.0", BROKEN))
    daemon.put("no.cloacina", b"not an archive")
    daemon.put("good.cloacina", one_task_package("good", "1.0"))
    daemon.put("taken.cloacina", one_task_package("thief", "1.0", workflow="good"))
    daemon.start()
    daemon.wait_until(lambda: len(daemon.states()) == 5 and "registering" not in daemon.states().values())
    states = daemon.states()
    assert states["orders 1.10"] == "active"
    assert states["bad 1.0"] == states["no.cloacina"] == "broken"
    assert "no luck at import" in daemon.error_of("bad 1.0")
    assert "Traceback" in daemon.error_of("bad 1.0")
    # of two packages with one workflow, one has it, and it is not said which
    assert sorted([states["good 1.0"], states["thief 1.0"]]) == ["active", "broken"]

    # an older version that comes later is not active, and neither is a newer one that does not register
    daemon.put("b.cloacina", one_task_package("orders", "1.9"))
    daemon.put("c.cloacina", archive("orders", "2.0", BROKEN))
    daemon.wait_for(orders="1.9 inactive")
    daemon.wait_for(orders="2.0 broken")
    assert daemon.states()["orders 1.10"] == "active"

    # other content of one version: neither is used
    other = daemon.put("d.cloacina", one_task_package("orders", "1.10", note="other"))
    daemon.wait_for(orders="1.10 broken")
    assert str(other) in daemon.error_of("orders 1.10")
    assert "twice" in daemon.error_of("d.cloacina")
    daemon.wait_for(orders="1.9 active")
    other.unlink()
    daemon.wait_for(orders="1.10 active")
    assert daemon.stop() == 0


def test_a_file_that_is_being_written_is_left_alone(daemon: DaemonProcess) -> None:
    data = one_task_package("orders", "1.0")
    daemon.start()
    for name in (".orders.cloacina", "orders.cloacina.part", "orders.cloacina.tmp", "orders.zip"):
        (daemon.packages / name).write_bytes(data)
    path = daemon.packages / "orders.cloacina"
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), 64):
            file.write(data[start : start + 64])
    daemon.wait_for(orders="1.0 active")
    assert list(daemon.states()) == ["orders 1.0"]

    # half of it, for longer than the pause: it is no archive, and says so; the whole replaces it
    half = daemon.packages / "half.cloacina"
    other = one_task_package("other", "1.0")
    half.write_bytes(other[: len(other) // 2])
    daemon.wait_until(lambda: daemon.states().get("half.cloacina") == "broken")
    half.write_bytes(other)
    daemon.wait_for(other="1.0 active")
    assert "half.cloacina" not in daemon.states()

    # the same file with another version: the new one is loaded, the old one is gone
    daemon.put("orders.cloacina", one_task_package("orders", "2.0"))
    daemon.wait_until(lambda: daemon.states() == {"orders 2.0": "active", "other 1.0": "active"})

    # ... and with other content of the same version; what is broken does not replace what is good
    first = ""

    def release() -> str:
        found = (daemon.health() or {})["releases"]
        return next((str(one["release"]) for one in found if one["package"] == "orders"), first)

    first = release()
    for broken in (archive("orders", "2.0", BROKEN), archive("orders", "3.0", BROKEN), b"nothing"):
        daemon.put("orders.cloacina", broken)
        daemon.wait_until(lambda: "broken" in daemon.states().values())
        assert daemon.states()["orders 2.0"] == "active"
        assert release() == first
        daemon.put("orders.cloacina", one_task_package("orders", "2.0"))
        daemon.wait_until(lambda: "broken" not in daemon.states().values())
    daemon.put("orders.cloacina", one_task_package("orders", "2.0", note="again"))
    daemon.wait_until(lambda: release() != first and daemon.states()["orders 2.0"] == "active")
    assert daemon.stop() == 0


def test_a_folder_that_vanishes_keeps_its_packages(daemon: DaemonProcess, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    daemon.put("orders.cloacina", one_task_package("orders", "1.0"), folder)
    daemon.start("--watch-dir", str(folder))
    daemon.wait_for(orders="1.0 active")
    folder.rename(tmp_path / "elsewhere")
    daemon.wait_until(lambda: "cannot be read" in daemon.log())
    daemon.put("other.cloacina", one_task_package("other", "1.0"))
    daemon.wait_for(other="1.0 active")  # passes of the reconciler go on
    assert daemon.states()["orders 1.0"] == "active"
    assert daemon.stop() == 0

    daemon.start("--watch-dir", str(folder))  # it is still away
    daemon.wait_for(orders="1.0 active", other="1.0 active")
    (tmp_path / "elsewhere").rename(folder)
    daemon.put("third.cloacina", one_task_package("third", "1.0"), folder)
    daemon.wait_for(orders="1.0 active", third="1.0 active")
    assert daemon.log().count("cannot be read") == 2
    assert daemon.log().count("mounted is back") == 1
    shutil.rmtree(folder)
    assert daemon.stop() == 0


def test_a_removed_version_lets_its_runs_end(daemon: DaemonProcess) -> None:
    source = """
from pathlib import Path
import time
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("slow"):

    @task()
    def first(context):
        Path(context["folder"], "running").touch()
        while not Path(context["folder"], "go").exists():
            time.sleep(0.005)

    @task(dependencies=[first])
    def second(context):
        context["done"] = True
"""
    context = f'\n[schedules.context]\nfolder = "{daemon.home}"\n'
    daemon.start()
    path = daemon.put(
        "slow.cloacina", archive("slow", "1.0", source, more=schedule("slow", "* * * * * *", "once") + context)
    )
    daemon.wait_until((daemon.home / "running").exists)
    path.unlink()
    daemon.wait_for(slow="1.0 draining")
    open_runs = [run for run in daemon.runs() if run.finished_at is None]
    daemon.signal(signal.SIGHUP)
    assert open_runs
    (daemon.home / "go").touch()
    daemon.wait_until(lambda: daemon.states() == {})
    assert {run.status for run in daemon.runs()} == {"completed"}
    assert daemon.stop() == 0
