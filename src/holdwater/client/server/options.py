"""Options of a connection to a server: its URL, the API key, the tenant, time limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from holdwater.errors import ConfigError

DEFAULT_TENANT: Final = "public"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,400}")
_TENANT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """A server, and the rights and limits of requests to it.

    `connect_seconds`: longest wait for a connection; `answer_seconds`: for an answer, or the next part of one.
    `attempts`: number of tries of a request that may be repeated, when there is no connection or it breaks.
    `ca_file`: certificates (PEM) of authorities to trust in the place of those of the system.
    Raises ConfigError.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    tenant: str = DEFAULT_TENANT
    connect_seconds: float = 5.0
    answer_seconds: float = 60.0
    attempts: int = 3
    ca_file: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("the URL of a server begins with https:// or http://", hint="https://runs.example.com")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ConfigError(
                "the URL of a server has no user, password or query", hint="give the key as the API key, on its own"
            )
        if self.api_key is not None and not _KEY.fullmatch(self.api_key):
            raise ConfigError(
                "the API key is no key: it has spaces, or characters that no key has", hint="copy it whole"
            )
        if not _TENANT.fullmatch(self.tenant):
            raise ConfigError(f"{self.tenant!r} cannot be the name of a tenant")

    @property
    def sends_key_in_the_clear(self) -> bool:
        """The key goes unencrypted to another machine."""
        parts = urlsplit(self.url)
        return self.api_key is not None and parts.scheme == "http" and parts.hostname not in _LOOPBACK
