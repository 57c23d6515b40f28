"""What bodies in worker processes use, in a module that a worker imports in little time: without pytest."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from holdwater import Context


def tell(path: str, said: object) -> None:
    with open(path, "w") as pipe:
        pipe.write(f"{said}\n")


def wait_for(path: str) -> str:
    """Blocks until the test says something."""
    fd = os.open(path, os.O_RDWR)
    said = os.read(fd, 1)
    os.close(fd)
    return said.decode()


def recursion(context: Context) -> None:
    recursion(context)


def leaves(context: Context) -> None:
    sys.exit(7)


def interrupts(context: Context) -> None:
    raise KeyboardInterrupt


class Odd(Exception):
    def __init__(self, lock: Any) -> None:
        self.lock = lock  # no pickle would survive it

    def __str__(self) -> str:
        return "odd"


def odd(context: Context) -> None:
    raise Odd(threading.Lock())


class Flaky(ValueError):
    pass
