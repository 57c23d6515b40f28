"""What task functions print and log, of every style and on every executor, is in the log of their run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import logging.config
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdwater import (
    AsyncRunner,
    Context,
    DefaultRunner,
    SyncRunner,
    WorkflowHandle,
    WorkflowRunner,
    WorkflowRunnerConfig,
)
from holdwater.checkpointers import SqliteCheckpointer
from holdwater.executors import ProcessExecutor
from holdwater.graphs import Graph, node
from holdwater.operations import Database, LogLine, read_logs
from holdwater.runtime.logs import captured_streams
from holdwater.runtime.logs.captured_streams import CapturedStream
from holdwater.steps import Step, Workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

LOG = logging.getLogger("tests.captured")

OpenRunner = Callable[..., DefaultRunner]
CAPTURE: dict[str, Any] = {"capture_logs": True, "capture_output": True}


@pytest.fixture(autouse=True)
def info_level() -> Iterator[None]:
    LOG.setLevel(logging.INFO)
    yield
    LOG.setLevel(logging.NOTSET)


def log_of(runner: DefaultRunner, handle: WorkflowHandle, count: int) -> list[LogLine]:
    """The log when it has so many lines: they are written behind."""
    database = Database.of(runner._engine)
    while len(lines := read_logs(database.runs, handle.run_id).lines) < count:  # bounded by the test's time-out
        poll_pause()
    return list(lines)


def shown(lines: list[LogLine]) -> list[tuple[str, int, str, str]]:
    return [(line.node, line.attempt, line.stream, line.text) for line in lines]


def run_to_end(runner: DefaultRunner, name: str) -> WorkflowHandle:
    handle = runner.submit(name)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def texts_of(open_runner: OpenRunner, define: Define, body: Callable[..., Any], **options: Any) -> list[LogLine]:
    """The whole log of a run of one task, read when its runner has closed."""
    define("w", ("a", body, {}))
    runner = open_runner(**options)
    handle = run_to_end(runner, "w")
    url = runner._engine.store.url
    runner.shutdown()
    reading = open_runner()
    assert reading._engine.store.url == url
    return list(read_logs(Database.of(reading._engine).runs, handle.run_id).lines)


class TestThreads:
    def test_each_stream_and_each_attempt(self, open_runner: OpenRunner, define: Define) -> None:
        tries = iter([1, 2])

        def body(context: Context) -> None:
            number = next(tries)
            print("try", number)
            print("oh", file=sys.stderr)
            LOG.info("it is %s", number)
            sys.stdout.write("no newline")
            if number == 1:
                raise ConnectionError("once more")

        def after(context: Context) -> None:
            LOG.warning("two\nlines")

        define("w", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 1}), ("b", after, {"dependencies": ["a"]}))
        runner = open_runner(**CAPTURE)
        lines = log_of(runner, run_to_end(runner, "w"), 10)
        found = shown(lines)
        failure = next(line for line in lines if line.stream == "traceback")
        assert (failure.node, failure.attempt) == ("a", 1)
        assert failure.text.endswith("ConnectionError: once more")
        assert [one for one in found if one[2] != "traceback"] == [
            ("a", 1, "stdout", "try 1"),
            ("a", 1, "stderr", "oh"),
            ("a", 1, "log", "it is 1"),
            ("a", 1, "stdout", "no newline"),
            ("a", 2, "stdout", "try 2"),
            ("a", 2, "stderr", "oh"),
            ("a", 2, "log", "it is 2"),
            ("a", 2, "stdout", "no newline"),
            ("b", 1, "log", "two\nlines"),
        ]
        assert (lines[-1].level, lines[-1].logger) == ("WARNING", "tests.captured")

    def test_what_is_printed_is_passed_on(
        self, open_runner: OpenRunner, define: Define, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def body(context: Context) -> None:
            print("hello")
            sys.stderr.writelines(["a\n", "b\n"])

        with capsys.disabled():
            pass
        assert shown(texts_of(open_runner, define, body, **CAPTURE)) == [
            ("a", 1, "stdout", "hello"),
            ("a", 1, "stderr", "a"),
            ("a", 1, "stderr", "b"),
        ]
        assert capsys.readouterr() == ("hello\n", "a\nb\n")

    def test_coroutines_that_take_turns(self, open_runner: OpenRunner, define: Define) -> None:
        async def body(context: Context) -> None:
            for k in range(3):
                print(context["name"], k)
                await asyncio.sleep(0)
            await asyncio.to_thread(print, context["name"], "in a thread")

        define("w", ("a", body, {}))
        runner = open_runner(**CAPTURE)
        handles = {name: runner.submit("w", Context({"name": name})) for name in "xyz"}
        for name, handle in handles.items():
            handle.result(SIGNAL_TIMEOUT_SECONDS)
            expected = [f"{name} 0", f"{name} 1", f"{name} 2", f"{name} in a thread"]
            assert [line.text for line in log_of(runner, handle, 4)] == expected

    def test_records_only(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            assert not isinstance(sys.stdout, CapturedStream)
            print("not this")
            LOG.info("this")
            LOG.debug("nor this: its level is off")

        lines = texts_of(open_runner, define, body, capture_logs=True)
        assert [line.text for line in lines] == ["this"]

    def test_output_only(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            print("this")
            LOG.info("not this")

        assert [line.text for line in texts_of(open_runner, define, body, capture_output=True)] == ["this"]

    def test_by_default_there_is_nothing_but_tracebacks(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            print("hello")
            LOG.error("oh")
            raise KeyError("x")

        (line,) = texts_of(open_runner, define, body)
        assert line.stream == "traceback"
        assert line.text.endswith("KeyError: 'x'")

    def test_records_of_handlers_that_print_are_there_once(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            handler = logging.StreamHandler()  # stderr, as basicConfig does
            LOG.addHandler(handler)
            try:
                LOG.warning("once")
            finally:
                LOG.removeHandler(handler)

        assert shown(texts_of(open_runner, define, body, **CAPTURE)) == [("a", 1, "log", "once")]

    def test_the_program_may_configure_logging(self, open_runner: OpenRunner, define: Define) -> None:
        root = logging.getLogger()
        handlers = root.handlers[:]

        def body(context: Context) -> None:
            root.handlers.clear()
            logging.basicConfig(stream=io.StringIO())
            assert len(root.handlers) == 1
            logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
            LOG.info("still")

        try:
            lines = texts_of(open_runner, define, body, **CAPTURE)
        finally:
            root.handlers[:] = handlers
        assert [line.text for line in lines] == ["still"]

    def test_exceptions_that_are_logged(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            try:
                raise ValueError("deep")
            except ValueError:
                LOG.exception("caught")
            LOG.info("here", stack_info=True)

        caught, here = texts_of(open_runner, define, body, **CAPTURE)
        assert caught.text.startswith("caught\nTraceback (most recent call last):\n")
        assert caught.text.endswith("ValueError: deep")
        assert here.text.startswith("here\nStack (most recent call last):")

    def test_streams_are_put_back_when_the_last_runner_closes(self, open_runner: OpenRunner) -> None:
        before = sys.stdout, sys.stderr
        first, second = open_runner(**CAPTURE), open_runner(capture_output=True)
        assert isinstance(sys.stdout, CapturedStream)
        assert sys.stdout.wrapped is before[0]
        first.shutdown()
        assert isinstance(sys.stderr, CapturedStream)
        second.shutdown()
        assert (sys.stdout, sys.stderr) == before

    def test_a_stream_in_front_of_ours_is_captured_once(self, open_runner: OpenRunner, define: Define) -> None:
        class Display(io.TextIOBase):
            def __init__(self, behind: Any) -> None:
                self.behind = behind

            def write(self, text: str) -> int:
                return self.behind.write(f"\x1b[2K{text}table") and len(text)

        runner = open_runner(**CAPTURE)
        ours = sys.stdout
        sys.stdout = Display(ours)
        try:
            captured_streams.wrap_again()
            define("w", ("a", lambda context: print("hello"), {}))
            lines = log_of(runner, run_to_end(runner, "w"), 1)
        finally:
            sys.stdout = ours
        assert [line.text for line in lines] == ["hello"]


class Shown:
    """Logs when it is shown."""

    def __str__(self) -> str:
        LOG.info("within")
        return "shown"


class Loud:
    """Logs when it is collected, in a cycle."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        LOG.info("gone")
        print("gone")


