"""Preparation for forks of the process, which neither file locks nor SQLite connections survive.

SQLite records per process which locks it holds on a file.  A child inherits these records but not the locks: a
connection of the child to a file that was open in the parent works without locks, and its commits can be lost.  So
every connection to a file is closed before a fork and opened again after it, and in the child the parent's stores
refuse every call.  Source: https://sqlite.org/howtocorrupt.html, section 2.6.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any, Final, Protocol
from weakref import WeakSet

FORK_TIMEOUT_SECONDS: Final = 60.0
"""longest wait of a fork for a transaction to end; one in a signal handler inside the transaction waits in vain"""

lifecycle_lock: Final = Lock()
"""held while a store opens its first connections or closes its last, and during a fork"""


class ForkAware(Protocol):
    """A resource that has to be prepared for a fork."""

    def before_fork(self) -> None:
        """Finish the operations under way before a fork and start no new ones."""
        ...

    def after_fork_in_parent(self) -> None:
        """Continue after the fork, in the parent."""
        ...

    def after_fork_in_child(self) -> None:
        """Drop the parent's resources after the fork, in the child."""
        ...


_fork_aware: WeakSet[ForkAware] = WeakSet()
_suspended: list[ForkAware] = []
_kept_until_exit: list[Any] = []


def register_fork_aware(resource: ForkAware) -> None:
    """Prepare a resource for every fork from now on; only a weak reference is kept."""
    _fork_aware.add(resource)


def keep_until_exit(resource: Any) -> None:
    """Keep an object alive until the process ends, even while the interpreter shuts down."""
    _kept_until_exit.append(resource)
    try:
        import ctypes
    except ImportError:  # without ctypes it lives until the interpreter clears its modules
        return
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(resource))


def _before_fork() -> None:
    lifecycle_lock.acquire()
    for thing in list(_fork_aware):
        thing.before_fork()
        _suspended.append(thing)


def _after_fork_in_parent() -> None:
    while _suspended:
        _suspended.pop().after_fork_in_parent()
    lifecycle_lock.release()


def _after_fork_in_child() -> None:
    while _suspended:
        _suspended.pop().after_fork_in_child()
    _fork_aware.clear()
    lifecycle_lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
