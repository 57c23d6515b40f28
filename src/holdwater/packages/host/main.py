"""A host: a worker that has the code of one release, and no other."""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from holdwater.packages.host.serving import PackageWorker
from holdwater.runtime.executors.processes.worker import close_fds
from holdwater.runtime.executors.processes.worker_log import RecordedElsewhere
from holdwater.runtime.logs import captured_streams
from holdwater.runtime.logs.capture import log_info_records


def main(
    config: dict[str, Any], read_fd: int, write_fd: int, worker: Callable[..., PackageWorker] = PackageWorker
) -> None:
    """Serve calls on these pipes until there are no more.  `worker`: makes what answers them, of the same three."""
    os.register_at_fork(after_in_child=partial(close_fds, (read_fd, write_fd)))  # a fork must not speak for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):  # no stderr, no report
        faulthandler.enable()
    _capture_output(is_concurrent=config["is_concurrent"])
    worker(config, read_fd, write_fd).serve()


def _capture_output(*, is_concurrent: bool) -> None:
    """Have lines leave at once; what handlers of logging write is sent as a record, and not printed too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    sys.stderr = RecordedElsewhere(sys.stderr, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    log_info_records()
    if is_concurrent:
        captured_streams.install()
