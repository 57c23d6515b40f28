"""Holdwater.  On SQLite, tuned means synchronous=NORMAL; on PostgreSQL there is nothing to tune."""

from __future__ import annotations

import uuid
from typing import Any

from database import connect, tally

import holdwater


class Adapter:
    def __init__(self, setting: str, url: str) -> None:
        self.url = url
        tuned = setting == "tuned" and url.startswith("sqlite")
        self.runner_url = f"{url}?_synchronous=NORMAL" if tuned else url

    def start(self) -> None:
        with holdwater.WorkflowBuilder("one"):

            @holdwater.task(id="add")
            def add(context: holdwater.Context) -> None:
                tally(context["i"])
                context["i"] = context["i"] + 1

        self.chains: set[int] = set()
        self.fans: set[int] = set()
        self.runner = holdwater.DefaultRunner(self.runner_url)

    def one(self, i: int) -> bool:
        return bool(self.runner.execute("one", {"i": i}).final_context["i"] == i + 1)

    def submit(self, i: int) -> Any:
        return i, self.runner.submit("one", {"i": i})

    def wait(self, handle: Any) -> bool:
        return bool(handle[1].result().final_context["i"] == handle[0] + 1)

    def chain(self, n: int, payload: Any) -> bool:
        if n not in self.chains:
            self.chains.add(n)
            with holdwater.WorkflowBuilder(f"chain{n}"):
                for k in range(n):

                    @holdwater.task(id=f"t{k}", dependencies=[f"t{k - 1}"] if k else [])
                    def step(context: holdwater.Context) -> None:
                        context["p"] = context["p"]

        result = self.runner.execute(f"chain{n}", {"p": payload if payload is not None else 0})
        return result.status == "Completed" and "p" in result.final_context

    def fan(self, n: int) -> bool:
        if n not in self.fans:
            self.fans.add(n)
            with holdwater.WorkflowBuilder(f"fan{n}"):

                @holdwater.task(id="source")
                def source(context: holdwater.Context) -> None:
                    context["s"] = 0

                for k in range(n):

                    @holdwater.task(id=f"leaf{k}", dependencies=["source"])
                    def leaf(context: holdwater.Context, k: int = k) -> None:
                        context[f"k{k}"] = k

                @holdwater.task(id="sum", dependencies=[f"leaf{k}" for k in range(n)])
                def total(context: holdwater.Context) -> None:
                    context["sum"] = sum(context[f"k{k}"] for k in range(n))

        return bool(self.runner.execute(f"fan{n}", {}).final_context["sum"] == n * (n - 1) // 2)

    def grow(self, n: int) -> None:
        """Multiply a finished run, rows as the engine writes them."""
        with connect(self.url) as db:
            done = db.execute("select * from runs order by id desc limit 1")
            columns = [c[0] for c in done.description]
            row = dict(zip(columns, done.fetchone()))
            first = uuid.UUID(row["id"]).int
            ids = [str(uuid.UUID(int=first - k)) for k in range(1, n + 1)]
            db.insert("runs", columns, ([{**row, "id": i}[c] for c in columns] for i in ids))
            journal = db.execute(f"select seq, at, entries from journal where run_id = '{row['id']}'").fetchall()
            db.insert("journal", ["run_id", "seq", "at", "entries"], ((i, *r) for i in ids for r in journal))

    def close(self) -> None:
        self.runner.shutdown()
