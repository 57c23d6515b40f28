"""One connection listens for many: messages reach who asked for them, also after it was lost."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator

import psycopg
import pytest

from holdwater.storage import StoreOptions
from holdwater.storage.postgres.listener import ChannelListener
from holdwater.storage.postgres.liveness import owner_lock_key
from holdwater.storage.postgres.server import PostgresServer
from tests.postgres.cluster import Cluster
from tests.suite.waiting import wait_until


class Heard:
    """Messages of one subscription, in order; RECONNECTED in between."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()

    def on_message(self, message: str) -> None:
        self._messages.put(message)

    def on_reconnected(self) -> None:
        self._messages.put("RECONNECTED")

    def next(self) -> str:
        return self._messages.get(timeout=30)


@pytest.fixture
def listener(postgres: Cluster) -> Iterator[ChannelListener]:
    opened = ChannelListener(PostgresServer.from_url(postgres.url(), StoreOptions()))
    yield opened
    opened.close()


@pytest.fixture
def session(postgres: Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(), autocommit=True) as opened:
        yield opened


def _is_locked(session: psycopg.Connection, owner: str) -> bool:
    row = session.execute("SELECT pg_try_advisory_xact_lock(%s)", (owner_lock_key(owner),)).fetchone()
    return row != (True,)


def _subscribe(
    listener: ChannelListener, channel: str, owners: tuple[str, ...] = ()
) -> tuple[Heard, Callable[[], None]]:
    heard = Heard()
    subscription = listener.subscribe(channel, heard.on_message, heard.on_reconnected, owners)
    subscription.wait_first_attempt()
    assert heard.next() == "RECONNECTED"
    return heard, subscription.close


def test_messages_of_many_channels_come_by_one_connection(
    listener: ChannelListener, session: psycopg.Connection
) -> None:
    first, _ = _subscribe(listener, "tenant one")
    second, close_second = _subscribe(listener, "tenant two")
    same, _ = _subscribe(listener, "tenant two")
    session.execute("SELECT pg_notify('tenant one', 'a'), pg_notify('tenant two', 'b')")
    assert (first.next(), second.next(), same.next()) == ("a", "b", "b")
    close_second()
    session.execute("SELECT pg_notify('tenant two', 'c')")
    assert same.next() == "c", "the channel is listened to as long as there is a subscriber"


def test_a_lost_connection_is_opened_again_and_says_so(listener: ChannelListener, session: psycopg.Connection) -> None:
    heard, _ = _subscribe(listener, "lost", ("owner of the lost",))
    assert listener.seconds_lost == 0
    assert _is_locked(session, "owner of the lost")
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
        " AND ((classid::BIGINT << 32) | objid::BIGINT) = %s",
        (owner_lock_key("owner of the lost"),),
    )
    assert heard.next() == "RECONNECTED"
    assert _is_locked(session, "owner of the lost")
    session.execute("SELECT pg_notify('lost', 'again')")
    assert heard.next() == "again"


def test_owners_are_alive_as_long_as_they_listen(listener: ChannelListener, session: psycopg.Connection) -> None:
    _, close_first = _subscribe(listener, "first", ("owner one",))
    _subscribe(listener, "second", ("owner two",))
    assert _is_locked(session, "owner one")
    close_first()
    wait_until(lambda: not _is_locked(session, "owner one"))
    assert _is_locked(session, "owner two")


def test_an_error_of_one_subscriber_does_not_reach_others(
    listener: ChannelListener, session: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: str) -> None:
        raise ValueError(message)

    listener.subscribe("shared", fail, lambda: None).wait_first_attempt()
    heard, _ = _subscribe(listener, "shared")
    session.execute("SELECT pg_notify('shared', 'x')")
    session.execute("SELECT pg_notify('shared', 'y')")
    assert (heard.next(), heard.next()) == ("x", "y")
    assert "a notification could not be delivered" in caplog.text


def test_closing_without_a_subscriber_needs_no_thread(postgres: Cluster) -> None:
    listener = ChannelListener(PostgresServer.from_url(postgres.url(), StoreOptions()))
    listener.close()
    listener.close()
