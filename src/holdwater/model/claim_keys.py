"""Claim keys: the names under which runners register what they execute, and claim work.

`NAME` for code of a runner's own process, `NAME@RELEASE` for a workflow of a package.  A run is pinned to its release,
so a runner with another one leaves its work alone.
"""

from __future__ import annotations

import re
from typing import Final

RELEASE_DIGITS: Final = 16
"""hex digits of a release: the first of the SHA-256 of its archive"""
_RELEASE_SUFFIX: Final = re.compile(rf"@[0-9a-f]{{{RELEASE_DIGITS}}}\Z")


def claim_key(workflow: str, release: str | None) -> str:
    """Return the claim key of runs of a workflow in a release; None: code of a runner's own process."""
    return workflow if release is None else f"{workflow}@{release}"


def split_claim_key(key: str) -> tuple[str, str | None]:
    """Return the name of the workflow and the release of a claim key."""
    found = _RELEASE_SUFFIX.search(key)
    return (key, None) if found is None else (key[: found.start()], key[found.start() + 1 :])
