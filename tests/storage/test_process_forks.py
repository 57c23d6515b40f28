"""A forked child: the parent's stores refuse it, and what it opens itself is as safe as any.

Each case runs in a process of its own, which can fork without the threads and connections of the tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdwater.model.time import Micros
from holdwater.storage import open_store
from tests.storage.helpers import run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

START = """
import os, sys
from holdwater.errors import RunnerClosed
from holdwater.model.records import RunUpdate, RunFilter, RunRow, WorkRow
from holdwater.storage import open_store
url = sys.argv[1]

def birth(name, owner=None):
    row = WorkRow(name, 0, 1, "execute", "w", 1, owner=owner, lease_until=10**17)
    return RunUpdate(RunRow(name, "w", "t", "s", "c", 1), 0, [], 1, is_new=True, work_added=[row])

store = open_store(url)
"""

REFUSED = (
    START
    + """
store.register_owner("me")
store.commit([birth("r1", "me")])
store.get_run("r1")
pid = os.fork()
if pid == 0:
    calls = [
        lambda: store.get_run("r1"), lambda: store.commit([birth("r2")]), lambda: store.register_owner("x"),
        lambda: store.list_runs(RunFilter()), lambda: store.reclaim_expired(1),
        lambda: store.claim_work("me", 1, 1, 1, ["w"]),
    ]
    refused = 0
    for call in calls:
        try:
            call()
        except RunnerClosed as error:
            refused += "forked" in str(error) and "open a new one" in str(error)
    store.close()
    print(refused == len(calls), flush=True)
    sys.exit()  # with the whole end of an interpreter
os.waitpid(pid, 0)
print(store.get_run("r1") is not None, len(store.commit([birth("r3")])), store.reclaim_expired(1), flush=True)
store.close()
"""
)


@pytest.mark.parametrize("url", ["sqlite:///{}/a.db", "sqlite://", "memory://"])
def test_the_child_is_refused_and_the_parent_goes_on(tmp_path: Path, url: str) -> None:
    with run_script(REFUSED, url.format(tmp_path)) as parent:
        assert parent.read_line() == "True"
        assert parent.read_line() == "True 1 0"
    assert parent.process.returncode == 0


CHILD_LIVES = (
    START
    + """
from_child, to_parent = os.pipe()
from_parent, to_child = os.pipe()
store.commit([birth("r1")])
store.get_run("r1")
pid = os.fork()
if pid == 0:
    own = open_store(url)
    own.commit([birth("r2")])
    own.get_run("r2")
    os.write(to_parent, b".")
    os.read(from_parent, 1)
    own.commit([birth("r4")])
    own.close()
    os._exit(0)
os.read(from_child, 1)
store.commit([birth("r3")])
store.close()  # must not take the files away from the child
os.write(to_child, b".")
os.waitpid(pid, 0)
print("done", flush=True)
"""
)


def test_what_the_child_commits_in_a_store_of_its_own_is_never_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    with run_script(CHILD_LIVES, url) as parent:
        assert parent.read_line() == "done"
    store = open_store(url)
    assert [r.id for r in store.iter_runs()] == ["r1", "r2", "r3", "r4"]
    store.close()


CHILD_OUTLIVES = (
    START
    + """
store.register_owner("me")
store.commit([birth("r1", "me")])
if os.fork() == 0:
    print("child", flush=True)
    sys.stdin.readline()
    os._exit(0)
os.kill(os.getpid(), 9)
"""
)


def test_a_child_does_not_keep_its_dead_parent_alive(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    with run_script(CHILD_OUTLIVES, url) as parent:
        assert parent.read_line() == "child"
        parent.process.wait(20)
        store = open_store(url)
        assert store.reclaim_expired(Micros(1)) == 1
        store.close()
        parent.write_line()


BUSY = (
    START
    + """
import threading
stop = threading.Event()

def write(thread):
    i = 0
    while not stop.is_set():
        i += 1
        store.commit([birth(f"{thread}-{i}")])
        store.get_run(f"{thread}-{i}")

threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for i in range(20):
    pid = os.fork()
    if pid == 0:
        own = open_store(url)
        own.commit([birth(f"child-{i}")])
        own.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print(sum(r.id.startswith("child") for r in store.iter_runs()), flush=True)
store.close()
"""
)


def test_a_process_may_fork_while_its_threads_write(tmp_path: Path) -> None:
    script = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n" + BUSY
    with run_script(script, f"sqlite:///{tmp_path}/a.db?_synchronous=OFF") as parent:
        assert parent.read_line() == "20"
    assert parent.process.returncode == 0
