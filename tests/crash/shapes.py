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

LOG_VARIABLE = "HOLDWATER_TEST_EFFECTS"
LOG = Path(os.environ.get(LOG_VARIABLE, os.devnull))
"""set by the process that runs the shapes; its worker processes find it in the environment"""


def append_effect(name: str) -> int:
    """Note that a body began; returns how often it has, this time included."""
    fd = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{name}\n".encode())
    os.close(fd)
    return LOG.read_text().splitlines().count(name)


def sets(name: str, **values: Any) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        append_effect(name)
        context.update_from_dict(values)

    return body


def appends(name: str, key: str = "log") -> Callable[[Context], None]:
    def body(context: Context) -> None:
        append_effect(name)
        context[key] = [*context.get(key, []), name]

    return body


def fails(name: str) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        append_effect(name)
        raise ValueError("always")

    return body


def flaky(name: str, failures: int) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        if append_effect(name) <= failures:
            raise ConnectionError("not yet")
        context[name] = "at last"

    return body


def append_mark(context: Context) -> None:
    append_effect(f"last{context.get('mark', '')}")
    context["end"] = [*context.get("log", []), context.get("mark", "")]


def add_task(name: str, function: Callable[..., Any], after: list[str] | None = None, **options: Any) -> None:
    task(id=name, dependencies=after or [], **options)(function)


def linear() -> None:
    for k in range(5):
        add_task(f"t{k}", appends(f"t{k}"), [f"t{k - 1}"] if k else [])


def mended() -> None:
    """Fails at first, whatever its process does; and a cleanup that is to leave no trace."""
    add_task("first", appends("first"))
    add_task("flaky", flaky("flaky", 2), ["first"])
    add_task("tidy", appends("tidy"), ["flaky"], trigger_rules=task_failed("flaky"))
    add_task("last", append_mark, ["flaky"])


def ticks() -> None:
    """For a schedule: one line for each instant."""

    def tick(context: Context) -> None:
        append_effect(context["scheduled_time"])

    add_task("tick", tick)


def diamond() -> None:
    add_task("start", sets("start", log=["start"], cfg={"a": 1}, dead=1))
    add_task("left", appends("left"), ["start"])
    add_task("right", appends("right"), ["start"])
    add_task("end", appends("end"), ["left", "right"])


def fan() -> None:
    add_task("source", sets("source", base=10))
    for k in range(12):
        add_task(f"leaf{k}", sets(f"leaf{k}", **{f"k{k}": k}), ["source"])

    def total(context: Context) -> None:
        append_effect("sum")
        context["sum"] = sum(context[f"k{k}"] for k in range(12))

    add_task("sum", total, [f"leaf{k}" for k in range(12)])


def wide() -> None:
    for k in range(6):
        add_task(f"w{k}", appends(f"w{k}", key=f"log{k % 2}"))


def retry() -> None:
    add_task("first", flaky("first", 2), retry_attempts=20, retry_delay_ms=5, retry_backoff="fixed")
    add_task("second", flaky("second", 1), ["first"], retry_attempts=20, retry_delay_ms=0, retry_backoff="fixed")
    add_task("third", sets("third", done=True), ["second"])


def rules() -> None:
    add_task("a", sets("a", a=1))
    add_task("big", sets("big", big=1), ["a"], trigger_rules=context_value("a", ">", 5))
    add_task("after_big", sets("after_big", after=1), ["big"])
    add_task(
        "small", sets("small", small=1), ["a"], trigger_rules=all_of(task_success("a"), context_value("a", "<", 5))
    )
    add_task("skipped", sets("skipped", seen=1), ["big"], trigger_rules=task_skipped("big"))
    add_task(
        "quiet", sets("quiet", quiet=1), ["a"], trigger_rules=none_of(task_failed("a"), context_value("a", "==", 9))
    )


def failure() -> None:
    add_task("extract", fails("extract"))
    add_task("transform", sets("transform", t=1), ["extract"])
    add_task("load", sets("load", l=1), ["transform"])
    add_task("alarm", sets("alarm", alarm=1), ["extract"], trigger_rules=task_failed("extract"))
    add_task("tidy", sets("tidy", tidy=1), ["load", "alarm"], trigger_rules=always())


def coroutines() -> None:
    def waits(name: str) -> Callable[[Context], Any]:
        async def body(context: Context) -> Context:
            import asyncio

            append_effect(name)
            await asyncio.sleep(0)
            context[name] = 1
            return context

        return body

    add_task("one", waits("one"))
    add_task("two", waits("two"), ["one"])
    add_task("three", waits("three"), ["one"])
    add_task("four", waits("four"), ["two", "three"])


def defer() -> None:
    def poll(context: Context, handle: TaskHandle) -> None:
        append_effect("poll")
        handle.defer_until(lambda: "signal\n" in LOG.read_text(), poll_interval_ms=2)
        context["polled"] = True

    add_task("poll", poll)
    add_task("signal", sets("signal", signalled=True))
    add_task("both", sets("both", both=1), ["poll", "signal"])


def timeout() -> None:
    def stuck(context: Context, handle: TaskHandle) -> None:
        if append_effect("stuck") == 1:
            handle.defer_until(lambda: True, poll_interval_ms=1)
            while not handle.cancelled:
                pass
            return
        context["unstuck"] = True

    add_task("stuck", stuck, timeout_seconds=0.05, retry_attempts=20, retry_delay_ms=1)
    add_task("next", sets("next", next=1), ["stuck"])


def merge() -> None:
    add_task("seed", sets("seed", n=0, rows=[1], cfg={"x": {"a": 1}}, gone=1))

    def left(context: Context) -> None:
        append_effect("left")
        context["rows"].append(2)
        context["cfg"]["x"]["l"] = 1
        context.remove("gone")

    def right(context: Context) -> dict[str, Any]:
        append_effect("right")
        return {"rows": [*context["rows"], 3], "n": 7}

    add_task("left", left, ["seed"])
    add_task("right", right, ["seed"])
    add_task("join", appends("join"), ["left", "right"])
    add_task("other", appends("other"), ["right", "left"])


def ladder() -> None:
    for k in range(4):
        before = [f"l{k - 1}", f"r{k - 1}"] if k else []
        add_task(f"l{k}", appends(f"l{k}"), before)
        add_task(
            f"r{k}",
            appends(f"r{k}", key="other"),
            before,
            trigger_rules=any_of(*map(task_success, before)) if k else None,
        )


SHAPES: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (linear, diamond, fan, wide, retry, rules, failure, coroutines, defer, timeout, merge, ladder)
}


def define_shape(shape: str) -> None:
    with WorkflowBuilder(shape):
        {"mended": mended, "ticks": ticks, **SHAPES}[shape]()
