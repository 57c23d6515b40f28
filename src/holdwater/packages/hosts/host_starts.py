"""Starts of hosts: a process, its supervisor, and the import of the package in it."""

from __future__ import annotations

from collections.abc import Callable

from holdwater.errors import BadAnswer
from holdwater.packages.hosts.host_environment import HostEnvironment
from holdwater.packages.hosts.host_process import HostProcess
from holdwater.packages.hosts.host_requests import HostRequest
from holdwater.packages.hosts.host_status import describe_loss
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.runtime.attempt import RemoteTaskError


class HostNotStarted(Exception):
    """A host did not start; the text says why."""


def start_host(
    installed: InstalledRelease,
    environment: HostEnvironment,
    timeout_seconds: float,
    on_host: Callable[[HostProcess], None],
) -> HostProcess:
    """Start a host, and have it import its package.  `on_host`: given it at once.  Raises HostNotStarted."""
    try:
        place = environment.make_place(installed)
        host = HostProcess(installed, place, environment.supervisor_depth)
    except OSError as error:
        raise HostNotStarted(f"its host cannot be started: {error}") from error
    request = HostRequest("the import of the package")
    try:
        on_host(host)
        host.load(request, timeout_seconds)
    except (EOFError, OSError) as error:
        raise HostNotStarted(describe_loss(host, request, error, host.reap())) from error
    except BaseException as error:
        host.kill()
        code = host.reap()
        if isinstance(error, (BadAnswer, RemoteTaskError)):
            raise HostNotStarted(describe_loss(host, request, error, code)) from error
        raise
    return host
