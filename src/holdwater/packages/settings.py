"""Settings of packages: limits of archives, and of the processes that execute them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

EXECUTOR_NAME: Final = "packages"
"""the executor that the nodes of packages ask for"""
Isolation = Literal["process", "user", "namespace"]
"""the separation of the code of a package from this machine; docs/guides/packages.md says what each of them stops"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Limits of an archive that is read.  Whatever exceeds one is refused before anything is unpacked."""

    max_packed_bytes: int = 100 * 1024 * 1024
    max_unpacked_bytes: int = 512 * 1024 * 1024
    max_file_bytes: int = 128 * 1024 * 1024
    max_entries: int = 10_000
    max_path_bytes: int = 240
    max_depth_levels: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSettings:
    """Settings of packages of one process.

    `isolation`: see `Isolation`; `user`: the name of the user of hosts under "user".  `max_hosts`: host processes at
    once; `idle_seconds`: a host that had nothing to do for so long ends; `max_calls_per_host`: a host is replaced after
    so many.  `default_memory_mb`, `default_timeout_seconds`: of packages that say nothing.
    `start_timeout_seconds`: time a host has to import its package.
    `allow_index`: requirements may be downloaded from a package index; otherwise only wheels in the archive are used.
    `pythons`: interpreters by version ("3.12": "/usr/bin/python3.12"), beside that of this process.
    `site_folders`: folders of installed modules that packages may import, beside those of their own archive.
    `hostlib_home`: the home below which the copy of this library for hosts is, None: that of the packages; several
    tenants share one.
    `env_allow`: variables of the environment of this process that packages may ask for; None: any.
    `require_signatures`: archives without a valid signature of a trusted key are refused.
    """

    limits: ArchiveLimits = ArchiveLimits()
    isolation: Isolation = "process"
    user: str = ""
    max_hosts: int = field(default_factory=lambda: 2 * (os.cpu_count() or 1))
    idle_seconds: float = 60.0
    max_calls_per_host: int = 1000
    default_memory_mb: int = 2048
    default_timeout_seconds: float = 300.0
    max_open_files: int = 256
    max_processes: int = 256
    max_file_write_mb: int = 1024
    start_timeout_seconds: float = 25.0
    allow_index: bool = False
    pythons: Mapping[str, str] = field(default_factory=dict)
    site_folders: tuple[str, ...] = ()
    hostlib_home: Path | None = None
    env_allow: tuple[str, ...] | None = None
    require_signatures: bool = False
