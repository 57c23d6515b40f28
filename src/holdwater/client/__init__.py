"""Clients of runs: of a database, or of a server."""

from __future__ import annotations

from holdwater.client.client import Client

__all__ = ["Client"]
