"""The nodes of a cluster, and whether one of them could ever run a task function."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from holdwater.model.resources import Resources

CACHE_SECONDS: Final = 5.0
"""age up to which what is known of the nodes is taken as it is"""
_RAY_NAMES: Final = {"num_cpus": "CPU", "num_gpus": "GPU"}


class Nodes:
    """Resources in all of each live node.  Thread-safe."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._nodes: dict[str, Resources] = {}

    def refresh(self) -> None:
        """Ask the cluster for its nodes."""
        with self._lock:
            self._read()

    def is_alive(self, node_id: str) -> bool:
        """Return True if the node was there when the nodes were last asked for."""
        return node_id in self._nodes

    def misfit(self, resources: Resources) -> str | None:
        """Say what is asked for and what there is, if no node could give it; None if one could or none is known."""
        with self._lock:
            if not self._fits(resources) or time.monotonic() - self._read_at > CACHE_SECONDS:
                self._read()
            return (
                None if not self._nodes or self._fits(resources) else _describe(resources, list(self._nodes.values()))
            )

    def _read(self) -> None:
        try:
            found = self._ray.nodes()
        except Exception:  # noqa: BLE001 - of any class: the head is gone or begins again, and what was known stands
            return
        self._nodes = {node["NodeID"]: node["Resources"] for node in found if node["Alive"]}
        self._read_at = time.monotonic()

    def _fits(self, resources: Resources) -> bool:
        wanted = {_RAY_NAMES.get(name, name): amount for name, amount in {"num_cpus": 1, **resources}.items()}
        return any(
            [all([node.get(name, 0.0) >= amount for name, amount in wanted.items()]) for node in self._nodes.values()]
        )


def _describe(resources: Resources, nodes: list[Resources]) -> str:
    wanted = ", ".join([f"{name}={amount:g}" for name, amount in resources.items()])
    largest = []
    for name in resources:
        ray_name = _RAY_NAMES.get(name, name)
        most = max([node.get(ray_name, 0.0) for node in nodes], default=0.0)
        largest.append(f"{name}={most:g}")
    return f"{wanted}, which none of the {len(nodes)} nodes of the cluster has; the most on one: {', '.join(largest)}"
