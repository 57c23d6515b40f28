"""The parts of a client: everything beside starting, reading and controlling runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdwater.client.backend import Backend
    from holdwater.client.interface.administration import Limits, Secrets
    from holdwater.client.interface.keys import ApiKeys
    from holdwater.client.interface.maintenance import BulkJobs, RetentionSettings
    from holdwater.client.interface.observation import Doctor, Questions
    from holdwater.client.interface.packages import Packages, TrustedKeys
    from holdwater.client.interface.schedules import Schedules
    from holdwater.client.interface.tenants import AuditReader, TenantAdmin


class ClientParts:
    """The parts of a client.  A server has all of them; methods that a database lacks raise ServerRequired.

    They raise the errors of the same operation on a database, and those of a server that cannot be reached or refuses.
    """

    _backend: Backend

    @property
    def schedules(self) -> Schedules:
        """Schedules and triggers: added, changed, paused, fired, forecast, deleted, and their history."""
        return self._backend.schedules

    @property
    def packages(self) -> Packages:
        """Versions of packages: uploaded, listed, made active, removed, and their source."""
        return self._backend.packages

    @property
    def trusted_keys(self) -> TrustedKeys:
        """The keys whose signatures of packages are accepted."""
        return self._backend.trusted_keys

    @property
    def questions(self) -> Questions:
        """The open questions of all runs."""
        return self._backend.questions

    @property
    def doctor(self) -> Doctor:
        """The reasons why runs do not move."""
        return self._backend.doctor

    @property
    def bulk_jobs(self) -> BulkJobs:
        """Requests for many runs at once."""
        return self._backend.bulk_jobs

    @property
    def limits(self) -> Limits:
        """Limits on tasks that run at once."""
        return self._backend.limits

    @property
    def retention(self) -> RetentionSettings:
        """The rule by which old runs are deleted."""
        return self._backend.retention

    @property
    def secrets(self) -> Secrets:
        """Texts that task functions ask for by name; they are written, and never read back."""
        return self._backend.secrets

    @property
    def tenants(self) -> TenantAdmin:
        """The tenants of a server."""
        return self._backend.tenants

    @property
    def keys(self) -> ApiKeys:
        """The API keys of a server."""
        return self._backend.keys

    @property
    def audit(self) -> AuditReader:
        """The audit log of a server."""
        return self._backend.audit
