"""Running a workflow in this process and watching it to its end, or until an interrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes
from holdwater.cli import pauses as pause_texts
from holdwater.cli.commands import format_command, is_persistent
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, format_duration, pluralize, truncate, truncate_lines
from holdwater.cli.idle_notice import CHECK_SECONDS, IdleNotice
from holdwater.cli.live_view import FINISHED_STATUSES, ProgressView
from holdwater.cli.places import DatabasePlace, Place
from holdwater.model.child_ids import is_run_or_fan_out

if TYPE_CHECKING:
    from holdwater.runners.tasks.config import DefaultRunnerConfig
    from holdwater.runners.tasks.default_runner import DefaultRunner
    from holdwater.runners.tasks.results import PipelineResult
    from holdwater.runners.tasks.workflow_handle import WorkflowHandle
    from holdwater.runs.open_pauses import Pause
    from holdwater.runtime.future import Future

MIN_RENDER_INTERVAL_SECONDS: Final = 0.05
IDLE_SECONDS: Final = 0.2
"""between looks at functions that end after their run has paused, which nothing announces"""
QUESTION_SECONDS: Final = 2.0
"""between looks for questions of child runs, which the journal of their parent does not have"""
WAIT_PER_RENDER_TIME: Final = 5
"""a look at a large run takes time: wait this many times as long before the next"""
MAX_VALUE_CHARS: Final = 100
MAX_CONTEXT_LINES: Final = 30
MAX_TRACEBACK_LINE_CHARS: Final = 500


class Interrupted(Exception):
    """Ctrl-C or SIGTERM.  `run_id`: the run that was watched; `at_once`: a second signal came; `code`: to exit with."""

    def __init__(self, run_id: str | None, *, is_forced: bool, code: int = exit_codes.INTERRUPTED) -> None:
        self.run_id, self.is_forced, self.code = run_id, is_forced, code


class _Terminated(KeyboardInterrupt):
    """SIGTERM, where Ctrl-C raises KeyboardInterrupt."""


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Have SIGTERM end what this block does as Ctrl-C does; only the main thread can ask for that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_and_watch(
    place: DatabasePlace,
    config: DefaultRunnerConfig,
    start: Callable[[DefaultRunner], WorkflowHandle],
    view: Callable[[], ProgressView],
    announce: Callable[[WorkflowHandle], None] = lambda handle: None,
    *,
    wait_for_answers: Callable[[WorkflowHandle], None] | None = None,
) -> tuple[WorkflowHandle, PipelineResult, list[Pause]]:
    """Open a runner, start or find a run, watch it to its end, or until it waits for a person: for these answers.

    `announce` is called when the run is known, and its id is said even if Ctrl-C comes then.
    `wait_for_answers`: called when it waits for a person; then the run is executed on when the answer has come.

    Raises Interrupted after Ctrl-C or SIGTERM, when what ran has had its time to end; and what runner and store raise.
    """
    with _sigterm_as_interrupt():
        return _run_and_watch(place, config, start, view, announce, wait_for_answers)


def _run_and_watch(
    place: DatabasePlace,
    config: DefaultRunnerConfig,
    start: Callable[[DefaultRunner], WorkflowHandle],
    view: Callable[[], ProgressView],
    announce: Callable[[WorkflowHandle], None],
    wait_for_answers: Callable[[WorkflowHandle], None] | None,
) -> tuple[WorkflowHandle, PipelineResult, list[Pause]]:
    from holdwater.runners.tasks.default_runner import DefaultRunner

    handle: WorkflowHandle | None = None
    runner: DefaultRunner | None = None
    try:
        runner = DefaultRunner(place.url, config=config)
        handle = start(runner)
        announce(handle)
        with view() as shown:
            result = watch_run(handle, shown, place)
        if wait_for_answers is not None and result.status == "Paused" and handle.pauses():
            wait_for_answers(handle)
            for _ in handle.events():  # until it has ended
                pass
            result = handle.result()
        pauses = handle.pauses() if result.status == "Paused" else []
        runner.shutdown()
        return handle, result, pauses
    except KeyboardInterrupt as signalled:
        terminated = isinstance(signalled, _Terminated)
        word = "terminated" if terminated else "interrupted"
        again = "SIGTERM again" if terminated else "Ctrl-C again"
        drained = runner is None or _drain(runner, config.shutdown_timeout_seconds, word, again)
        raise Interrupted(
            None if handle is None else handle.run_id,
            is_forced=not drained,
            code=exit_codes.TERMINATED if terminated else exit_codes.INTERRUPTED,
        ) from None
    except BaseException:
        if runner is not None:
            runner.shutdown()
        raise


def _drain(runner: DefaultRunner, grace_seconds: float, verb: str, again: str) -> bool:
    """Shut down; False if a second signal, called `again`, came before that was done."""
    closing = threading.Thread(target=runner.shutdown, name="holdwater-shutdown", daemon=True)
    try:
        closing.start()
        click.echo(
            f"\n{verb}: running tasks have {format_duration(grace_seconds)} to end; {again} leaves at once",
            err=True,
        )
        closing.join()
    except KeyboardInterrupt:
        return False
    return True


def exit_after_interrupt(interrupted: Interrupted) -> int:
    """Return the exit code after a signal; after a second one exit at once, without waiting for running tasks."""
    if interrupted.is_forced:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(interrupted.code)  # all that counts is on disk, and the next runner finds the locks of this one free
    return interrupted.code


def watch_run(
    handle: WorkflowHandle, view: ProgressView, place: Place, idle_notice: IdleNotice | None = None
) -> PipelineResult:
    """Show a run until it has ended, or is paused and no body of it runs here: to leave earlier would cancel those.

    Questions of child runs that a running task waits for are printed as they come.  `idle_notice`: says why a run that
    other processes execute does not go on.
    """
    questions = _QuestionPrinter(handle, place)
    while True:
        result = _watch_until_idle(handle, view, questions, idle_notice)
        if result.status != "Paused" or not handle.is_executing_here():
            return result
        time.sleep(IDLE_SECONDS)


def _watch_until_idle(
    handle: WorkflowHandle, view: ProgressView, questions: _QuestionPrinter, idle_notice: IdleNotice | None
) -> PipelineResult:
    """Show a run until it has ended, is paused or waits for a person."""
    from holdwater.runs.follow import UNREACHABLE_ERRORS

    # A thread waits for the end, so that the end is seen at once and this one can be interrupted.
    waiter = _ResultWaiter(handle)
    waiter.start()
    checked_at = time.monotonic()
    for step in handle.events().steps():
        began = time.monotonic()
        with contextlib.suppress(*UNREACHABLE_ERRORS):  # the follower goes on trying, and so does this view
            seen = handle.info()
            view.show(seen)
            questions.print_new(seen)
        if step.change is None or waiter.finished.is_set():
            break
        waiter.wake(step.change)
        if idle_notice is not None and time.monotonic() - checked_at >= CHECK_SECONDS:
            idle_notice.check()
            checked_at = time.monotonic()
        step.change.wait(min(step.wait_seconds, view.refresh_seconds, QUESTION_SECONDS))
        pause_seconds = max(MIN_RENDER_INTERVAL_SECONDS, WAIT_PER_RENDER_TIME * (time.monotonic() - began))
        if waiter.finished.wait(pause_seconds):
            break
    result = waiter.result()
    view.show(result)
    return result


class _QuestionPrinter:
    """Prints the questions of child runs that task functions wait for, each once; they do not pause the run itself.

    Its own questions do, and those of runs its nodes have fanned out to: they are printed with its outcome.
    """

    def __init__(self, handle: WorkflowHandle, place: Place) -> None:
        self._handle, self._place = handle, place
        self._printed: set[tuple[str, str]] = set()

    def print_new(self, result: PipelineResult) -> None:
        """Print what was not asked before, with the command that answers it.  Raises StoreUnavailable."""
        if result.status != "Running" or all(task.status != "Running" for task in result.task_results):
            return
        pauses = self._handle.pauses()
        called = [pause for pause in pauses if not is_run_or_fan_out(pause.asking_run_id, result.run_id)]
        new = [pause for pause in called if (pause.asking_run_id, pause.pause_id) not in self._printed]
        if new:
            self._printed.update((pause.asking_run_id, pause.pause_id) for pause in new)
            pause_texts.print_pauses(new)
            pause_texts.print_answer_command(result.run_id, new, self._place, other_count=len(pauses) - len(new))


class _ResultWaiter:
    """Waits for a run in a thread of its own, once."""

    def __init__(self, handle: WorkflowHandle) -> None:
        self.finished = threading.Event()
        self._handle = handle
        self._result: PipelineResult | None = None
        self._error: BaseException | None = None
        self._to_wake: Future[None] | None = None

    def start(self) -> None:
        threading.Thread(target=self._wait_for_result, name="holdwater-follow", daemon=True).start()

    def _wait_for_result(self) -> None:
        try:
            self._result = self._handle.result()
        except BaseException as error:  # noqa: BLE001 - raised again by the reader of the result
            self._error = error
        self.finished.set()
        if self._to_wake is not None:
            self._to_wake.set_result(None)

    def wake(self, change: Future[None]) -> None:
        """Set this, too, when the run has ended or waits for a person."""
        self._to_wake = change
        if self.finished.is_set():
            change.set_result(None)

    def result(self) -> PipelineResult:
        self.finished.wait()
        if self._result is None:
            raise self._error or AssertionError
        return self._result


def continue_run(runner: DefaultRunner, run_id: str) -> WorkflowHandle:
    """Return a handle on a recorded run, which the runner executes by itself; one paused without a question is resumed.

    Raises RunNotFound, InvalidTransition, and CommandError if this process cannot execute it.
    """
    from holdwater.model.claim_keys import claim_key
    from holdwater.model.registry import registry

    handle = runner.handle(run_id)
    release = runner.get_run(run_id).release
    if not handle.done() and registry.find_in_release(handle.workflow_name, release) is None:
        raise CommandError(
            f"run {run_id} is one of workflow {claim_key(handle.workflow_name, release)!r}, which this module does not "
            "register",
            code=exit_codes.NOT_FOUND,
        )
    if handle.status == "Paused" and not handle.pauses():
        runner.resume(run_id)
    return handle


def print_outcome(result: PipelineResult, pauses: Sequence[Pause], place: Place, resume_command: str) -> None:
    """Print the end of a run, or its open questions.  `resume_command`: the command that continues it."""
    took = f" after {format_duration(result.duration)}" if result.duration is not None else ""
    first, *more = truncate_lines(result.error_message or result.reason or "") or [""]
    click.echo(f"{result.status}{took}{': ' if first else ''}{first}")
    for line in more:
        click.echo(f"  {line}")
    if pauses:
        pause_texts.print_pauses(pauses)
        pause_texts.print_answer_command(result.run_id, pauses, place)
    elif result.status == "Paused":
        click.echo(f"  it goes on with `{resume_command}`")


def print_tracebacks(result: PipelineResult, *, err: bool = False) -> None:
    """Print the recorded traceback of each failed task."""
    for task in result.task_results:
        if task.traceback:
            click.echo(f"traceback of {escape_unsafe(task.task_name)}", err=err)
            for line in task.traceback.splitlines():
                click.echo(f"  {truncate(line, MAX_TRACEBACK_LINE_CHARS)}", err=err)


def print_traceback_hint(result: PipelineResult, place: Place) -> None:
    """Return the command that shows the tracebacks, if there are any and its place outlives this process."""
    if result.end_time is None or not any(task.traceback for task in result.task_results):
        return
    if not is_persistent(place):
        click.echo("  hint: holdwater --debug run ... shows the traceback")
        return
    click.echo(f"  hint: {format_command('runs', 'show', result.run_id, place=place)} shows the traceback")


def print_context(result: PipelineResult, max_lines: int = MAX_CONTEXT_LINES) -> None:
    """Print the keys of the final context, with the beginnings of their values."""
    from holdwater.model.value_types.display import to_display_text

    values = result.final_context.stored_values()
    if values:
        click.echo("context")
    for key, value in list(values.items())[:max_lines]:
        # as it is stored, nothing is decoded: the classes of the values need not be here
        click.echo(f"  {escape_unsafe(key)} = {escape_unsafe(to_display_text(value.tree, MAX_VALUE_CHARS))}")
    if len(values) > max_lines:
        click.echo(f"  and {pluralize(len(values) - max_lines, 'more key')}")


def describe_progress(result: PipelineResult) -> str:
    """Describe the finished part of a run: `3 of 12 tasks (load, rain, merge)`."""
    tasks = result.task_results
    names = [t.task_name for t in tasks if t.status in FINISHED_STATUSES]
    listed = f" ({truncate(', '.join(names), 200)})" if names else ""
    return f"{len(names)} of {pluralize(len(tasks), 'task')}{listed}"


def reload_result(place: Place, run_id: str) -> PipelineResult | None:
    """Read a recorded run without a runner; None if it cannot be read (any more)."""
    from holdwater.errors import HoldwaterError
    from holdwater.runners.tasks.results import PipelineResult

    try:
        with place.reading() as opened:
            return PipelineResult(opened.runs.view(run_id))
    except HoldwaterError:
        return None


def print_interrupted(place: Place, run_id: str | None, resume_command: str) -> None:
    """Print the recorded state of an interrupted run.  `resume_command`: the command that continues it."""
    if run_id is None:
        click.echo("no run was started, or it goes on with the next runner of its workflow", err=True)
        return
    result = reload_result(place, run_id)
    if result is None:
        click.echo(f"run {run_id} was in memory, and is gone", err=True)
        return
    click.echo(f"run {run_id} is recorded: {describe_progress(result)} settled, it is {result.status}", err=True)
    if result.status not in exit_codes.CODES_BY_STATUS:
        click.echo(f"  hint: go on with {resume_command}", err=True)
