"""What bodies in worker processes use, in a module that a worker imports in little time: without pytest."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from holdwater import Context


def write_line(path: str, value: object) -> None:
    with open(path, "w") as pipe:
        pipe.write(f"{value}\n")


def wait_for_byte(path: str) -> str:
    """Blocks until the test says something."""
    fd = os.open(path, os.O_RDWR)
    said = os.read(fd, 1)
    os.close(fd)
    return said.decode()


def recurses_forever(context: Context) -> None:
    recurses_forever(context)


def exits(context: Context) -> None:
    sys.exit(7)


def raises_keyboard_interrupt(context: Context) -> None:
    raise KeyboardInterrupt


class UnpicklableError(Exception):
    def __init__(self, lock: Any) -> None:
        self.lock = lock  # no pickle would survive it

    def __str__(self) -> str:
        return "odd"


def raises_unpicklable(context: Context) -> None:
    raise UnpicklableError(threading.Lock())


class FlakyError(ValueError):
    pass
