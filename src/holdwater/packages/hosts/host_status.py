"""Hosts and broken releases as others see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.errors import BadAnswer, ReleaseBroken
from holdwater.model.strict_json import parse_untrusted_json
from holdwater.packages.hosts.host_process import HostProcess, bad_answer_error, describe_exit
from holdwater.packages.hosts.host_requests import HostRequest, describe_failure
from holdwater.packages.hosts.release_hosts import ReleaseHosts
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.runtime.attempt import RemoteTaskError

MISSING_MODULE_HINT: Final = (
    "a package imports what is in its workflow/ and vendor/, and the projects that [requires] dependencies of its "
    "holdwater.toml names"
)

HostState = Literal["idle", "busy", "waiting", "ending"]
"""`waiting`: all its calls wait, as for a child run; `ending`: it takes no more calls"""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host at one moment.  `pid`: of its supervisor, which is the leader of what belongs to it.

    `calls`: that it was given; `running`: those that are not over; `memory_bytes`: its resident memory, 0 where that is
    unknown.
    """

    release: str
    package: str
    version: str
    pid: int
    state: HostState
    calls: int
    running: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class BrokenRelease:
    """A release whose hosts do not start.  `retry_seconds`: until one may be started again; `error`: of the last."""

    release: str
    error: str
    retry_seconds: float


def status_of(entry: ReleaseHosts, host: HostProcess) -> HostStatus:
    """Return the status of a host."""
    manifest = entry.installed.manifest
    state: HostState = "idle" if not host.running_calls else "waiting" if host.is_waiting else "busy"
    return HostStatus(
        entry.installed.release,
        manifest.name,
        manifest.version,
        host.pid,
        "ending" if host.is_retired or entry.is_retired else state,
        host.call_count,
        host.running_calls,
        host.memory_bytes,
    )


def list_hosts(hosts: Iterable[tuple[ReleaseHosts, HostProcess]]) -> list[HostStatus]:
    """List hosts by release and process."""
    return sorted([status_of(entry, host) for entry, host in hosts], key=lambda one: (one.release, one.pid))


def list_broken(releases: Iterable[ReleaseHosts], now: float) -> list[BrokenRelease]:
    """List those whose hosts do not start; `now` in seconds of the monotonic clock."""
    found = [
        BrokenRelease(entry.installed.release, entry.last_error, entry.seconds_to_next_start(now))
        for entry in releases
        if entry.last_error
    ]
    return sorted(found, key=lambda one: one.release)


def read_description(data: bytes, installed: InstalledRelease) -> dict[str, Any]:
    """Read the description a package has given of itself; its content is not trusted.  Raises ReleaseBroken."""
    try:
        found = parse_untrusted_json(data, "the description of the package")
    except BadAnswer as error:
        raise broken(installed, error.message) from error
    if type(found) is not dict:
        raise broken(installed, "its description is no object")
    return found


def broken(installed: InstalledRelease, reason: str) -> ReleaseBroken:
    """Build the error of a release that cannot be used."""
    manifest = installed.manifest
    reason = reason.replace(f"{installed.folder}/", "")  # files of the package are named from its folder on
    hint = MISSING_MODULE_HINT if "\nModuleNotFoundError: " in reason else ""
    return ReleaseBroken(f"package {manifest.name} {manifest.version} ({installed.release}): {reason}", hint=hint)


def describe_loss(host: HostProcess, request: HostRequest, error: BaseException, exit_code: int) -> str:
    """Describe why a request has no result: what the package raised, or the end of its host and what was printed."""
    if isinstance(error, RemoteTaskError):
        return describe_failure(error)
    if isinstance(error, TimeoutError):
        text = str(error)
    elif isinstance(error, BadAnswer):
        text = bad_answer_error(host, request.label, error).message
    else:
        text = f"its host {describe_exit(exit_code)} during {request.label}"
    return f"{text}\n{request.output}".rstrip()
