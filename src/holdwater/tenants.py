"""Tenants of a PostgreSQL server: a schema and a role for each."""

from holdwater.operations.tenants import DatabaseAdmin, Tenant, TenantConfig, TenantCredentials

__all__ = ["DatabaseAdmin", "Tenant", "TenantConfig", "TenantCredentials"]
