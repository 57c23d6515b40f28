"""Code of a user that writes to the pipe of its worker's runner what an honest worker never does."""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from holdwater import Context
from holdwater.model.message_framing import pack_frame
from holdwater.runtime.executors.processes.worker import CodeWorker, write_all

FORGED = "forged-by-the-worker"
IMPORTED = "tests.runtime.executors.imported_by_nobody"
"""a module that must not be imported"""
OTHER_TAIL = f'1}},"del":[]}}],["cancel_requested","{FORGED}"],["x",{{"set":{{"a":1'


def this_worker() -> CodeWorker:
    return next(thing for thing in gc.get_objects() if type(thing) is CodeWorker)


def call_number() -> int:
    """The number of the call this worker carries out."""
    return next(iter(this_worker()._calls))


def write_raw(data: bytes) -> None:
    write_all(this_worker()._write_fd, data)


def header(text: str, *, length: int | None = None) -> bytes:
    data = text.encode()
    return (len(data) if length is None else length).to_bytes(4, "big") + data


def message(*fields: Any, parts: tuple[bytes, ...] = ()) -> bytes:
    """A frame of this worker's call: `CALL` stands for the number of the call."""
    return pack_frame([call_number() if field is CALL else field for field in fields], *parts)


CALL = object()


def answer(inner: bytes) -> bytes:
    return message("done", CALL, parts=(inner,))


def result(head: Any, *texts: str) -> bytes:
    """An answer in the right frames, with this header and these values."""
    return answer(pack_frame(None, pack_frame(head, *[text.encode() for text in texts])))


VALUES = {"kind": "values", "decision": None}


def values(*texts: str, decision: Any = None) -> bytes:
    return result({"kind": "values", "decision": decision}, *texts)


def failure(**changes: Any) -> bytes:
    said = {"kind": "K", "text": FORGED, "traceback": "", "retryable": False, "cancelled": False, **changes}
    return answer(pack_frame({name: value for name, value in said.items() if value is not None}))


def patch(**changes: Any) -> str:
    return json.dumps({"set": {}, "del": [], **changes})


class Pickled:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, (IMPORTED,)


