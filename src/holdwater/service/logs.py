"""Logs of a process that runs for long: for people on stderr, and as JSON lines in a file that is replaced daily.

Control characters are escaped in both, so that a text which a package or a client has chosen forges no line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

from holdwater.model.time import Micros, to_rfc3339
from holdwater.service.log_context import REQUEST_FACTS

LOG_NAME: Final = "holdwater.log"
KEPT_DAYS: Final = 14
MAX_MESSAGE_CHARS: Final = 100_000
_LOGGER: Final = "holdwater"
_CONTEXT: Final = {
    "holdwater_run_id": "run",
    "holdwater_node": "node",
    "holdwater_attempt": "attempt",
    "holdwater_request": "request",
    "holdwater_tenant": "tenant",
}
"""attributes of records of task functions and of requests -> keys of the JSON"""


_KEY: Final = re.compile(r"(hw_[0-9a-z]{12}_)[A-Za-z0-9_-]{20,}")
_PASSWORD: Final = re.compile(r"([a-z0-9+]{1,30}://[^/\s:@]{0,200}:)[^/\s@]{1,500}@")


def escape_controls(text: str) -> str:
    """Escape what is not printable, as Python writes it; tabs and line feeds too."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else one.encode("unicode_escape").decode() for one in text])


def redact(text: str) -> str:
    """Leave out the secrets of keys, and passwords in URLs."""
    if "hw_" in text:
        text = _KEY.sub(r"\1…", text)
    if "://" in text:
        text = _PASSWORD.sub(r"\1…@", text)
    return text


class RequestFilter(logging.Filter):
    """Adds the request in which a record is made; lets all records pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id and the tenant of the request."""
        request = REQUEST_FACTS.get()
        if request is not None and not hasattr(record, "holdwater_request"):
            record.holdwater_request, record.holdwater_tenant = request.request_id, request.tenant
        return True


class HumanFormatter(logging.Formatter):
    """`2026-11-30 12:00:00 INFO holdwater.daemon: text`, and the lines of a traceback below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record; those of its message and traceback are indented from the second on."""
        made = redact(super().format(record))
        return "\n    ".join([escape_controls(line) for line in made[:MAX_MESSAGE_CHARS].splitlines()])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (RFC 3339), `level`, `logger`, `message`, and `run`, `node`, `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        found: dict[str, Any] = {
            "at": to_rfc3339(Micros(round(record.created * 1e6))),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:MAX_MESSAGE_CHARS],
        }
        for attribute, key in _CONTEXT.items():
            if getattr(record, attribute, "") != "":
                found[key] = getattr(record, attribute)
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)[-MAX_MESSAGE_CHARS:]
        return redact(json.dumps(found, default=str))


class ServiceLogs:
    """The logs of this process.  `folder`: of the JSON lines, in `name`; None for none.  Raises OSError."""

    def __init__(self, level: str, folder: Path | None, stream: TextIO | None = None, *, name: str = LOG_NAME) -> None:
        self._logger = logging.getLogger()
        human = logging.StreamHandler(sys.stderr if stream is None else stream)
        human.setFormatter(HumanFormatter())
        self._handlers: list[logging.Handler] = [human]
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lines = TimedRotatingFileHandler(folder / name, when="midnight", backupCount=KEPT_DAYS, encoding="utf-8")
            lines.setFormatter(JsonFormatter())
            self._handlers.append(lines)
        self._level_before = self._logger.level
        for handler in self._handlers:
            handler.addFilter(RequestFilter())
            self._logger.addHandler(handler)
        self._logger.setLevel(logging.WARNING)  # of other libraries
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Log records of Holdwater of this level and above from now on: debug, info, warning or error."""
        logging.getLogger(_LOGGER).setLevel(level.upper())

    def close(self) -> None:
        """Close the file, and leave logging as it was.  Idempotent."""
        for handler in self._handlers:
            self._logger.removeHandler(handler)
            handler.close()
        self._handlers.clear()
        self._logger.setLevel(self._level_before)
        logging.getLogger(_LOGGER).setLevel(logging.NOTSET)
