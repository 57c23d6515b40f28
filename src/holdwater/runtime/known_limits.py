"""Concurrency limits as a runner knows them: which tasks count towards which."""

from __future__ import annotations

from holdwater.model.limits import LABEL_PREFIX, WORKFLOW_PREFIX, join_keys, split_keys
from holdwater.model.ports.store import Store
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.limit_keys import limit_keys_of


class KnownLimits:
    """The limits on workflows and labels, as they were read last: again when they have changed, and by every scan.

    The name that a task gives itself is known by its code.  How many run is known by the store alone.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.broad_keys: frozenset[str] = frozenset()

    def read(self) -> None:
        """Raises StoreUnavailable."""
        keys = [limit.key for limit in self._store.list_limits()]
        self.broad_keys = frozenset([key for key in keys if key.startswith((WORKFLOW_PREFIX, LABEL_PREFIX))])

    def keys_to_add(self, run: ActiveRun, node: int, limit_keys: str) -> str | None:
        """Return the keys of a task, with those that its row lacks; None if it has all.

        It may lack some if it was queued by a process without the code, or before it heard of a limit.
        """
        known, keys = split_keys(limit_keys), limit_keys_of(run.row, run.definition, node, self.broad_keys)
        return None if set(keys) <= set(known) else join_keys([*known, *keys])
