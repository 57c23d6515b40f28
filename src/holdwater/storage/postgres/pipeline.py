"""Several statements in one round trip and one transaction, straight on libpq.

The driver's own pipeline looks at the network after every statement, and gives up the interpreter's lock each time; its
arrays find out the type of each element.  Here a statement says by its casts what it takes (`$1::BIGINT[]`),
everything is sent at once, and whoever waits, waits once.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psycopg
from psycopg import errors, pq
from psycopg.waiting import Ready, Wait

ArrayEncoder = Callable[[Sequence[Any]], bytes]

_TEXT, _BINARY = 0, 1
_NULL_ELEMENT: Final = struct.pack("!i", -1)
_HEADER: Final = struct.Struct("!iiIii")
"""dimensions, whether there are nulls, type of the elements, their number, number of the first"""
_LENGTH: Final = struct.Struct("!i")


def _integer_array_encoder(element_oid: int, size: int, code: str) -> ArrayEncoder:
    pack = struct.Struct(f"!i{code}").pack

    def encode(values: Sequence[int | None]) -> bytes:
        return _HEADER.pack(1, 1, element_oid, len(values), 1) + b"".join(
            [_NULL_ELEMENT if value is None else pack(size, value) for value in values]
        )

    return encode


def _encode_text_array(values: Sequence[str | None]) -> bytes:
    parts = [_HEADER.pack(1, 1, 25, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL_ELEMENT)
        else:
            data = value.encode()
            if b"\0" in data:
                raise psycopg.DataError("PostgreSQL text cannot contain NUL (0x00) characters")
            parts.append(_LENGTH.pack(len(data)))
            parts.append(data)
    return b"".join(parts)


_ARRAY_TYPES: Final[dict[str, tuple[int, ArrayEncoder]]] = {
    "TEXT": (1009, _encode_text_array),
    "BIGINT": (1016, _integer_array_encoder(20, 8, "q")),
    "INTEGER": (1007, _integer_array_encoder(23, 4, "i")),
    "SMALLINT": (1005, _integer_array_encoder(21, 2, "h")),
}
"""by the type of the elements: the type of the array, and how it is written"""

_CAST: Final = re.compile(r"\$(\d+)(?:::([A-Z]+)\[\])?")


@dataclass(frozen=True, slots=True, eq=False)
class PipelineStatement:
    """A statement whose parameters are arrays of the types it casts them to, or plain text."""

    text: bytes
    types: tuple[int, ...]
    encoders: tuple[ArrayEncoder | None, ...]
    formats: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> PipelineStatement:
        casts: dict[int, str] = {}
        for number, element in _CAST.findall(text):
            casts[int(number)] = casts.get(int(number), "") or element
        kinds = [_ARRAY_TYPES.get(casts[n]) for n in sorted(casts)]
        return cls(
            text.encode(),
            tuple([0 if kind is None else kind[0] for kind in kinds]),
            tuple([None if kind is None else kind[1] for kind in kinds]),
            tuple([_TEXT if kind is None else _BINARY for kind in kinds]),
        )

    def encode(self, parameters: Iterable[Any]) -> list[bytes]:
        """Raises UnicodeEncodeError and psycopg.DataError for text that cannot be stored."""
        try:
            return [
                str(value).encode() if encoder is None else encoder(value)
                for encoder, value in zip(self.encoders, parameters, strict=True)
            ]
        except (struct.error, AttributeError, TypeError) as error:  # an integer too large, or no text at all
            raise psycopg.DataError(f"a value cannot be written: {error}") from error


StatementCall = tuple[PipelineStatement, Sequence[Any]]

T = TypeVar("T")

RESPONSE_TIMEOUT_SECONDS = 60.0
"""A server that says nothing for so long hangs.  Its kernel still answers, so the network's own probes do not tell."""


class _ResponseTimeout(psycopg.OperationalError):
    pass


def _with_response_timeout(gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """The same generator, until nothing has come for too long."""
    heard, ready = time.monotonic(), None
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        ready = yield wanted
        if ready:
            heard = time.monotonic()
        elif time.monotonic() - heard > RESPONSE_TIMEOUT_SECONDS:
            raise _ResponseTimeout(f"the server has not answered for {RESPONSE_TIMEOUT_SECONDS:g} s")


class PostgresConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that remembers what `execute_pipeline` has prepared on it.  `can_prepare`: whether it may."""

    can_prepare = True

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.prepared_statements: dict[PipelineStatement, bytes] = {}
        self._statement_count = 0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kw: Any) -> T:
        """What the driver waits with, but not for ever.  Raises psycopg.OperationalError."""
        try:
            return super().wait(_with_response_timeout(gen), *args, **kw)
        except _ResponseTimeout:
            self.pgconn.finish()  # else whoever tidies up would wait as long again
            raise

    def invalidate_prepared(self) -> None:
        """Something may have deallocated what was prepared: prepare it again, under other names."""
        self.prepared_statements.clear()

    def new_statement_name(self) -> bytes:
        self._statement_count += 1
        return b"holdwater_%d" % self._statement_count


def execute_pipeline(session: PostgresConnection, preamble: Sequence[str], calls: Sequence[StatementCall]) -> int:
    """All statements, those in `first` as they are, in one transaction; returns how many rows the last one changed.

    What stands between two syncs is one transaction, so an error leaves nothing of it.  Raises psycopg.Error, and what
    `Statement.encode` raises, before anything is sent.
    """
    encoded = [(statement, statement.encode(parameters)) for statement, parameters in calls]
    server = session.pgconn
    fresh: dict[PipelineStatement, bytes] = {}
    server.enter_pipeline_mode()
    try:
        for text in preamble:
            server.send_query_params(text.encode(), None)
        for statement, values in encoded:
            if not session.can_prepare:
                server.send_query_params(statement.text, values, statement.types, statement.formats)
                continue
            name = session.prepared_statements.get(statement) or fresh.get(statement)
            if name is None:
                name = fresh[statement] = session.new_statement_name()
                server.send_prepare(name, statement.text, statement.types)
            server.send_query_prepared(name, values, statement.formats)
        server.pipeline_sync()
        results = session.wait(_fetch_results(server))
        server.exit_pipeline_mode()
    except BaseException:
        session.close()  # nobody knows what is still on the way
        raise
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
    session.prepared_statements.update(fresh)
    return results[-1].command_tuples or 0 if results else 0


def _fetch_results(server: pq.abc.PGconn) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
    """Send what waits, and take in results until the sync."""
    found: list[pq.abc.PGresult] = []
    while True:
        waiting = server.flush()
        ready = yield Wait.RW if waiting else Wait.R
        if ready & Ready.R:
            server.consume_input()
        ends = 0
        while not server.is_busy() and ends < 2:
            result = server.get_result()
            if result is None:
                ends += 1  # one ends the results of a statement, two in a row are nothing more for now
                continue
            ends = 0
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)


def rows_to_columns(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows turned into one array for each parameter."""
    return list(zip(*rows, strict=True))
