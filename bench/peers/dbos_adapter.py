"""DBOS: workflows of steps; the fan goes through its queue (shipped) or asyncio.gather (tuned)."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from typing import Any

from database import connect, tally
from dbos import DBOS


class Adapter:
    def __init__(self, setting: str, url: str) -> None:
        self.tuned = setting == "tuned"
        self.url = url

    def start(self) -> None:
        logging.getLogger("dbos").setLevel(logging.ERROR)
        url = self.url.replace("postgresql://", "postgresql+psycopg://")
        config: dict[str, Any] = dict(
            name="bench", system_database_url=url, log_level="ERROR", console_log_level="ERROR", run_admin_server=False,
            application_version="v1", executor_id=f"e{os.getpid()}",
        )  # fmt: skip
        if self.tuned:
            config.update(
                sys_db_pool_size=32, max_executor_threads=64, notification_listener_polling_interval_sec=0.01,
            )  # fmt: skip
        if self.tuned and url.startswith("sqlite"):
            import sqlalchemy as sa

            engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

            @sa.event.listens_for(engine, "connect")
            def pragmas(connection: Any, record: Any) -> None:
                connection.execute("pragma journal_mode=wal")
                connection.execute("pragma synchronous=normal")
                connection.execute("pragma busy_timeout=30000")

            config.update(system_database_engine=engine)
        DBOS(config=config)  # type: ignore[arg-type]

        @DBOS.step()
        def add(i: int) -> int:
            tally(i)
            return i + 1

        @DBOS.workflow()
        def one(i: int) -> int:
            return add(i)

        @DBOS.step()
        def pass_on(p: Any) -> Any:
            return p

        @DBOS.workflow()
        def chain(n: int, p: Any) -> int:
            x = p if p is not None else 0
            for _ in range(n):
                x = pass_on(x)
            return n

        @DBOS.workflow()
        def leaf(k: int) -> Any:
            return pass_on(k)

        @DBOS.workflow()
        def fan(n: int) -> Any:
            pass_on(0)
            handles = [DBOS.enqueue_workflow("q", leaf, k) for k in range(n)]
            return pass_on(sum(h.get_result() for h in handles))

        @DBOS.step()
        async def pass_on_async(k: int) -> int:
            return k

        @DBOS.workflow()
        async def fan_async(n: int) -> int:
            await pass_on_async(0)
            return await pass_on_async(sum(await asyncio.gather(*[pass_on_async(k) for k in range(n)])))

        self._one, self._chain, self._fan, self._fan_async = one, chain, fan, fan_async
        DBOS.launch()
        DBOS.register_queue("q", **(dict(polling_interval_sec=0.01) if self.tuned else {}))

    def one(self, i: int) -> bool:
        return bool(self._one(i) == i + 1)

    def submit(self, i: int) -> Any:
        return i, DBOS.start_workflow(self._one, i)

    def wait(self, handle: Any) -> bool:
        return bool(handle[1].get_result() == handle[0] + 1)

    def chain(self, n: int, payload: Any) -> bool:
        return bool(self._chain(n, payload) == n)

    def fan(self, n: int) -> bool:
        got = asyncio.run(self._fan_async(n)) if self.tuned else self._fan(n)
        return bool(got == n * (n - 1) // 2)

    def grow(self, n: int) -> None:
        """Multiply a finished workflow, rows as the engine writes them."""
        schema = "" if self.url.startswith("sqlite") else "dbos."
        with connect(self.url) as db:
            found = db.execute(f"select workflow_uuid from {schema}workflow_status where status='SUCCESS' limit 1")
            (done,) = found.fetchone()
            ids = [str(uuid.uuid4()) for _ in range(n)]
            for table in ("workflow_status", "operation_outputs"):
                rows = db.execute(f"select * from {schema}{table} where workflow_uuid = '{done}'")
                columns = [c[0] for c in rows.description]
                row = dict(zip(columns, rows.fetchone()))
                wanted = ([{**row, "workflow_uuid": i}[c] for c in columns] for i in ids)
                db.insert(f"{schema}{table}", columns, wanted)

    def close(self) -> None:
        DBOS.destroy()
