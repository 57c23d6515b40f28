"""Clients of runs: of a database, or of a server."""

from __future__ import annotations

from holdwater.client.client import Client
from holdwater.client.interface.administration import Limits, Secrets
from holdwater.client.interface.keys import ApiKeyIdentity, ApiKeyInfo, ApiKeys, MadeApiKey
from holdwater.client.interface.maintenance import BulkJobs, RetentionSettings
from holdwater.client.interface.observation import Doctor, Questions
from holdwater.client.interface.packages import PackageFile, Packages, TrustedKeys, UploadedArchive
from holdwater.client.interface.schedules import Schedules
from holdwater.client.interface.tenants import AuditReader, AuditRecord, MadeTenant, TenantAdmin, TenantOfServer

__all__ = [
    "ApiKeyIdentity",
    "ApiKeyInfo",
    "ApiKeys",
    "AuditReader",
    "AuditRecord",
    "BulkJobs",
    "Client",
    "Doctor",
    "Limits",
    "MadeApiKey",
    "MadeTenant",
    "PackageFile",
    "Packages",
    "Questions",
    "RetentionSettings",
    "Schedules",
    "Secrets",
    "TenantAdmin",
    "TenantOfServer",
    "TrustedKeys",
    "UploadedArchive",
]
