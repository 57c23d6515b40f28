"""Forks of the process, which neither file locks nor SQLite survive unprepared.

SQLite remembers, per process, which locks it holds on a file.  A child inherits that memory but not the locks: if it
opens a file that was open in its parent, it believes itself protected, and what it commits can be deleted under it.  So
every connection to a file is closed for the moment of a fork and opened again after it; and in the child the parent's
stores refuse every call.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any, Final, Protocol
from weakref import WeakSet

FORK_TIMEOUT_SECONDS: Final = 60.0
"""a fork waits this long for a transaction to end; one from a signal handler inside the transaction waits in vain"""

lifecycle_lock: Final = Lock()
"""held while a store opens its first connections or closes its last, and during a fork"""


class ForkAware(Protocol):
    """Something that a fork has to be prepared for."""

    def before_fork(self) -> None:
        """Before a fork: finish what is under way and let nothing new begin."""
        ...

    def after_fork_in_parent(self) -> None:
        """After it, in the parent: go on."""
        ...

    def after_fork_in_child(self) -> None:
        """After it, in the child: let go of what is the parent's."""
        ...


_fork_aware: WeakSet[ForkAware] = WeakSet()
_suspended: list[ForkAware] = []
_kept_until_exit: list[Any] = []


def register_fork_aware(resource: ForkAware) -> None:
    """Prepare it for every fork from now on, as long as it lives."""
    _fork_aware.add(resource)


def keep_until_exit(resource: Any) -> None:
    """Hold on to an object for the life of this process, its interpreter's last moments included."""
    _kept_until_exit.append(resource)
    try:
        import ctypes
    except ImportError:  # then it lives until the interpreter clears its modules
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
