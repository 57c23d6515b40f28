"""Provenance of a run: the door it was started through, its author, its labels, the trace of the request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.records import RunRow

Origin = Literal["api", "cli", "code", "cron", "trigger", "child", "fork"]
ORIGINS: Final[tuple[Origin, ...]] = ("api", "cli", "code", "cron", "trigger", "child", "fork")

MAX_LABELS: Final = 32
"""labels of one run"""
MAX_LABEL_KEY_CHARS: Final = 63
MAX_LABEL_VALUE_BYTES: Final = 256
"""of a label's value in UTF-8"""
MAX_AUTHOR_BYTES: Final = 1_024
"""of `started_by` and `by` in UTF-8"""

_LABEL_KEY: Final = re.compile(rf"[A-Za-z](?:[A-Za-z0-9._/-]{{0,{MAX_LABEL_KEY_CHARS - 2}}}[A-Za-z0-9])?", re.ASCII)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Facts about a run that are known when it is started, and never change.

    `started_by`: as in `RunRow`.  `labels`: texts by key (see `check_labels`); children and forks of the run have them,
    too.  `traceparent`: of the request, as in W3C Trace Context, version 00.
    """

    origin: Origin = "code"
    started_by: str = "code"
    labels: Mapping[str, str] | None = None
    traceparent: str | None = None

    @classmethod
    def of_caller(cls, started_by: str = "", labels: Mapping[str, str] | None = None) -> Provenance:
        """Facts of a run that a caller starts; the origin is told by the author: `api:...`, `cli:...`, or else code."""
        if not started_by and not labels:
            return FROM_CODE
        door = started_by.partition(":")[0] if isinstance(started_by, str) else ""
        origin: Origin = "api" if door == "api" else "cli" if door == "cli" else "code"
        return cls(origin, started_by or FROM_CODE.started_by, labels)

    def check(self) -> None:
        """Check what a caller has given.  Raises InvalidArgument."""
        check_author(self.started_by)
        if self.labels is not None:
            check_labels(self.labels)
        check_traceparent(self.traceparent)

    def write_to(self, row: RunRow) -> None:
        """Set the facts of a new run."""
        row.origin, row.started_by, row.traceparent = self.origin, self.started_by, self.traceparent
        if self.labels:
            row.labels_json = encode_labels(self.labels)


FROM_CODE: Final = Provenance()
"""a run started by a call in a program"""


def inherit_provenance(row: RunRow, parent: RunRow, origin: Origin = "child") -> None:
    """Give a child or a fork the author, the labels and the trace of the run it comes from."""
    row.origin, row.started_by = origin, parent.started_by
    row.labels_json, row.traceparent = parent.labels_json, parent.traceparent


def encode_labels(labels: Mapping[str, str]) -> str | None:
    """Encode labels as `RunRow.labels_json`, sorted by key."""
    return json.dumps(dict(sorted(labels.items())), separators=(",", ":"), ensure_ascii=False) if labels else None


def check_labels(labels: Any) -> dict[str, str]:
    """Check labels, at most 32.  Raises InvalidArgument.

    A key has 1 to 63 characters of `A-Za-z0-9._/-`, begins with a letter and ends with a letter or a digit; a value is
    text of at most 256 bytes in UTF-8, without control characters.
    """
    if not isinstance(labels, Mapping):
        raise InvalidArgument(
            f"labels are texts by key, not {validation.shorten_repr(labels)}", hint='write labels={"env": "prod"}'
        )
    if len(labels) > MAX_LABELS:
        raise InvalidArgument(f"a run has at most {MAX_LABELS} labels, not {len(labels):,}")
    return {check_label_key(key): check_label_value(key, value) for key, value in labels.items()}


def check_label_key(key: Any) -> str:
    """Check the key of a label.  Raises InvalidArgument."""
    if not isinstance(key, str) or not _LABEL_KEY.fullmatch(key):
        raise InvalidArgument(
            f"{validation.shorten_repr(key)} is no key of a label",
            hint=f"a key has 1 to {MAX_LABEL_KEY_CHARS} characters of A-Z a-z 0-9 . _ / -, begins with a letter and "
            "ends with a letter or a digit",
        )
    return key


def check_label_value(key: str, value: Any) -> str:
    """Check the value of a label; it may be empty.  Raises InvalidArgument."""
    label = f"the label {key!r}"
    text = validation.check_text(label, value, max_bytes=MAX_LABEL_VALUE_BYTES, allow_empty=True)
    if not text.isprintable():
        raise InvalidArgument(f"{label} has a control character: {validation.shorten_repr(text)}")
    return text


def check_author(author: Any) -> str:
    """Check an author, as `cli:alice`; it may be empty.  Raises InvalidArgument."""
    text = validation.check_text("an author", author, max_bytes=MAX_AUTHOR_BYTES, allow_empty=True)
    if not text.isprintable():
        raise InvalidArgument(f"an author has a control character: {validation.shorten_repr(text)}")
    return text


def check_traceparent(traceparent: Any) -> str | None:
    """Check a `traceparent` of W3C Trace Context.  Raises InvalidArgument."""
    if traceparent is None:
        return None
    if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
        raise InvalidArgument(
            f"{validation.shorten_repr(traceparent)} is no traceparent",
            hint="it is 00-TRACE-PARENT-FLAGS with 32, 16 and 2 hexadecimal digits (W3C Trace Context)",
        )
    return traceparent
