"""Bodies that wait for many child runs at once: no wake-up is lost, no thread is needed, no slot is kept or lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle
from holdwater.errors import StoreUnavailable, TaskCancelled, TaskEnded, WorkflowError, WorkflowNotFound
from holdwater.graphs import Graph, NodeContext, node, register_graph
from holdwater.model.registry import registry
from holdwater.storage import open_store
from tests.engine.fake_clock import FakeClock
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]
PATIENCE_SECONDS = 60.0
BOTH = ("sqlite", "postgresql")
ALL = pytest.mark.parametrize("url", ["memory", *BOTH], indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    kind = getattr(request, "param", "sqlite")
    return {"memory": lambda: "memory://", "postgresql": migrated_schema}.get(
        kind, lambda: f"sqlite:///{tmp_path}/runs.db"
    )()


def double(context: Context) -> None:
    context["n"] = 2 * context["n"]


def sum_of(results: Any) -> int:
    return sum(result.final_context["n"] for result in results)


async def calls_in_gather(context: Context, handle: TaskHandle) -> None:
    calls = [handle.execute_async("double", {"n": n}) for n in range(context["count"])]
    context["sum"] = sum_of(await asyncio.gather(*calls))


def calls_in_threads(context: Context, handle: TaskHandle) -> None:
    with ThreadPoolExecutor(8) as pool:
        context["sum"] = sum_of(pool.map(lambda n: handle.execute("double", {"n": n}), range(context["count"])))


def calls_in_own_event_loop(context: Context, handle: TaskHandle) -> None:
    asyncio.run(calls_in_gather(context, handle))


def calls_in_threads_and_event_loops(context: Context, handle: TaskHandle) -> None:
    count = context["count"]

    async def some(begin: int) -> int:
        calls = [handle.execute_async("double", {"n": n}) for n in range(begin, count, 4)]
        return sum_of(await asyncio.gather(*calls))

    with ThreadPoolExecutor(4) as pool:
        context["sum"] = sum(pool.map(lambda begin: asyncio.run(some(begin)), range(4)))


async def calls_sequentially(context: Context, handle: TaskHandle) -> None:
    context["sum"] = sum_of([await handle.execute_async("double", {"n": n}) for n in range(context["count"])])


WAYS = [
    calls_in_gather,
    calls_in_threads,
    calls_in_own_event_loop,
    calls_in_threads_and_event_loops,
    calls_sequentially,
]


@ALL
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [60, pytest.param(3000, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("limit", [1, 4])
def test_many_children_of_one_body(
    open_runner: Open, define: Define, way: Callable[..., Any], count: int, limit: int
) -> None:
    define("double", ("double", double, {}))
    define("parent", ("a", way, {}))
    runner = open_runner(max_concurrent_tasks=limit)
    result = runner.submit("parent", {"count": count}).result(PATIENCE_SECONDS if count < 1000 else 500)
    assert (result.status, result.final_context["sum"]) == ("Completed", count * (count - 1))
    assert all_slots_are_back(runner)


def all_slots_are_back(runner: DefaultRunner) -> bool:
    """Neither too few nor too many, a moment after the last body told its end."""
    while any(m.active_tasks > 0 for m in runner.executor_metrics().values()):  # bounded by the test's time-out
        poll_pause()
    return all(m.active_tasks == 0 for m in runner.executor_metrics().values())


@ALL
@pytest.mark.parametrize("kind", ["async", "threads", "mixed"])
@pytest.mark.parametrize("depth", [40, pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
def test_nested_deeper_than_there_are_slots_and_threads(
    open_runner: Open, define: Define, kind: str, depth: int
) -> None:
    async def level(context: Context, handle: TaskHandle) -> None:
        n = context["n"]
        context["n"] = n if n == depth else (await handle.execute_async(name(n + 1), {"n": n + 1})).final_context["n"]

    def level_in_a_thread(context: Context, handle: TaskHandle) -> None:
        n = context["n"]
        context["n"] = n if n == depth else handle.execute(name(n + 1), {"n": n + 1}).final_context["n"]

    def name(n: int) -> str:
        return {"async": "level", "threads": "level in a thread"}.get(kind, ("level", "level in a thread")[n % 2])

    define("level", ("a", level, {}))
    define("level in a thread", ("a", level_in_a_thread, {}))
    runner = open_runner(max_concurrent_tasks=1)
    assert runner.submit(name(0), {"n": 0}).result(PATIENCE_SECONDS).final_context["n"] == depth
    assert all_slots_are_back(runner)


@ALL
def test_a_tree_of_children_on_one_slot(open_runner: Open, define: Define) -> None:
    async def branch(context: Context, handle: TaskHandle) -> None:
        left = context["left"]
        calls = [handle.execute_async("branch" if left > 1 else "leaf", {"left": left - 1}) for _ in range(3)]
        context["leaves"] = sum(result.final_context["leaves"] for result in await asyncio.gather(*calls))

    def leaf(context: Context) -> None:
        context["leaves"] = 1

    define("branch", ("a", branch, {}))
    define("leaf", ("a", leaf, {}))
    runner = open_runner(max_concurrent_tasks=1)
    assert runner.submit("branch", {"left": 3}).result(PATIENCE_SECONDS).final_context["leaves"] == 27
    assert all_slots_are_back(runner)


def test_children_of_graphs_wait_in_the_same_way(open_runner: Open, define: Define) -> None:
    """With the context of a node: in its body, in threads the body has started, and in coroutines."""
    define("double", ("double", double, {}))

    @node(output_name="plain")
    def plain(count: int, context: NodeContext) -> int:
        return sum_of([context.execute("double", {"n": n}) for n in range(count)])

    @node(output_name="threaded")
    def threaded(count: int, context: NodeContext) -> int:
        with ThreadPoolExecutor(8) as pool:
            return sum_of(pool.map(lambda n: context.execute("double", {"n": n}), range(count)))

    @node(output_name="gathered")
    async def gathered(count: int, context: NodeContext) -> int:
        return sum_of(await asyncio.gather(*[context.execute_async("double", {"n": n}) for n in range(count)]))

    register_graph(Graph([plain, threaded, gathered], name="waiting"))
    try:
        found = open_runner(max_concurrent_tasks=2).submit("waiting", {"count": 30}).result(PATIENCE_SECONDS)
        assert [found.final_context[name] for name in ("plain", "threaded", "gathered")] == [870] * 3
    finally:
        registry.unregister("waiting")


def test_waiting_coroutines_take_no_threads(open_runner: Open, define: Define) -> None:
    count, seen = 100, []
    opened = asyncio.Event()

    async def child(context: Context) -> None:
        seen.append(context["n"])
        if len(seen) == count:
            seen.append(threading.active_count())
            opened.set()
        await opened.wait()

    async def parent(context: Context, handle: TaskHandle) -> None:
        await asyncio.gather(*[handle.execute_async("child", {"n": n}) for n in range(count)])

    define("child", ("a", child, {}))
    define("parent", ("a", parent, {}))
    runner = open_runner(max_concurrent_tasks=2 * count)
    before = threading.active_count()
    assert runner.submit("parent").result(PATIENCE_SECONDS).status == "Completed"
    assert seen[count] <= before + 3, "one for the loop of coroutines, and none for those that wait"


# -- slots


def test_a_slot_is_free_as_long_as_any_call_waits(open_runner: Open, define: Define, gate: Gate) -> None:
    """The first child ends long before the second, which needs the only slot."""
    first_is_done = threading.Event()

    def second(context: Context) -> None:
        assert first_is_done.wait(SIGNAL_TIMEOUT_SECONDS)

    async def parent(context: Context, handle: TaskHandle) -> None:
        async def one() -> None:
            await handle.execute_async("first")
            first_is_done.set()
            context["held"] = handle.is_slot_held()

        await asyncio.gather(one(), handle.execute_async("second"))
        context["held after"] = handle.is_slot_held()

    define("first", ("a", lambda context: None, {}))
    define("second", ("a", second, {}))
    define("parent", ("a", parent, {}))
    context = open_runner(max_concurrent_tasks=1).submit("parent").result(SIGNAL_TIMEOUT_SECONDS).final_context
    assert (context["held"], context["held after"]) == (False, True)


@pytest.mark.parametrize("kind", ["task", "thread"])
def test_what_a_body_leaves_behind_takes_no_slot_along(
    open_runner: Open, define: Define, gate: Gate, kind: str
) -> None:
    left: list[Any] = []

    async def leaves_a_task(context: Context, handle: TaskHandle) -> None:
        left.append(asyncio.create_task(handle.execute_async("child")))
        while not is_gate_reached(gate):
            await asyncio.sleep(0)

    def leaves_a_thread(context: Context, handle: TaskHandle) -> None:
        left.append(threading.Thread(target=handle.execute, args=("child",), daemon=True))
        left[0].start()
        gate.wait_started()

    define("child", ("a", lambda context: gate(), {}))
    define("parent", ("a", leaves_a_task if kind == "task" else leaves_a_thread, {}))
    runner = open_runner(max_concurrent_tasks=2)
    assert runner.submit("parent").result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    gate.open.set()
    (child,) = runner.list_runs(workflow_name="child")
    assert runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled", "it ends with its parent"
    assert all_slots_are_back(runner)
    assert max_concurrent_tasks(runner, define, 6) <= 2


def is_gate_reached(gate: Gate) -> bool:
    return gate.started.acquire(blocking=False)


def max_concurrent_tasks(runner: DefaultRunner, define: Define, count: int) -> int:
    lock, now, most = threading.Lock(), [0], [0]

    def body(context: Context) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1

    define("counted", *[(f"t{k}", body, {}) for k in range(count)])
    assert runner.submit("counted").result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    return most[0]


@pytest.mark.parametrize("way", ["execute", "execute_async", "defer_until"])
def test_a_handle_is_of_no_use_after_its_body(runner: DefaultRunner, define: Define, way: str) -> None:
    handles: list[TaskHandle] = []
    define("child", ("a", lambda context: None, {}))
    define("parent", ("a", lambda context, handle: handles.append(handle), {}))
    runner.submit("parent").result(SIGNAL_TIMEOUT_SECONDS)
    uses: dict[str, Callable[[], Any]] = {
        "execute": lambda: handles[0].execute("child"),
        "execute_async": lambda: asyncio.run(handles[0].execute_async("child")),
        "defer_until": lambda: handles[0].defer_until(lambda: True, 1),
    }
    with pytest.raises(TaskEnded, match=r"task 'a' of run .* has ended") as caught:
        uses[way]()
    assert "hint" in str(caught.value)
    assert runner.list_runs(workflow_name="child") == []


def test_a_call_that_would_block_all_coroutines_is_refused(runner: DefaultRunner, define: Define) -> None:
    async def body(context: Context, handle: TaskHandle) -> None:
        handle.execute("child")

    define("child", ("a", lambda context: None, {}))
    define("parent", ("a", body, {}))
    message = str(runner.submit("parent").result(SIGNAL_TIMEOUT_SECONDS).error_message)
    assert WorkflowError.__name__ in message
    assert "await handle.execute_async" in message


# -- ends


def test_children_of_many_kinds_of_ends_in_one_gather(open_runner: Open, define: Define, gate: Gate) -> None:
    def fails(context: Context) -> None:
        raise ValueError("no")

    async def parent(context: Context, handle: TaskHandle) -> None:
        names = ("ends", "fails", "waits", "waits")
        calls = [handle.execute_async(name, key=str(k)) for k, name in enumerate(names)]
        found = await asyncio.gather(*calls, handle.execute_async("strange"), return_exceptions=True)
        context["ends"] = [type(r).__name__ if isinstance(r, BaseException) else r.status for r in found]

    define("ends", ("a", lambda context: None, {}))
    define("fails", ("a", fails, {}))

    def waits(context: Context, handle: TaskHandle) -> None:
        gate()
        handle.raise_if_cancelled()

    define("waits", ("a", waits, {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    define("parent", ("a", parent, {}))
    runner = open_runner()
    handle = runner.submit("parent")
    gate.wait_started()
    gate.wait_started()
    one, other = runner.list_runs(workflow_name="waits")
    runner.pause(one.run_id)
    runner.cancel(other.run_id)
    gate.open.set()
    runner.resume(one.run_id)
    ends = handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["ends"]
    assert ends[:2] + sorted(ends[2:4]) + ends[4:] == [
        "Completed", "Failed", "Cancelled", "Completed", WorkflowNotFound.__name__,
    ]  # fmt: skip


@pytest.mark.parametrize("url", BOTH, indirect=True)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_paused_child_is_waited_for(open_runner: Open, define: Define, gate: Gate, where: str) -> None:
    """Without looking again and again: its parent's runner hears when it goes on, whoever lets it."""
    define("child", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    define("parent", ("a", lambda context, handle: {"was": handle.execute("child").status}, {}))
    runner = open_runner()
    other = open_runner() if where == "elsewhere" else runner
    handle = runner.submit("parent")
    gate.wait_started()
    (child,) = runner.list_runs(workflow_name="child")
    other.pause(child.run_id)
    gate.open.set()
    assert other.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
    assert handle.status == "Running"
    other.resume(child.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["was"] == "Completed"


@ALL
@pytest.mark.parametrize("way", ["gather", "threads"])
def test_all_children_end_with_their_parent(open_runner: Open, define: Define, gate: Gate, way: str) -> None:
    count = 12
    seen: list[type] = []

    async def gathering(context: Context, handle: TaskHandle) -> None:
        try:
            await asyncio.gather(*[handle.execute_async("child", {"n": n}) for n in range(count)])
        except TaskCancelled as error:
            seen.append(type(error))
            raise

    def threading_(context: Context, handle: TaskHandle) -> None:
        with ThreadPoolExecutor(count) as pool:
            try:
                list(pool.map(lambda n: handle.execute("child", {"n": n}), range(count)))
            except TaskCancelled as error:
                seen.append(type(error))
                raise

    define("child", ("a", lambda context, handle: handle.defer_until(gate.started.release, 1), {}))
    define("parent", ("a", gathering if way == "gather" else threading_, {}))
    runner = open_runner(recovery_interval_seconds=3600)
    parent = runner.submit("parent")
    while len(runner.list_runs(workflow_name="child")) < count:  # bounded by the test's time-out
        poll_pause()
    parent.cancel()
    assert parent.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    for child in runner.list_runs(workflow_name="child"):
        assert runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    assert seen == [TaskCancelled]
    assert all_slots_are_back(runner)


@pytest.mark.parametrize("way", ["gather", "wait_for"])
def test_children_nobody_waits_for_end_with_the_attempt(
    open_runner: Open, define: Define, gate: Gate, way: str
) -> None:
    """One of several fails the body, or the body gives one up: the run goes on without those that are left."""

    async def parent(context: Context, handle: TaskHandle) -> None:
        slow = handle.execute_async("slow")
        if way == "wait_for":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slow, 0.001)
        elif handle.attempt == 1:
            await asyncio.gather(slow, handle.execute_async("strange"))
        else:
            slow.close()

    def last(context: Context) -> None:
        assert gate.open.wait(SIGNAL_TIMEOUT_SECONDS)

    define("slow", ("a", lambda context, handle: handle.defer_until(lambda: False, 1), {}))
    options = {"retry_attempts": 2, "retry_delay_ms": 0}
    define("parent", ("a", parent, options), ("last", last, {"dependencies": ["a"]}))
    runner = open_runner(recovery_interval_seconds=3600)
    handle = runner.submit("parent")
    while not runner.list_runs(workflow_name="slow"):  # bounded by the test's time-out
        poll_pause()
    (child,) = runner.list_runs(workflow_name="slow")
    assert runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    assert handle.status == "Running"
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_runner_that_shuts_down_fails_no_parent(open_runner: Open, define: Define, gate: Gate) -> None:
    """A body that asks for its next child while the runner waits for it is interrupted, and tried again elsewhere."""
    draining = threading.Event()

    def parent(context: Context, handle: TaskHandle) -> None:
        gate.started.release()
        assert draining.wait(SIGNAL_TIMEOUT_SECONDS)
        context["n"] = handle.execute("double", {"n": 4}).final_context["n"]

    define("double", ("double", double, {}))
    define("parent", ("a", parent, {}))
    first = open_runner(shutdown_timeout_seconds=SIGNAL_TIMEOUT_SECONDS)
    run_id = first.submit("parent").run_id
    gate.wait_started()
    closing = threading.Thread(target=first.shutdown)
    closing.start()
    while not first._engine.driver.loop.is_closing:  # bounded by the test's time-out
        poll_pause()
    draining.set()
    closing.join(SIGNAL_TIMEOUT_SECONDS)
    result = open_runner().handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["n"]) == ("Completed", 8)


