"""Packages that this process executes: its hosts, and the files it could not take, for the pages of a daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:  # the extra `packages`: applications that execute none work without it
    from holdwater.packages.registries.uploads import PackageUploads


class HostFacts(Protocol):
    """A process of a release.  `calls`: that it was given since it was started."""

    @property
    def release(self) -> str: ...

    @property
    def package(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def pid(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def calls(self) -> int: ...


class RejectedFacts(Protocol):
    """A file that is no package, with the reason."""

    @property
    def source(self) -> str: ...

    @property
    def error(self) -> str: ...


def _none() -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class ExecutedPackages:
    """Lists of what this process has; empty ones where it executes no packages.

    `hosts`: processes of packages that it has started; `rejected`: files that it could not take.  `is_busy`: returns
    True while releases are registered or removed, or a host has a call.  `uploads`: takes archives, None where none are
    taken.  `reconcile_seconds`: returns how long the latest look at the packages took.
    `requires_signature`: returns True if archives must be signed.
    """

    hosts: Callable[[], Sequence[HostFacts]] = _none
    rejected: Callable[[], Sequence[RejectedFacts]] = _none
    is_busy: Callable[[], bool] = bool
    uploads: PackageUploads | None = None
    reconcile_seconds: Callable[[], float] = float
    requires_signature: Callable[[], bool] = bool


NO_PACKAGES: Final = ExecutedPackages()
