"""Limits of the process of a host, set before it has any code of its package."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

_MIB: Final = 1024 * 1024
_UNITS: Final = {
    "memory_mb": ("RLIMIT_AS", _MIB),
    "file_write_mb": ("RLIMIT_FSIZE", _MIB),
    "open_files": ("RLIMIT_NOFILE", 1),
    "processes": ("RLIMIT_NPROC", 1),
}
"""name of a limit -> the limit of the operating system, and its unit"""


def apply_limits(limits: dict[str, int]) -> None:
    """Set limits by their names, never above those that are there; there are no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in limits.items():
        system_name, unit = _UNITS[name]
        number = getattr(resource, system_name, None)
        if number is None:
            continue
        bound = value * unit
        if name == "processes":
            bound += _count_own_threads()
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)
        resource.setrlimit(number, (bound, bound))


def become_user(uid: int, gid: int) -> None:
    """Go on as another user, with none of the groups of this one."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _count_own_threads() -> int:
    """Count the threads of this user: the limit of the operating system is for all of them together."""
    me = os.getuid()
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            with suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == me:
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count
