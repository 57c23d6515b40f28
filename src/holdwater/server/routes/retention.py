"""Retention: the rule of the database, a preview of what it deletes, and deletions by request."""

from __future__ import annotations

from fastapi import Request

from holdwater.model.retention import RetentionRule
from holdwater.operations import pruning
from holdwater.operations.schedule_queries import parse_instant
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, FOR_ADMINS, FOR_READERS, api_router
from holdwater.server.maintenance import MAINTENANCE_ERRORS, maintaining
from holdwater.server.models.executions import Count
from holdwater.server.models.server import (
    Pruned,
    RetentionBody,
    RetentionPreviewBody,
    RetentionRuleBody,
    RetentionStatus,
)
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = api_router("retention", "/retention")


@router.get("")
def get_retention(tenant: Tenant) -> RetentionStatus:
    """Read the rule by which the runners of the database delete old runs."""
    return RetentionStatus.of(tenant.tenant, pruning.get_retention(tenant.database))


@router.put("", responses=CHANGE_ERRORS, openapi_extra=FOR_ADMINS)
def set_retention(request: Request, tenant: Tenant, body: RetentionRuleBody) -> RetentionStatus:
    """Set the rule; runners obey it within an hour.  What is left out, or null, limits nothing."""
    stored = pruning.set_retention(writable_database(tenant), body.to_rule(), by=author_of(request))
    return RetentionStatus.of(tenant.tenant, stored)


@router.post("/preview", responses=CHANGE_ERRORS, openapi_extra=FOR_READERS)
def preview_retention(tenant: Tenant, body: RetentionBody | None = None) -> RetentionPreviewBody:
    """Count what a deletion would delete now, and its bytes; 10,000 runs at most are counted."""
    asked = _checked(body)
    if asked.ended_before is not None:
        before = parse_instant(asked.ended_before)
        found = pruning.preview_pruning(tenant.database, before, asked.keep)
    else:
        found = pruning.preview_retention(tenant.database, _rule_of(tenant, asked))
    return RetentionPreviewBody(
        tenant_id=tenant.tenant,
        counts={status: Count(count=one.count, more=one.is_capped) for status, one in found.counts.items()},
        bytes=found.size_bytes,
        estimated=found.is_size_estimated,
    )


@router.post("/prune", responses=MAINTENANCE_ERRORS, openapi_extra=FOR_ADMINS)
def prune_executions(tenant: Tenant, body: RetentionBody | None = None) -> Pruned:
    """Delete old runs at once, with their children, in many small transactions."""
    asked = _checked(body)
    database = writable_database(tenant)
    with maintaining(tenant):
        if asked.ended_before is not None:
            pruned = pruning.prune_runs(database, parse_instant(asked.ended_before), asked.keep)
        else:
            pruned = pruning.apply_retention(database, _rule_of(tenant, asked))
    return Pruned(tenant_id=tenant.tenant, pruned=pruned)


def _checked(body: RetentionBody | None) -> RetentionBody:
    asked = body or RetentionBody()
    if asked.rule is not None and (asked.ended_before is not None or asked.keep):
        raise RequestError(400, "body: a `rule` goes without `ended_before` and `keep`")
    if asked.keep and asked.ended_before is None:
        raise RequestError(400, "body: `keep` goes with `ended_before`")
    return asked


def _rule_of(tenant: TenantDatabase, asked: RetentionBody) -> RetentionRule:
    return pruning.get_retention(tenant.database).rule if asked.rule is None else asked.rule.to_rule()
