"""`holdwater worker`: executes what is there, and what comes, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes, health_server, load_workflow, options, service_manager
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, format_duration, pluralize, truncate
from holdwater.cli.runner_options import capturing_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdwater.runners.tasks.config import DefaultRunnerConfig
    from holdwater.runners.tasks.default_runner import DefaultRunner
    from holdwater.runners.tasks.health import RunnerHealth

MAX_LISTED_CHARS: Final = 500
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CHECK_SECONDS: Final = 5.0
FORCED: Final = 1
"""exit code after a second signal"""


@click.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@options.database_option
@click.option("--name", metavar="NAME", default="", help="Name of this worker in logs and lists (default: HOST:PID).")
@click.option("--max-concurrent-tasks", metavar="N", type=click.IntRange(1, 100_000), help="Task functions at once.")
@click.option("--config", metavar="MODULE:NAME", help="A DefaultRunnerConfig, for executors, routing and all else.")
@click.option(
    "--drain-seconds",
    metavar="SECONDS",
    type=click.FloatRange(0, 86_400),
    default=30.0,
    show_default=True,
    help="Time that running task functions have to end after SIGTERM or Ctrl-C.",
)
@click.option(
    "--health", metavar="[HOST:]PORT", help="Answer GET /health and /ready by HTTP (default host: 127.0.0.1)."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="Log records of this level and above go to stderr.",
)
def worker(
    modules: tuple[str, ...],
    database: str,
    name: str,
    max_concurrent_tasks: int | None,
    config: str | None,
    drain_seconds: float,
    health: str | None,
    log_level: str,
) -> int:
    """Execute the workflows of modules: runs that are there, those that clients submit, and schedules.

    Each MODULE is imported from the current directory or the Python path, or is a path to a .py file.  All workflows of
    tasks and steps and all named graphs in it are registered, and announced in the catalog of the database.

    When it works it prints a line that begins with `ready`.  At SIGTERM or Ctrl-C it takes no more work, gives running
    functions --drain-seconds to end, leaves the rest to other workers, and exits with 0; at a second signal it ends at
    once, with 1; after an error inside Holdwater, with 70.  Under systemd it notifies of its state (Type=notify).
    """
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    address = None if health is None else health_server.parse_address(health)
    load_workflow.load_modules(modules)
    stop = _StopSignal()
    with stop.installed():
        runner = _open_runner(database, _make_config(config, name, max_concurrent_tasks, drain_seconds))
        try:
            with health_server.serving(address, runner.health):
                click.echo(_ready_line(runner, runner.announce()))
                service_manager.notify("READY=1")
                while not stop.requested.wait(CHECK_SECONDS):
                    _raise_if_failed(runner.health())
                service_manager.notify("STOPPING=1")
                click.echo(
                    f"draining: running task functions have {format_duration(drain_seconds)} to end; "
                    "a second signal ends them at once",
                    err=True,
                )
                runner.shutdown()
        finally:
            runner.shutdown()
    click.echo("stopped", err=True)
    return exit_codes.COMPLETED


def _make_config(
    target: str | None, name: str, max_concurrent_tasks: int | None, drain_seconds: float
) -> DefaultRunnerConfig:
    from holdwater.runners.tasks.config import DefaultRunnerConfig

    config = capturing_config() if target is None else load_workflow.load_attribute(target)
    if not isinstance(config, DefaultRunnerConfig):
        raise CommandError(f"--config {target}: it is {type(config).__name__}, not a DefaultRunnerConfig")
    config = config.with_defaults(capture_logs=True, capture_output=True)
    config.shutdown_timeout_seconds = drain_seconds
    if name:
        config.runner_name = name
    if max_concurrent_tasks is not None:
        config.max_concurrent_tasks = max_concurrent_tasks
    return config


def _open_runner(database: str, config: DefaultRunnerConfig) -> DefaultRunner:
    from holdwater.runners.tasks.default_runner import DefaultRunner

    return DefaultRunner(database, config=config)


def _raise_if_failed(health: RunnerHealth) -> None:
    """Fail with exit code 70 when the runner executes nothing any more: a supervisor starts another process."""
    if health.has_failed:
        raise CommandError(health.reason, code=exit_codes.INTERNAL)


def _ready_line(runner: DefaultRunner, served: Sequence[str]) -> str:
    from holdwater.model.registry import registry
    from holdwater.storage.urls import mask_password

    parts = [
        f"ready: {pluralize(len(served), 'workflow')} ({_listed(served)})",
        f"{pluralize(runner.config.max_concurrent_tasks, 'task')} at once",
        mask_password(runner.database_url),
    ]
    left_out = sorted(set(registry.names()) - set(served))
    if left_out:
        parts.append(f"not executed here for want of an executor: {_listed(left_out)}")
    return ", ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return escape_unsafe(truncate(", ".join(names) or "none", MAX_LISTED_CHARS))


class _StopSignal:
    """SIGTERM and SIGINT: the first asks the worker to stop, the second ends the process."""

    def __init__(self) -> None:
        self.requested = threading.Event()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals inside the block; only the main thread can ask for that."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = [(number, signal.signal(number, self._on_signal)) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        if self.requested.is_set():
            os._exit(FORCED)  # all that counts is on disk, and other workers find the locks of this one free
        self.requested.set()
