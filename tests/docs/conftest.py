from __future__ import annotations

from tests.suite.runners import own_definitions

__all__ = ["own_definitions"]