def twice(data: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: data() + data()


def child(number: Any, row: Any, *texts: bytes) -> bytes:
    return message("child", CALL, number, parts=(pack_frame(row, *texts),))


DEEP = "[" * 5_000 + "]" * 5_000
DEEP_BUT_READABLE = "[" * 200 + "]" * 200

CASES: dict[str, Callable[[], bytes]] = {
    # the frame
    "a pickle": lambda: pickle.dumps(Pickled()),
    "a pickle as an answer": lambda: answer(pickle.dumps(Pickled())),
    "a pickle as a value": lambda: answer(pack_frame(None, pack_frame(VALUES, pickle.dumps(Pickled())))),
    "a huge header": lambda: b"\xff\xff\xff\xff",
    "a header that is larger than all of them": lambda: header("[", length=64 * 1024 + 1),
    "a header that is no JSON": lambda: header("[[1]"),
    "a header that is not ASCII": lambda: header('[["done", 1], []]  ü'),
    "a header with NaN": lambda: header('[["done", NaN], []]'),
    "a header with a number that is infinite": lambda: header('[["done", 1e999], []]'),
    "a header with a number of too many digits": lambda: header('[["done", ' + "9" * 5_000 + "], []]"),
    "a deep header": lambda: header(DEEP),
    "a header that is a number": lambda: header("7"),
    "a header without lengths": lambda: header('[["done", 1]]'),
    "a part that is larger than memory": lambda: header('[["done", 1], [1000000000000]]'),
    "a part of negative length": lambda: header('[["done", 1], [-1]]'),
    "a part of half a byte": lambda: header('[["done", 1], [0.5]]'),
    "a part of true bytes": lambda: header('[["done", 1], [true]]'),
    "thousands of parts": lambda: header(json.dumps([["done", 1], [0] * 5_000])),
    # the message
    "no message": lambda: pack_frame([]),
    "a journal entry": lambda: message("journal", CALL, ["cancel_requested", FORGED]),
    "an event": lambda: message("cancel_requested", CALL, FORGED),
    "a kind that is a list": lambda: message(["done"], CALL),
    "an answer without a call": lambda: message("done", None, parts=(b"",)),
    "an answer of another call": lambda: message("done", 1, parts=(pack_frame(None, b""),)),
    "an answer without its part": lambda: message("done", CALL),
    "a log record without its part": lambda: message("log", CALL, "INFO", "x"),
    "a log record of a numbered level": lambda: message("log", CALL, 20, "x", parts=(b"",)),
    "a slot that is asked for by a text": lambda: message("resume", CALL, "x"),
    # child runs
    "a child run without a number": lambda: child("1", ["w", None, False, None]),
    "a child run without a name": lambda: child(1, [None, None, False, None]),
    "a child run with other fields": lambda: child(1, ["w", None, False, None, FORGED]),
    "a child run with more values than names": lambda: child(1, ["w", [], False, None], b"1"),
    "a child run with a value that is no JSON": lambda: child(1, ["w", ["a"], False, None], OTHER_TAIL.encode()),
    "a child run with a key that is a number": lambda: child(1, ["w", None, False, 7]),
    "two child runs as one": twice(lambda: child(1, ["waits", None, False, None])),
    # the answer
    "an empty answer": lambda: answer(b""),
    "an answer with more behind it": lambda: answer(pack_frame(None, b"") + b"more"),
    "an answer of nothing": lambda: answer(pack_frame(None)),
    "a result that is no object": lambda: result([]),
    "a result of another kind": lambda: result({"kind": "journal", "decision": None}),
    "a result with one more field": lambda: result({"kind": "values", "decision": None, "notes": [FORGED]}, patch()),
    "a failure with one more field": lambda: failure(journal=FORGED),
    "a failure without a kind": lambda: failure(kind=None),
    "a failure that may be retried, perhaps": lambda: failure(retryable="yes"),
    "a failure with a list as its text": lambda: failure(text=[FORGED]),
    # the values
    "no value": lambda: values(),
    "the value of another node": lambda: values(patch(), patch(set={"other": FORGED})),
    "a value that closes its entry": lambda: values('{"set":{"x":' + OTHER_TAIL + "}}"),
    "a value that is not ASCII": lambda: values('{"set":{"x":"ü"},"del":[]}'),
    "NaN as a value": lambda: values('{"set":{"x":NaN},"del":[]}'),
    "an infinite number as a value": lambda: values('{"set":{"x":1e999},"del":[]}'),
    "a number of too many digits as a value": lambda: values('{"set":{"x":' + "9" * 5_000 + '},"del":[]}'),
    "a deep value": lambda: values('{"set":{"x":' + DEEP + '},"del":[]}'),
    "a value a little too deep": lambda: values('{"set":{"x":' + DEEP_BUT_READABLE + '},"del":[]}'),
    "a value cut off": lambda: values('{"set":{"x":1'),
    "a value with more behind it": lambda: values(patch() + patch()),
    "a change that is a list": lambda: values("[]"),
    "a change with one more field": lambda: values(patch(overrides={"x": FORGED})),
    "a change without what it removes": lambda: values('{"set":{}}'),
    "a change that sets a list": lambda: values(patch(set=[FORGED])),
    "a change that removes a number": lambda: values(patch(**{"del": [7]})),
    "a change that removes what is not there": lambda: values(patch(**{"del": ["nothing"]})),
    "a decision of a task": lambda: values(patch(), decision=["b"]),
    "a decision that is a text": lambda: values(patch(), decision=FORGED),
    "a question of a task": lambda: result({"kind": "question"}, json.dumps(FORGED)),
    "a wait of a task": lambda: result({"kind": "wait", "until": 2_000_000_000_000_000}),
    "child runs of a task": lambda: result(
        {"kind": "child_runs", "inputs": [], "max_concurrency": 1, "fail_fast": True}
    ),
}  # fmt: skip


def attack(context: Context) -> NoReturn:
    """Write what the case says, and go on for ever."""
    write_raw(CASES[context["case"]]())
    while True:
        signal.pause()


def answers_with(*texts: str, decision: Any = None, head: Any = None) -> NoReturn:
    """Answer this in the place of what the function returns."""
    write_raw(values(*texts, decision=decision) if head is None else result(head, *texts))
    while True:
        signal.pause()


def answers_twice(context: Context) -> None:
    """Leave behind in the worker what answers once more after each answer."""
    worker = this_worker()
    send = worker._send

    def send_twice(message: Any, *blobs: bytes) -> None:
        if message[0] == "done":
            write_raw(2 * pack_frame(message, *blobs))  # at once: both are there before the next call
        else:
            send(message, *blobs)

    worker._send = send_twice  # type: ignore[method-assign]
    context["pid"] = os.getpid()


def stops_reading(context: Context) -> NoReturn:
    """Ask for its slot again and again, and read none of the answers."""
    worker = this_worker()
    kept, (silent, _) = os.dup(worker._read_fd), os.pipe()
    os.dup2(silent, worker._read_fd)
    asked = b"".join([message("resume", call_number(), number) for number in range(1_000)])
    while kept:
        write_all(worker._write_fd, asked)
    raise AssertionError


def forges_class(context: Context) -> None:
    """Name a class of a module that no process has, in the place of the answer."""
    worker = this_worker()
    send = worker._send
    tagged = {"$t": "dataclass", "c": f"{IMPORTED}:Thing", "v": {"n": 1}}
    inner = pack_frame(None, pack_frame(VALUES, patch(set={"thing": tagged, "n": 1}).encode()))

    def send_forged(message: Any, *blobs: bytes) -> None:
        if message[0] == "done":
            worker._send = send  # type: ignore[method-assign]
            blobs = (inner,)
        send(message, *blobs)

    worker._send = send_forged  # type: ignore[method-assign]