def hostile_bytes(context: Context) -> None:
    sys.stdout.buffer.write("bytes é\n".encode() + b"\xff\n")
    sys.stdout.flush()


def _deny(record: logging.LogRecord) -> bool:
    return False


def hostile_characters(context: Context) -> None:
    sys.stdout.write("nul \0 ansi \x1b[31mred\x1b[0m\n")
    log = logging.getLogger("tests.unreported")  # pytest cannot report it
    log.setLevel(logging.INFO)
    log.addFilter(_deny)
    log.info("surrogate \ud800")


def hostile_replacement(context: Context) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        print("in a string")
    print("after")


def hostile_arguments(context: Context) -> None:
    logging.raiseExceptions = False
    try:
        LOG.info("%d", "no number")
        LOG.info(Shown())
    finally:
        logging.raiseExceptions = True


def hostile_collection(context: Context) -> None:
    made = [Loud() for _ in range(20)]
    gc.collect()
    del made
    for k in range(300):
        LOG.info("line %d of %s", k, [{} for _ in range(20)])
    gc.collect()


HOSTILE: dict[Callable[[Context], None], list[str]] = {
    hostile_bytes: ["bytes é", "�"],
    hostile_characters: ["nul \\x00 ansi \x1b[31mred\x1b[0m", "surrogate \\ud800"],
    hostile_replacement: ["after"],
}


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_hostile_output(
    open_runner: OpenRunner, define: Define, body: Callable[[Context], None], executor: str
) -> None:
    options = CAPTURE if executor == "threads" else {"executors": {"default": ProcessExecutor(1)}}
    texts = [line.text for line in texts_of(open_runner, define, body, **options)]
    for expected in HOSTILE[body]:
        assert any(expected in text for text in texts), texts
    assert "in a string" not in texts


