"""Packages that took too long to be registered: it says little about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdwater.packages.reconciling import release_choice
from tests.daemon.packages import archive
from tests.packages.reconciling.test_reconciler import Scene
from tests.suite.waiting import wait_until


def test_a_package_that_took_too_long_once_is_tried_again_long_before_the_next_look_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may have been busy."""
    monkeypatch.setattr(release_choice, "TIMEOUT_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(release_choice, "FIRST_RETRY_SECONDS", 0.1)  # if it is still busy
    scene = Scene(tmp_path / "home", {"package_timeout_seconds": 3.0, "interval_seconds": 1e6})
    mark = tmp_path / "mark"
    hangs_once = f"""
import threading
from pathlib import Path

if not Path({str(mark)!r}).exists():
    Path({str(mark)!r}).touch()
    threading.Event().wait()
"""
    scene.put("slow.cloacina", archive("slow", "1.0", hangs_once))
    scene.reconciler.start()
    wait_until(lambda: scene.states() == {"slow 1.0": "broken"})
    wait_until(lambda: scene.states() == {"slow 1.0": "active"})
    scene.close()
