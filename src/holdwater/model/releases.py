"""Releases of packages and trusted keys, as rows.  Instants are integer microseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from holdwater.model.time import UNSET, Micros

ReleaseState = Literal["registering", "active", "inactive", "broken", "draining", "gone"]
"""registering -> active | inactive | broken; active -> inactive -> draining -> gone"""


@dataclass(slots=True)
class ReleaseRow:
    """One version of a package in a database.

    `release`: the first 16 hex digits of `digest`, the SHA-256 of its archive.  `descriptor`: what it holds, as JSON
    data (see `packages.descriptors`); None until it has been described.  `pinned`: it was made active by a request, and
    stays so when a higher version comes.  `error`: why it is broken, with a traceback.  `attempts`, `next_attempt_at`:
    of registering a broken one again.  `source`: the file it came from, "" for an upload.  `registered_by`: its author,
    as `cli:alice`.  `signed_by`: fingerprint of the key whose signature was verified, "" without one.
    `version_number`: counts writes; 0 is a row that is not in the store yet.
    """

    release: str
    digest: str
    package: str
    version: str
    state: ReleaseState = "registering"
    workflows: list[str] = field(default_factory=list)
    descriptor: dict[str, Any] | None = None
    pinned: bool = False
    error: str | None = None
    attempts: int = 0
    next_attempt_at: Micros | None = None
    source: str = ""
    registered_by: str = ""
    signed_by: str = ""
    registered_at: Micros = UNSET
    changed_at: Micros = UNSET
    version_number: int = 0

    def describe_workflow(self, name: str) -> dict[str, Any] | None:
        """Return what the release says about one of the workflows that can be started; None without it.

        As in a descriptor of a package, which was checked when it was registered.
        """
        for one in (self.descriptor or {}).get("workflows", ()):
            if one["name"] == name and not one["is_child"]:
                return dict(one)
        return None


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key whose signatures a database accepts.

    `fingerprint`: SHA-256 of the 32 bytes of the ed25519 key, in hex.  `public_key`: these bytes, in base64.
    `expires_at`, `revoked_at`: instants; None: never.
    """

    fingerprint: str
    name: str
    public_key: str
    added_by: str = ""
    added_at: Micros = UNSET
    expires_at: Micros | None = None
    revoked_at: Micros | None = None