def test_a_child_is_cancelled_when_its_parent_ends_in_the_same_transaction(
    monkeypatch: pytest.MonkeyPatch, open_runner: Open, define: Define, gate: Gate
) -> None:
    holds, held, go_on, parents_end = [threading.Event() for _ in range(4)]
    left: list[threading.Thread] = []

    class Holding:
        """A store that keeps a transaction waiting, so that all that is decided meanwhile is the next one."""

        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def commit(self, changes: Any) -> Any:
            if holds.is_set():
                holds.clear()
                held.set()
                assert go_on.wait(SIGNAL_TIMEOUT_SECONDS)
            return self._store.commit(changes)

    monkeypatch.setattr(holdwater.engine.engine, "open_store", lambda *args: Holding(open_store(*args)))

    def first(context: Context) -> None:
        gate.started.release()
        assert parents_end.wait(SIGNAL_TIMEOUT_SECONDS)

    def parent_body(context: Context, handle: TaskHandle) -> None:
        left.append(threading.Thread(target=handle.execute, args=("child",), daemon=True))
        left[0].start()
        assert held.wait(SIGNAL_TIMEOUT_SECONDS)

    define(
        "child",
        ("first", first, {}),
        ("second", lambda context, handle: handle.defer_until(lambda: False, 1), {"dependencies": ["first"]}),
    )
    define("parent", ("a", parent_body, {}))
    define("other", ("a", lambda context: None, {}))
    runner = open_runner(recovery_interval_seconds=3600)
    handle = runner.submit("parent")
    gate.wait_started()
    holds.set()
    other = threading.Thread(target=runner.submit, args=("other",), daemon=True)
    other.start()
    assert held.wait(SIGNAL_TIMEOUT_SECONDS)
    waiting = runner._engine.driver.loop._inbox.qsize
    while waiting() < 1:  # the end of the parent's body; bounded by the test's time-out
        poll_pause()
    parents_end.set()
    while waiting() < 2:  # the end of the child's first body
        poll_pause()
    go_on.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    (child,) = runner.list_runs(workflow_name="child")
    result = runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, [t.status for t in result.task_results]) == ("Cancelled", ["Completed", "Cancelled"])


