"""Processes that execute packages, as the pages of a daemon show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


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


ListHosts = Callable[[], Sequence[HostFacts]]
"""lists the processes of packages that this process has started"""


def no_hosts() -> Sequence[HostFacts]:
    """List none: this process executes no packages."""
    return ()
