"""Several statements in one round trip and one transaction, straight on libpq.

psycopg's pipeline polls the socket and releases the GIL after every statement, and inspects the type of each array
element.  Here the casts of a statement tell the types (`$1::BIGINT[]`), all statements are sent at once, and the
thread waits once.
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
"""header of a binary array: dimensions, has-null flag, element OID, length, lower bound"""
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
"""element type -> OID of the array type, and its encoder"""

_CAST: Final = re.compile(r"\$(\d+)(?:::([A-Z]+)\[\])?")


@dataclass(frozen=True, slots=True, eq=False)
class PipelineStatement:
    """A statement whose parameters are arrays of the types it casts them to, or text."""

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
        """Encode parameters.  Raises UnicodeEncodeError and psycopg.DataError for values that cannot be stored."""
        try:
            return [
                str(value).encode() if encoder is None else encoder(value)
                for encoder, value in zip(self.encoders, parameters, strict=True)
            ]
        except (struct.error, AttributeError, TypeError) as error:  # an integer too large, or not a text
            raise psycopg.DataError(f"a value cannot be written: {error}") from error


StatementCall = tuple[PipelineStatement, Sequence[Any]]

T = TypeVar("T")

RESPONSE_TIMEOUT_SECONDS = 60.0
"""longest silence of a server before it counts as hanging; TCP keepalives do not tell, its kernel answers them"""


class _ResponseTimeout(psycopg.OperationalError):
    pass


def _with_response_timeout(gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """Wrap a generator of psycopg; raises _ResponseTimeout if nothing came for `RESPONSE_TIMEOUT_SECONDS`."""
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
    """A connection that remembers what `execute_pipeline` has prepared on it.  `can_prepare`: False forbids that."""

    can_prepare = True

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.prepared_statements: dict[PipelineStatement, bytes] = {}
        self._statement_count = 0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kw: Any) -> T:
        """Wait as psycopg does, but with a response timeout.  Raises psycopg.OperationalError."""
        try:
            return super().wait(_with_response_timeout(gen), *args, **kw)
        except _ResponseTimeout:
            self.pgconn.finish()  # else rolling back would wait as long again
            raise

    def invalidate_prepared(self) -> None:
        """Forget the prepared statements, which may have been deallocated: prepare them again under new names."""
        self.prepared_statements.clear()

    def new_statement_name(self) -> bytes:
        self._statement_count += 1
        return b"holdwater_%d" % self._statement_count


def execute_pipeline(session: PostgresConnection, preamble: Sequence[str], calls: Sequence[StatementCall]) -> int:
    """Execute `preamble` and then `calls` in one transaction; returns the row count of the last statement.

    All statements up to a sync message are one transaction, so an error rolls back all of them.  Raises psycopg.Error,
    and before anything is sent UnicodeEncodeError or psycopg.DataError for values that cannot be stored.
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
        session.close()  # results may still arrive, and the protocol state is unknown
        raise
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
    session.prepared_statements.update(fresh)
    return results[-1].command_tuples or 0 if results else 0


def _fetch_results(server: pq.abc.PGconn) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
    """Flush the output buffer, and collect results up to the sync."""
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
                ends += 1  # one NULL ends the results of a statement, two in a row mean that no more are available
                continue
            ends = 0
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)


def rows_to_columns(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Transpose rows to one array per parameter."""
    return list(zip(*rows, strict=True))