# -- time


@pytest.mark.parametrize("way", ["execute", "gather"])
def test_time_stands_still_while_a_body_waits(
    open_runner: Open, define: Define, gate: Gate, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock("2026-01-01 00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: clock)

    async def gathering(context: Context, handle: TaskHandle) -> None:
        await asyncio.gather(handle.execute_async("short"), handle.execute_async("long"))

    define("short", ("a", lambda context: None, {}))
    define("long", ("a", lambda context: gate(), {"timeout_seconds": 1e9}))
    body = gathering if way == "gather" else lambda context, handle: {"was": handle.execute("long").status}
    define("parent", ("a", body, {"timeout_seconds": 10}))
    runner = open_runner(workflow_timeout_seconds=None)
    parent = runner.submit("parent")
    gate.wait_started()
    while any(run.status == "Running" for run in runner.list_runs(workflow_name="short")):
        poll_pause()
    clock.advance(100_000)
    assert parent.status == "Running"
    gate.open.set()
    assert parent.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


# -- a store that is away


class UnreachableStore:
    """A store that can be made to fail at every call."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.is_unreachable = threading.Event()
        self.refusals = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if not callable(call) or name in ("close", "listen"):
            return call

        def answered(*args: Any, **kw: Any) -> Any:
            if self.is_unreachable.is_set():
                self.refusals.release()
                raise StoreUnavailable("the store is away")
            return call(*args, **kw)

        return answered


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[UnreachableStore]]:
    opened: list[UnreachableStore] = []

    def open_(url: str, options: Any = None) -> Any:
        opened.append(UnreachableStore(open_store(url, options)))
        return opened[-1]

    monkeypatch.setattr(holdwater.engine.engine, "open_store", open_)
    yield opened
    for store in opened:
        store.is_unreachable.clear()


@pytest.mark.parametrize("way", [calls_in_gather, calls_in_threads, calls_sequentially])
@pytest.mark.parametrize("when", ["before the calls", "while they wait"])
def test_an_outage_of_the_store_is_waited_out(
    away: list[UnreachableStore], open_runner: Open, define: Define, gate: Gate, way: Callable[..., Any], when: str
) -> None:
    def outage() -> None:
        away[0].is_unreachable.set()

    def child(context: Context) -> None:
        if when == "while they wait" and context["n"] == 3:
            outage()
        context["n"] = 2 * context["n"]

    def parent(context: Context, handle: TaskHandle) -> Any:
        if when == "before the calls":
            outage()
        return way(context, handle)

    async def parent_async(context: Context, handle: TaskHandle) -> None:
        parent(context, handle) if way is calls_in_threads else await parent(context, handle)

    define("double", ("double", child, {}))
    define("parent", ("a", parent if way is calls_in_threads else parent_async, {}))
    runner = open_runner()
    handle: WorkflowHandle = runner.submit("parent", {"count": 10})
    for _ in range(3):
        assert away[0].refusals.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    away[0].is_unreachable.clear()
    result = handle.result(PATIENCE_SECONDS)
    assert (result.status, result.final_context["sum"]) == ("Completed", 90), result.error_message
    assert len(runner.list_runs(workflow_name="double")) == 10, "and no child was started twice"
