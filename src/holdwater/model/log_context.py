"""The loggers of the library; run and node on the log records of bodies.

A program that has configured no logging gets nothing on stderr: the logger `holdwater` has a NullHandler, as the
logging HOWTO asks of libraries ("Configuring Logging for a Library").

Every record that a body logs gets the attributes `holdwater_run_id`, `holdwater_node` and `holdwater_attempt` (from 1).
Formatters, filters and handlers of the application can use them; records from elsewhere do not have them.
"""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar
from typing import Any, Final, Literal, Protocol

OutputStream = Literal["stdout", "stderr"]


class LogSink(Protocol):
    """Takes what a task function prints and logs.  Its methods raise nothing, and may be called from any thread."""

    @property
    def takes_output(self) -> bool:
        """True if prints of the function are taken."""
        ...

    def add_record(self, record: logging.LogRecord) -> None:
        """Take a log record."""
        ...

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Take what was written to a stream."""
        ...


class AttemptOrigin(Protocol):
    """The attempt a body belongs to."""

    @property
    def run_id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def log_sink(self) -> LogSink | None:
        """The log of the attempt; None if nothing is taken."""
        ...

    def read_secret(self, name: str, field: str) -> str:
        """Return the text of a secret, as `TaskHandle.secret` does."""
        ...

    def enter_context(self) -> None:
        """Set the context variables that observers of the run want its function to see, in the running context."""
        ...


ORIGIN: Final[ContextVar[AttemptOrigin | None]] = ContextVar("holdwater_origin", default=None)
_lock = threading.Lock()

logging.getLogger("holdwater").addHandler(logging.NullHandler())


def get_logger(name: str) -> logging.Logger:
    """A logger of the library, below `holdwater`."""
    return logging.getLogger(name)


def install_record_factory() -> None:
    """Have log records marked from now on.  Installs one record factory, in front of the present one; idempotent."""
    with _lock:
        present = logging.getLogRecordFactory()
        if getattr(present, "holdwater_marks", False):
            return

        def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = present(*args, **kwargs)
            origin = ORIGIN.get()
            if origin is not None:
                record.holdwater_run_id = origin.run_id
                record.holdwater_node = origin.name
                record.holdwater_attempt = origin.number
                # Here, and not in a handler: one at the root logger would make `logging.basicConfig` do nothing, and
                # `logging.config` removes it.
                if origin.log_sink is not None and record.name:
                    origin.log_sink.add_record(record)
            return record

        make.holdwater_marks = True  # type: ignore[attr-defined]
        logging.setLogRecordFactory(make)