def test_arguments_that_do_not_fit_a_message(open_runner: OpenRunner, define: Define) -> None:
    first, second = [line.text for line in texts_of(open_runner, define, hostile_arguments, **CAPTURE)][:2]
    assert first.startswith("%d (its arguments cannot be shown: TypeError")
    assert second == "shown"


def test_objects_that_log_when_they_are_collected(open_runner: OpenRunner, define: Define) -> None:
    texts = [line.text for line in texts_of(open_runner, define, hostile_collection, **CAPTURE)]
    assert len([text for text in texts if text.startswith("line ")]) == 300
    assert texts.count("gone") <= 40


def in_a_worker(context: Context) -> None:
    log = logging.getLogger("tests.in_worker")
    print("printed")
    log.info("logged")
    log.warning("and warned")
    subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
    os.write(2, b"below Python\n")
    warnings.warn("look", stacklevel=1)


def dies_in_a_worker(context: Context) -> None:
    print("before")
    os.kill(os.getpid(), signal.SIGSEGV)


def forks_in_a_worker(context: Context) -> None:
    child = os.fork()
    if child == 0:
        logging.getLogger("tests.fork").warning("from the fork")
        print("printed by the fork", flush=True)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    print("after")


class TestWorkerProcesses:
    OPTIONS: dict[str, Any] = {"executors": {"default": ProcessExecutor(1)}}  # noqa: RUF012

    def test_everything_is_taken(
        self, open_runner: OpenRunner, define: Define, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lines = texts_of(open_runner, define, in_a_worker, **self.OPTIONS)
        by_stream = {name: [line for line in lines if line.stream == name] for name in ("stdout", "log", "stderr")}
        assert shown(by_stream["stdout"]) == [("a", 1, "stdout", "printed"), ("a", 1, "stdout", "by a child")]
        assert shown(by_stream["log"]) == [("a", 1, "log", "logged"), ("a", 1, "log", "and warned")]
        assert by_stream["stderr"][0].text == "below Python"
        assert "UserWarning: look" in by_stream["stderr"][1].text
        assert sum(map(len, by_stream.values())) == len(lines)  # streams of a worker have no order among each other
        assert [(line.level, line.logger) for line in by_stream["log"]] == [
            ("INFO", "tests.in_worker"),
            ("WARNING", "tests.in_worker"),
        ]
        out, err = capfd.readouterr()
        assert out == "printed\nby a child\n"
        assert err.startswith("and warned\nbelow Python\n")

    def test_nothing_is_taken_if_it_is_not_wanted(
        self, open_runner: OpenRunner, define: Define, capfd: pytest.CaptureFixture[str]
    ) -> None:
        executors = {"default": ProcessExecutor(1, capture_output=False)}
        assert texts_of(open_runner, define, in_a_worker, executors=executors) == []
        assert capfd.readouterr().out == "printed\nby a child\n"

    def test_the_last_words_of_a_worker_that_dies(self, open_runner: OpenRunner, define: Define) -> None:
        lines = texts_of(open_runner, define, dies_in_a_worker, **self.OPTIONS)
        assert ("stdout", "before") in [(line.stream, line.text) for line in lines]
        assert any(line.stream == "stderr" and "Segmentation fault" in line.text for line in lines)
        assert lines[-1].stream == "traceback"

    def test_a_fork_of_a_worker(self, open_runner: OpenRunner, define: Define) -> None:
        texts = [line.text for line in texts_of(open_runner, define, forks_in_a_worker, **self.OPTIONS)]
        assert sorted(texts) == ["after", "from the fork", "printed by the fork"]

    def test_one_call_after_the_other(self, open_runner: OpenRunner, define: Define) -> None:
        def body(context: Context) -> None:
            print(f"of {context['name']}", end="")

        define("w", ("a", body, {}))
        runner = open_runner(**self.OPTIONS)
        handles = [(k, runner.submit("w", Context({"name": k}))) for k in range(5)]
        for k, handle in handles:
            handle.result(SIGNAL_TIMEOUT_SECONDS)
            assert [line.text for line in log_of(runner, handle, 1)] == [f"of {k}"]


def test_an_attempt_that_times_out_has_what_it_said(open_runner: OpenRunner, define: Define, gate: Gate) -> None:
    def body(context: Context) -> None:
        print("waiting", end="")
        gate()

    define("w", ("a", body, {"timeout_seconds": 0.2}))
    runner = open_runner(**CAPTURE)
    handle = run_to_end(runner, "w")
    assert log_of(runner, handle, 2)[0].text == "waiting"


def test_steps(url: str) -> None:
    workflow = Workflow("logged_steps", steps=[Step.lambda_("one", lambda ctx, config: _log_step())])
    with WorkflowRunner(url, config=WorkflowRunnerConfig(capture_logs=True)) as runner:
        run_id = runner.execute(workflow).run_id
    with DefaultRunner(url) as reading:
        (line,) = read_logs(Database.of(reading._engine).runs, run_id).lines
    assert (line.node, line.stream, line.text) == ("one", "log", "in a step")


def _log_step() -> None:
    LOG.info("in a step")


@pytest.mark.parametrize("runner", [SyncRunner, AsyncRunner])
def test_graphs(tmp_path: Any, runner: type) -> None:
    @node(output_name="y")
    def double(x: int) -> int:
        LOG.info("doubling %d", x)
        return 2 * x

    @node(output_name="z")
    async def later(y: int) -> int:
        LOG.info("later %d", y)
        return y

    nodes: list[Any] = [double] if runner is SyncRunner else [double, later]
    with SqliteCheckpointer(tmp_path / "runs.db", capture_logs=True) as checkpointer:
        made = runner(checkpointer=checkpointer).run(Graph(nodes, name="g"), {"x": 3}, workflow_id="one")
        if runner is AsyncRunner:
            asyncio.run(made)
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as reading:
        lines = read_logs(Database.of(reading._engine).runs, "one").lines
    assert [line.text for line in lines] == ["doubling 3", "later 6"][: len(nodes)]


def test_threads_of_a_task_without_its_context_are_passed_on_only(open_runner: OpenRunner, define: Define) -> None:
    def body(context: Context) -> None:
        thread = threading.Thread(target=print, args=("from a thread of its own",))
        thread.start()
        thread.join()
        print("from the task")

    assert [line.text for line in texts_of(open_runner, define, body, **CAPTURE)] == ["from the task"]
