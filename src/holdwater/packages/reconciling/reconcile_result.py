"""The outcome of a pass of the reconciler."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """The outcome of a pass.  `loaded`, `unloaded`: as `PACKAGE VERSION`.  `failed`: (package or file, error).

    `total`: versions in the registry.  `duration_seconds`: of the pass.
    """

    loaded: tuple[str, ...] = ()
    unloaded: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    total: int = 0
    duration_seconds: float = 0.0

    def followed_by(self, later: ReconcileResult) -> ReconcileResult:
        """Return the outcome of this and a later pass."""
        return replace(
            later,
            loaded=self.loaded + later.loaded,
            unloaded=self.unloaded + later.unloaded,
            duration_seconds=self.duration_seconds + later.duration_seconds,
        )
