"""The inside of the namespaces of a host, entered before it has any code of its package: mounts."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_BIND, _MS_REC = 32, 4096, 16384
_KEPT_FLAGS: Final = {"nosuid": _MS_NOSUID, "nodev": _MS_NODEV, "noexec": _MS_NOEXEC, "noatime": 1024}
_WRITABLE: Final = ("/tmp", "/var/tmp", "/dev/shm")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
"""of /dev: root owns the others, disks too, and what is mounted read-only may still be written to if it is a device"""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter(mounts: dict[str, Any]) -> None:
    """Mount what this host sees: own processes, few devices, empty folders for hidden ones, all else read-only.

    Raises OSError.
    """
    hidden = [path for path in mounts["hidden"] if os.path.isdir(path)]
    kept = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in mounts["kept"] if os.path.isdir(path)}
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount_devices()
    options = f"size={mounts['size_mb']}m,mode="
    for path in hidden:
        if os.path.isdir(path):  # it may be inside of one that is hidden by now
            mode = "1777" if path in _WRITABLE else "755"
            _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, options + mode)
    for path, fd in kept.items():
        if any([_is_below(path, folder) for folder in hidden]):
            os.makedirs(path, exist_ok=True)
            _mount(f"/proc/self/fd/{fd}", path, None, _MS_BIND | _MS_REC)
        os.close(fd)
    for path, flags in _read_mounts():
        if path not in _WRITABLE and os.path.lexists(path):
            _mount(None, path, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | flags)


def _mount_devices() -> None:
    """Mount a /dev that has harmless devices alone."""
    fds = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES if os.path.exists(f"/dev/{name}")}
    _mount("tmpfs", "/dev", "tmpfs", _MS_NOSUID | _MS_NOEXEC, "size=1m,mode=755")
    for name, fd in fds.items():
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        _mount(f"/proc/self/fd/{fd}", f"/dev/{name}", None, _MS_BIND)
        os.close(fd)
    os.mkdir("/dev/shm")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"/dev/{name}")
    os.symlink("/proc/self/fd", "/dev/fd")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _check(_libc.mount(*encoded, ctypes.c_ulong(flags), None if data is None else data.encode()), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _read_mounts() -> list[tuple[str, int]]:
    """Read the mounts of this namespace: paths, and the flags that must stay."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split()
            path = fields[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
            flags = sum([_KEPT_FLAGS.get(option, 0) for option in fields[5].split(",")])
            found.append((path, flags))
    return found
