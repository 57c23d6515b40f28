"""Storage of the logs of runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from holdwater.model.logs import LogRow


class LogStore(Protocol):
    """The part of a store for logs.  They are deleted with their runs."""

    def append_logs(self, rows: Sequence[LogRow], followed_runs: Collection[str] = ()) -> None:
        """Write lines behind those that their runs have, in this order, up to the limit of each run.

        Lines of runs that do not exist are left out.  `followed_runs`: these are followed elsewhere, and are told of.
        Raises StoreUnavailable, StoreError; then nothing was written.
        """
        ...

    def read_logs(self, run_id: str, after_line: int = 0, limit: int = 1000, node: int | None = None) -> list[LogRow]:
        """Read lines behind a number, in order, 10,000 at most.  `node`: only those of this one."""
        ...
