"""The hosts of a process, and what is asked of them beside the execution of nodes: descriptions, polls of triggers."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.model.error_report import ErrorText
from holdwater.model.node_messages import parse_notes
from holdwater.model.ports.definition import CodeReference
from holdwater.model.strict_json import parse_untrusted_json
from holdwater.model.triggers import TriggerResult
from holdwater.packages.hosts.host_queue import HostWaiter
from holdwater.packages.hosts.host_requests import HostRequest
from holdwater.packages.hosts.host_status import (
    BrokenRelease,
    HostStatus,
    broken,
    describe_loss,
    list_broken,
    list_hosts,
    read_description,
)
from holdwater.packages.hosts.limited_hosts import LimitedHosts
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.programs.trigger_replies import read_trigger_reply
from holdwater.runtime.attempt import RemoteTaskError

MAX_POLL_SECONDS: Final = 30.0
"""longest time a trigger function takes: its host is beyond the limits, and is killed then"""


class HostPool(LimitedHosts):
    """The hosts of one process.  Thread-safe.

    Raises IsolationUnavailable naming what this machine lacks for `settings.isolation`, OSError for a home that cannot
    be written.
    """

    def describe(self, installed: InstalledRelease) -> dict[str, Any]:
        """Have a package describe itself; its answer is untrusted data.

        Raises ReleaseBroken with the traceback of what it has raised, or what has become of its host.
        """
        request = HostRequest("the description of the package")
        data = self._ask(installed, request, ["describe"], self.settings.start_timeout_seconds)
        return read_description(data, installed)

    def poll_trigger(self, installed: InstalledRelease, name: str) -> TriggerResult:
        """Call a trigger function of a package; the context it fires with has stored values.

        Raises ReleaseBroken, BadAnswer; RemoteTaskError for what the function has raised.
        """
        limit_seconds = min(MAX_POLL_SECONDS, self._time_limit_seconds(installed))
        request = HostRequest(f"the poll of trigger {name!r}")
        return read_trigger_reply(self._ask(installed, request, ["poll", name], limit_seconds), name)

    def observe_failure(
        self, installed: InstalledRelease, reference: CodeReference, inputs: bytes, error: ErrorText
    ) -> tuple[str, ...]:
        """Tell the observer of a node of a failure that its host could not tell it; returns failures of its own.

        `inputs`: of the node, packed.  Raises ReleaseBroken, BadAnswer, RemoteTaskError.
        """
        label = f"the observer of a node of {reference.workflow!r}"
        row = ["failed", reference.to_data(), str(error), error.kind, error.traceback]
        data = self._ask(installed, HostRequest(label), row, self._time_limit_seconds(installed), inputs)
        return parse_notes(parse_untrusted_json(data, label), label)

    def _time_limit_seconds(self, installed: InstalledRelease) -> float:
        return installed.manifest.execution.timeout_seconds or self.settings.default_timeout_seconds

    def hosts(self) -> list[HostStatus]:
        """List the hosts that are there, by release and process."""
        with self._lock:
            found = [(entry, host) for entry in self._releases.values() for host in entry.hosts]
        return list_hosts(found)

    def broken_releases(self) -> list[BrokenRelease]:
        """List the releases whose hosts do not start at present."""
        with self._lock:
            return list_broken(self._releases.values(), self._monotonic())

    def _ask(
        self, installed: InstalledRelease, request: HostRequest, row: list[Any], limit_seconds: float, *parts: bytes
    ) -> bytes:
        with self._lock:  # at once: a release that has no host and was not added is forgotten
            waiter = HostWaiter(self._entry(installed), beyond_limits=True)
            self._admit(waiter)
        host = self._take_admitted(waiter, lambda host: None)
        try:
            data = host.ask(request, row, limit_seconds, *parts)
        except RemoteTaskError as error:
            self.give_back(host)
            if row[0] in ("poll", "failed"):
                raise
            raise broken(installed, describe_loss(host, request, error, 0)) from error
        except (EOFError, OSError, BadAnswer) as error:
            if isinstance(error, BadAnswer):
                host.kill()
            code = self.bury(host)
            raise broken(installed, describe_loss(host, request, error, code)) from error
        except BaseException:
            host.kill()
            self.bury(host)
            raise
        self.give_back(host)
        return data
