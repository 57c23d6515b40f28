"""Plan shapes whose outcome no crash may change.  Every body first leaves a line in the effects log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdwater import (
    Context,
    TaskHandle,
    WorkflowBuilder,
    all_of,
    always,
    any_of,
    context_value,
    none_of,
    task,
    task_failed,
    task_skipped,
    task_success,
)

LOG = Path(os.devnull)
"""set by the process that runs the shapes"""


def effect(name: str) -> int:
    """Note that a body began; returns how often it has, this time included."""
    fd = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{name}\n".encode())
    os.close(fd)
    return LOG.read_text().splitlines().count(name)


def put(name: str, **values: Any) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        effect(name)
        context.update_from_dict(values)

    return body


def grow(name: str, key: str = "log") -> Callable[[Context], None]:
    def body(context: Context) -> None:
        effect(name)
        context[key] = [*context.get(key, []), name]

    return body


def fails(name: str) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        effect(name)
        raise ValueError("always")

    return body


def flaky(name: str, failures: int) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        if effect(name) <= failures:
            raise ConnectionError("not yet")
        context[name] = "at last"

    return body


def last(context: Context) -> None:
    effect(f"last{context.get('mark', '')}")
    context["end"] = [*context.get("log", []), context.get("mark", "")]


def add(name: str, body: Callable[..., Any], after: list[str] | None = None, **options: Any) -> None:
    task(id=name, dependencies=after or [], **options)(body)


def linear() -> None:
    for k in range(5):
        add(f"t{k}", grow(f"t{k}"), [f"t{k - 1}"] if k else [])


def mended() -> None:
    """Fails at first, whatever its process does; and a cleanup that is to leave no trace."""
    add("first", grow("first"))
    add("flaky", flaky("flaky", 2), ["first"])
    add("tidy", grow("tidy"), ["flaky"], trigger_rules=task_failed("flaky"))
    add("last", last, ["flaky"])


def ticks() -> None:
    """For a schedule: one line for each instant."""

    def tick(context: Context) -> None:
        effect(context["scheduled_time"])

    add("tick", tick)


def diamond() -> None:
    add("start", put("start", log=["start"], cfg={"a": 1}, dead=1))
    add("left", grow("left"), ["start"])
    add("right", grow("right"), ["start"])
    add("end", grow("end"), ["left", "right"])


def fan() -> None:
    add("source", put("source", base=10))
    for k in range(12):
        add(f"leaf{k}", put(f"leaf{k}", **{f"k{k}": k}), ["source"])

    def total(context: Context) -> None:
        effect("sum")
        context["sum"] = sum(context[f"k{k}"] for k in range(12))

    add("sum", total, [f"leaf{k}" for k in range(12)])


def wide() -> None:
    for k in range(6):
        add(f"w{k}", grow(f"w{k}", key=f"log{k % 2}"))


def retry() -> None:
    add("first", flaky("first", 2), retry_attempts=20, retry_delay_ms=5, retry_backoff="fixed")
    add("second", flaky("second", 1), ["first"], retry_attempts=20, retry_delay_ms=0, retry_backoff="fixed")
    add("third", put("third", done=True), ["second"])


def rules() -> None:
    add("a", put("a", a=1))
    add("big", put("big", big=1), ["a"], trigger_rules=context_value("a", ">", 5))
    add("after_big", put("after_big", after=1), ["big"])
    add("small", put("small", small=1), ["a"], trigger_rules=all_of(task_success("a"), context_value("a", "<", 5)))
    add("skipped", put("skipped", seen=1), ["big"], trigger_rules=task_skipped("big"))
    add("quiet", put("quiet", quiet=1), ["a"], trigger_rules=none_of(task_failed("a"), context_value("a", "==", 9)))


def failure() -> None:
    add("extract", fails("extract"))
    add("transform", put("transform", t=1), ["extract"])
    add("load", put("load", l=1), ["transform"])
    add("alarm", put("alarm", alarm=1), ["extract"], trigger_rules=task_failed("extract"))
    add("tidy", put("tidy", tidy=1), ["load", "alarm"], trigger_rules=always())


def coroutines() -> None:
    def waits(name: str) -> Callable[[Context], Any]:
        async def body(context: Context) -> Context:
            import asyncio

            effect(name)
            await asyncio.sleep(0)
            context[name] = 1
            return context

        return body

    add("one", waits("one"))
    add("two", waits("two"), ["one"])
    add("three", waits("three"), ["one"])
    add("four", waits("four"), ["two", "three"])


def defer() -> None:
    def poll(context: Context, handle: TaskHandle) -> None:
        effect("poll")
        handle.defer_until(lambda: "signal\n" in LOG.read_text(), poll_interval_ms=2)
        context["polled"] = True

    add("poll", poll)
    add("signal", put("signal", signalled=True))
    add("both", put("both", both=1), ["poll", "signal"])


def timeout() -> None:
    def stuck(context: Context, handle: TaskHandle) -> None:
        if effect("stuck") == 1:
            handle.defer_until(lambda: True, poll_interval_ms=1)
            while not handle.cancelled:
                pass
            return
        context["unstuck"] = True

    add("stuck", stuck, timeout_seconds=0.05, retry_attempts=20, retry_delay_ms=1)
    add("next", put("next", next=1), ["stuck"])


def merge() -> None:
    add("seed", put("seed", n=0, rows=[1], cfg={"x": {"a": 1}}, gone=1))

    def left(context: Context) -> None:
        effect("left")
        context["rows"].append(2)
        context["cfg"]["x"]["l"] = 1
        context.remove("gone")

    def right(context: Context) -> dict[str, Any]:
        effect("right")
        return {"rows": [*context["rows"], 3], "n": 7}

    add("left", left, ["seed"])
    add("right", right, ["seed"])
    add("join", grow("join"), ["left", "right"])
    add("other", grow("other"), ["right", "left"])


def ladder() -> None:
    for k in range(4):
        before = [f"l{k - 1}", f"r{k - 1}"] if k else []
        add(f"l{k}", grow(f"l{k}"), before)
        add(
            f"r{k}", grow(f"r{k}", key="other"), before, trigger_rules=any_of(*map(task_success, before)) if k else None
        )


SHAPES: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (linear, diamond, fan, wide, retry, rules, failure, coroutines, defer, timeout, merge, ladder)
}


def define(shape: str) -> None:
    with WorkflowBuilder(shape):
        {"mended": mended, "ticks": ticks, **SHAPES}[shape]()
