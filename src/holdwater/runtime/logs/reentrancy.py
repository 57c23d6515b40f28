"""Capturing within capturing: code of users that runs while a line is taken, such as a `__del__` that logs."""

from __future__ import annotations

import threading
from typing import Final


class _ThreadState(threading.local):
    is_capturing = False
    """this thread takes a line, or passes it on: what is written meanwhile is not taken again"""


THREAD: Final = _ThreadState()
