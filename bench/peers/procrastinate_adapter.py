"""procrastinate on PostgreSQL: a queue without results or a graph.

Its end of a job is looked up every 2 ms, a chain is a job that defers the next, a fan is a batch of jobs.  Shipped: one
job at a time; tuned: 32.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import procrastinate
import psycopg_pool
from database import tally


class Adapter:
    def __init__(self, setting: str, url: str) -> None:
        self.at_once = 32 if setting == "tuned" else 1
        self.url = url

    def start(self) -> None:
        logging.getLogger("procrastinate").setLevel(logging.ERROR)
        worker = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=self.url, max_size=16))

        @worker.task(name="one")
        async def one(i: int) -> None:
            tally(i)

        @worker.task(name="chain")
        async def chain(left: int, p: Any = None) -> None:
            if left > 1:
                await chain.defer_async(left=left - 1, p=p)

        @worker.task(name="leaf")
        async def leaf(k: int) -> None:
            pass

        connector = procrastinate.SyncPsycopgConnector(conninfo=self.url, min_size=8, max_size=16)
        self.app = procrastinate.App(connector=connector)
        self.app.open()
        self.pool = psycopg_pool.ConnectionPool(
            self.url, min_size=2, max_size=16, kwargs={"autocommit": True}, open=True
        )
        if not self._one("select to_regclass('procrastinate_jobs') is not null"):
            self.app.schema_manager.apply_schema()
        ready = threading.Event()

        async def work() -> None:
            async with worker.open_async():
                ready.set()
                await worker.run_worker_async(
                    concurrency=self.at_once, install_signal_handlers=False, listen_notify=True, wait=True
                )

        threading.Thread(target=lambda: asyncio.run(work()), daemon=True).start()
        ready.wait(30)
        time.sleep(0.5)

    def one(self, i: int) -> bool:
        return self.wait(self.submit(i))

    def submit(self, i: int) -> int:
        return int(self.app.configure_task("one").defer(i=i))

    def wait(self, job: int) -> bool:
        return self._until(f"select status = 'succeeded' from procrastinate_jobs where id = {job}")

    def chain(self, n: int, payload: Any) -> bool:
        last = self._last()
        self.app.configure_task("chain").defer(left=n, p=payload)
        return self._done(last, n)

    def fan(self, n: int) -> bool:
        last = self._last()
        self.one(0)
        self.app.configure_task("leaf").batch_defer(*[dict(k=k) for k in range(n)])
        return self._done(last, n + 1) and self.one(0)

    def close(self) -> None:
        pass

    def _last(self) -> int:
        return int(self._one("select coalesce(max(id), 0) from procrastinate_jobs"))

    def _done(self, after: int, n: int) -> bool:
        return self._until(
            f"select count(*) >= {n} from procrastinate_jobs where id > {after} and status = 'succeeded'"
        )

    def _until(self, sql: str) -> bool:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._one(sql):
                return True
            time.sleep(0.002)
        return False

    def _one(self, sql: str) -> Any:
        with self.pool.connection() as c:
            return c.execute(sql, prepare=True).fetchone()[0]  # type: ignore[index]
