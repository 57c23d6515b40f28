"""Archives that are uploaded while a pass of the reconciler looks at what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from holdwater.packages.registries.registry import RegistryListing
from tests.daemon.packages import one_task_package
from tests.packages.reconciling.test_reconciler import Scene


class BusyRegistry(DatabaseWorkflowRegistry):
    """Calls `meanwhile` once while it is read: before its own look, or after it."""

    meanwhile: Callable[[], object] | None = None
    is_before = False

    def list(self) -> RegistryListing:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None and self.is_before:
            meanwhile()
        found = super().list()
        if meanwhile is not None and not self.is_before:
            meanwhile()
        return found


class DatabaseScene(Scene):
    def make_registry(self) -> BusyRegistry:
        self.registry = BusyRegistry(self.engine.store, self.engine.clock)
        return self.registry


@pytest.mark.parametrize("is_before", [True, False])
def test_what_is_uploaded_during_a_pass_is_taken_up(tmp_path: Path, is_before: bool) -> None:
    """It was removed again, when the pass saw its row, and not the archive."""
    scene = DatabaseScene(tmp_path / "home")
    data = one_task_package("orders", "1.0")
    uploads = DatabaseWorkflowRegistry(scene.engine.store, scene.engine.clock)
    scene.registry.meanwhile, scene.registry.is_before = lambda: uploads.register(data), is_before
    scene.reconcile()
    assert scene.states() == {"orders 1.0": "active"}
    scene.close()
