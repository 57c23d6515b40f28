"""Connections are opened by use, and closed when they were idle for long."""

from __future__ import annotations

from holdwater.storage.pool import ConnectionPool
from tests.suite.waiting import wait_until


class Connection:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def _open_pool(idle_seconds: float | None) -> tuple[ConnectionPool[Connection], list[Connection]]:
    opened: list[Connection] = []

    def connect() -> Connection:
        opened.append(Connection())
        return opened[-1]

    return ConnectionPool(connect, name="a database", max_size=3, max_idle=3, idle_seconds=idle_seconds), opened


def test_nothing_is_opened_before_it_is_used() -> None:
    pool, opened = _open_pool(60.0)
    assert opened == []
    with pool.connection(), pool.connection():
        assert len(opened) == 2
    pool.close()
    assert all([one.is_closed for one in opened])


def test_idle_connections_are_closed_and_opened_again() -> None:
    pool, opened = _open_pool(0.02)
    with pool.connection(), pool.connection():
        pass
    wait_until(lambda: all([one.is_closed for one in opened]))
    with pool.connection() as again:
        assert not again.is_closed
    assert len(opened) == 3
    wait_until(lambda: again.is_closed)
    pool.close()


def test_one_that_is_in_use_is_not_closed() -> None:
    pool, opened = _open_pool(0.02)
    with pool.connection() as kept:
        with pool.connection():
            pass
        wait_until(lambda: opened[1].is_closed)
        assert not kept.is_closed
    pool.close()


def test_the_one_that_was_used_last_is_used_next() -> None:
    pool, _ = _open_pool(60.0)
    with pool.connection(), pool.connection():
        pass
    with pool.connection() as first:
        pass
    with pool.connection() as second:
        assert second is first
    pool.close()
