from __future__ import annotations

import threading

from holdwater.packages.reconciling.bounded_calls import BoundedCalls


def test_results_errors_and_what_hangs() -> None:
    hangs, done = threading.Event(), threading.Event()

    def fail() -> str:
        raise ValueError("no")

    def hang() -> str:
        hangs.wait()
        done.set()
        return "late"

    calls = BoundedCalls[str](0.1, 2)
    found = dict(calls.run({"hangs": hang, "good": lambda: "yes", "fails": fail, "more": lambda: "too"}))
    assert found["good"] == "yes"
    assert found["more"] == "too"
    assert isinstance(found["fails"], ValueError)
    assert isinstance(found["hangs"], TimeoutError)
    hangs.set()
    done.wait()
    assert dict(calls.run({"again": lambda: "yes"})) == {"again": "yes"}  # the late result is dropped
    calls.close()


def test_closing_ends_a_run_that_waits() -> None:
    calls, release, began = BoundedCalls[str](60.0, 1), threading.Event(), threading.Event()

    def wait() -> str:
        began.set()
        release.wait()
        return ""

    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(calls.run({"waits": wait, "never": lambda: "no"})))
    thread.start()
    began.wait()
    calls.close()
    thread.join()
    assert results == []
    release.set()
    calls.close()
    assert list(calls.run({"more": lambda: "no"})) == []
