from __future__ import annotations

from tests.suite.runners import empty_registry

__all__ = ["empty_registry"]
