"""Logs: what a runner does, in `holdwater.runner`; run, node and attempt on every record of a body."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, Context, DefaultRunner, DefaultRunnerConfig, TriggerResult, trigger
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.executors import ProcessExecutor
from holdwater.graphs import Graph, node
from holdwater.model.triggers import triggers
from holdwater.steps import Step, Workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

SEEN = logging.getLogger("tests.seen")


def run_attributes(record: logging.LogRecord) -> tuple[Any, ...]:
    names = ("holdwater_run_id", "holdwater_node", "holdwater_attempt")
    return tuple(getattr(record, name, None) for name in names)


class RecordCollector(logging.Handler):
    """Keeps what is logged, from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def run_attributes_of(self, text: str) -> list[tuple[Any, ...]]:
        return [run_attributes(record) for record in self.records if record.getMessage() == text]


@pytest.fixture
def seen() -> Iterator[RecordCollector]:
    handler = RecordCollector()
    SEEN.addHandler(handler)
    SEEN.setLevel(logging.INFO)
    yield handler
    SEEN.removeHandler(handler)


def messages(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "holdwater.runner" and part in r.getMessage()]


def logged_by_worker(context: Context) -> None:
    record = logging.getLogRecordFactory()("any", logging.INFO, __file__, 1, "text", (), None)
    context["marks"] = list(run_attributes(record))


