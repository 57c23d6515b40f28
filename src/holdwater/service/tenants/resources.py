"""Resources of the process that the engine of a tenant is made with."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdwater.runtime.executors.budget import SlotShare
from holdwater.storage import StoreOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantResources:
    """Resources that the maker of an engine passes on.

    `store_options`: of the tenant's store: its schema and role, and the connections it shares with other tenants.
    `slot_share`: for `DriverConfig.slot_share`: its turns in the budget of the process; None: there is no budget.
    """

    store_options: StoreOptions = field(default_factory=StoreOptions)
    slot_share: SlotShare | None = None