class TestRecordsOfTasks:
    def test_threads_and_attempts(self, runner: DefaultRunner, define: Define, seen: RecordCollector) -> None:
        def body(context: Context) -> None:
            SEEN.info("in a thread")
            if len(seen.records) < 2:
                raise ConnectionError("once more")

        define("w", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 1}))
        handle = runner.submit("w")
        assert handle.result().status == "Completed"
        assert seen.run_attributes_of("in a thread") == [(handle.run_id, "a", 1), (handle.run_id, "a", 2)]

    def test_coroutines_that_take_turns(self, runner: DefaultRunner, define: Define, seen: RecordCollector) -> None:
        async def body(context: Context) -> None:
            for _ in range(3):
                SEEN.info(context["text"])
                await asyncio.sleep(0)

        define("w", ("a", body, {}), ("b", body, {}))
        handles = [runner.submit("w", {"text": text}) for text in ("one", "two")]
        for handle, text in zip(handles, ("one", "two"), strict=True):
            handle.result()
            found = seen.run_attributes_of(text)
            assert sorted(found) == [(handle.run_id, name, 1) for name in ("a", "b") for _ in range(3)]

    def test_worker_processes(self, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
        runner = open_runner(executors={"cpu": ProcessExecutor(1)})
        handle = runner.submit(define("w", ("a", logged_by_worker, {"executor": "cpu"})))
        assert handle.result().final_context["marks"] == [handle.run_id, "a", 1]

    def test_steps(self, runner: DefaultRunner, seen: RecordCollector) -> None:
        flow = Workflow(name="logging.flow", steps=[Step.lambda_("first", lambda ctx, config: SEEN.info("in a step"))])
        handle = runner.submit(flow)
        handle.result()
        assert seen.run_attributes_of("in a step") == [(handle.run_id, "first", 1)]

    @pytest.mark.parametrize("kind", ["plain", "async"])
    def test_recorded_graphs_in_the_variables_of_their_caller(self, kind: str, seen: RecordCollector) -> None:
        def plain(x: int) -> int:
            SEEN.info("in a node")
            return x

        async def coroutine(x: int) -> int:
            SEEN.info("in a node")
            return x

        graph = Graph([node(plain if kind == "plain" else coroutine, output_name="y", name="n")], name="g")
        with MemoryCheckpointer() as checkpointer:
            asyncio.run(AsyncRunner(checkpointer=checkpointer).run(graph, {"x": 1}, workflow_id="w"))
        assert seen.run_attributes_of("in a node") == [("w", "n", 1)]

    def test_records_from_elsewhere_have_no_marks(
        self, runner: DefaultRunner, define: Define, seen: RecordCollector, gate: Gate
    ) -> None:
        define("w", ("a", lambda context: gate(), {}))
        handle = runner.submit("w")
        gate.wait_started()
        SEEN.info("elsewhere", extra={"run_id": "a user's own"})
        gate.open.set()
        handle.result()
        assert seen.run_attributes_of("elsewhere") == [(None, None, None)]

    def test_an_application_keeps_its_own_record_factory(self, define: Define, seen: RecordCollector, url: str) -> None:
        before = logging.getLogRecordFactory()

        def own(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = before(*args, **kwargs)
            record.mine = True
            return record

        logging.setLogRecordFactory(own)
        try:
            with DefaultRunner(url) as runner:
                define("w", ("a", lambda context: SEEN.info("both"), {}))
                handle = runner.submit("w")
                handle.result()
            (record,) = seen.records
            assert record.mine is True  # type: ignore[attr-defined]
            assert run_attributes(record) == (handle.run_id, "a", 1)
        finally:
            logging.setLogRecordFactory(before)


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdwater.runner")


def wait_for_message(caplog: pytest.LogCaptureFixture, part: str) -> str:
    """The first message with this in it."""
    give_up = time.monotonic() + SIGNAL_TIMEOUT_SECONDS
    while not messages(caplog, part):
        assert time.monotonic() < give_up, [r.getMessage() for r in caplog.records]
        time.sleep(0.005)
    return messages(caplog, part)[0]


class TestTheRunner:
    def test_start_and_stop(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        runner = DefaultRunner.with_config(url, DefaultRunnerConfig(runner_name="night shift"))
        assert "runner_name='night shift'" in repr(runner)
        runner.shutdown()
        assert messages(caplog, "runner 'night shift' (")
        assert len(messages(caplog, "works on")) == len(messages(caplog, "stops")) == 1

    def test_no_password_is_logged(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        if url.startswith("postgresql"):
            with DefaultRunner(url.replace("postgres@", "postgres:s3cret@", 1)):
                pass
            assert messages(caplog, "works on")
            assert not messages(caplog, "s3cret")

    def test_retries_and_failures(
        self, runner: DefaultRunner, define: Define, caplog: pytest.LogCaptureFixture
    ) -> None:
        def body(context: Context) -> None:
            raise ConnectionError("no luck")

        define("w", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 1}))
        handle = runner.submit("w")
        handle.result()
        first, second = messages(caplog, "failed at attempt")
        assert first == f"'a' of run {handle.run_id} failed at attempt 1, it is tried again: ConnectionError: no luck"
        assert "attempt 2, it is not tried again: ConnectionError: no luck\nTraceback (most recent" in second
        assert __file__ in second, "where it was raised"

    def test_time_outs(
        self, open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        runner = open_runner(workflow_timeout_seconds=0.2)
        handle = runner.submit(define("w", ("a", lambda context: gate(), {})))
        assert f"run {handle.run_id} of w ran longer than 0.2 s" in wait_for_message(caplog, "ran longer")
        gate.open.set()

    def test_a_store_that_is_lost_and_comes_back(
        self, define: Define, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "lost.db"
        with DefaultRunner(f"sqlite:///{path}?_busy_timeout=50") as runner:
            define("w", ("a", lambda context: None, {}))
            runner.execute("w")
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(ConnectionError):
                runner.execute("w")
            assert len(messages(caplog, "cannot be used")) == 1
            other.close()
            wait_for_message(caplog, "can be used again")
            assert runner.execute("w").status == "Completed"

    def test_a_run_that_is_parked(
        self, open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = open_runner()
        handle = first.submit(
            define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
        )
        first.pause(handle.run_id)
        gate.open.set()
        first.shutdown()
        define("w", ("a", lambda context: None, {}), ("c", lambda context: None, {"dependencies": ["a"]}))
        second = open_runner()
        second.resume(handle.run_id)
        assert f"run {handle.run_id} of w is parked: the structure" in wait_for_message(caplog, "is parked")

    def test_a_trigger_that_fails(
        self, open_runner: Callable[..., DefaultRunner], define: Define, caplog: pytest.LogCaptureFixture
    ) -> None:
        define("w", ("a", lambda context: None, {}))

        @trigger("w", name="broken", poll_interval="10ms")
        def broken() -> TriggerResult:
            raise ValueError("no answer")

        try:
            open_runner()
            assert wait_for_message(caplog, "trigger 'broken") == "trigger 'broken' failed: ValueError: no answer"
        finally:
            triggers.unregister("broken")


FAILING = """
from holdwater import DefaultRunner, WorkflowBuilder, task

with WorkflowBuilder("fails"):
    @task()
    def one(context):
        raise ValueError("no luck")

with DefaultRunner("memory://") as runner:
    print(runner.execute("fails").status)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param("", False, id="nothing configured"),
        pytest.param("import logging; logging.basicConfig()", True, id="configured"),
        pytest.param(
            "import logging; logging.getLogger('holdwater').addHandler(logging.StreamHandler())", True, id="a handler"
        ),
    ],
)
def test_stderr_is_for_programs_that_configured_logging(before: str, said: bool) -> None:
    done = subprocess.run([sys.executable, "-c", before + FAILING], capture_output=True, text=True, timeout=60)
    assert done.stdout == "Failed\n", done.stderr
    assert ("failed at attempt 1" in done.stderr) is said
    assert bool(done.stderr) is said
