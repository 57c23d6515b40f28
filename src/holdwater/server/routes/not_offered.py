"""Paths of Cloacina's server for what this one does not have: an answer that says what there is in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from fastapi import APIRouter

from holdwater.server.api_routing import FOR_ANY, ApiRoute
from holdwater.server.refusals import RequestError

ACCOUNTS: Final = "keys are what identifies people and programs: POST /v1/auth/keys, or /v1/tenants/TENANT/keys"
LONGER_KEYS: Final = "a key lasts until its `expires_at`; POST /v1/auth/keys/ID/rotate replaces its secret"
GRAPHS: Final = (
    "graphs are workflows here: execute them, GET /v1/tenants/TENANT/executions lists their runs; events come to them "
    "by triggers, and POST .../triggers/NAME/fire with an `event`"
)
RUNNERS: Final = "GET /v1/tenants/TENANT/runners lists the processes that execute workflows"
BUILDS: Final = "packages are built where their source is, by `holdwater package build`, and uploaded"
SCHEDULES: Final = (
    "a schedule binds a workflow to values: POST /v1/tenants/TENANT/triggers with `context` and `cron_expression`"
)
INTERFACES: Final = "GET /v1/tenants/TENANT/workflows/NAME has the JSON Schema of the inputs: `inputs_schema`"

TENANT: Final = "/v1/tenants/{tenant}"


@dataclass(frozen=True, slots=True)
class NotOffered:
    """A path without a function.  `missing`: what is not here; `hint`: what is in its place."""

    path: str
    methods: tuple[str, ...]
    missing: str
    hint: str
    status: int = 404
    code: str = "not_offered"


NOT_OFFERED: Final = (
    NotOffered("/v1/auth/local/login", ("POST",), "accounts with passwords", ACCOUNTS),
    NotOffered("/v1/auth/oidc/login", ("GET", "POST"), "OpenID Connect", ACCOUNTS, 501, "oidc_disabled"),
    NotOffered("/v1/auth/oidc/callback", ("GET", "POST"), "OpenID Connect", ACCOUNTS, 501, "oidc_disabled"),
    NotOffered("/v1/auth/refresh", ("POST",), "keys that are refreshed", LONGER_KEYS, 501, "oidc_disabled"),
    NotOffered(f"{TENANT}/accounts", ("GET", "POST"), "accounts with passwords", ACCOUNTS),
    NotOffered(f"{TENANT}/accounts/{{account}}", ("GET", "DELETE"), "accounts with passwords", ACCOUNTS),
    NotOffered(f"{TENANT}/accounts/{{account}}/password", ("POST",), "accounts with passwords", ACCOUNTS),
    NotOffered("/v1/agents", ("GET",), "a fleet of agents", RUNNERS),
    NotOffered("/v1/fleet/agents", ("GET",), "a fleet of agents", RUNNERS),
    NotOffered("/v1/compiler/status", ("GET",), "a compiler", BUILDS),
    NotOffered(f"{TENANT}/workflows/{{name}}/instances", ("GET", "POST"), "instances of workflows", SCHEDULES),
    NotOffered(f"{TENANT}/workflows/{{name}}/instances/{{instance}}", ("GET", "DELETE"), "instances", SCHEDULES),
    NotOffered(f"{TENANT}/triggers/{{name}}/interface", ("GET",), "declared interfaces of triggers", INTERFACES),
    NotOffered("/v1/health/graphs/{name}", ("GET",), "graphs that wait for events", GRAPHS),
    NotOffered("/v1/health/accumulators/{name}", ("GET",), "accumulators of graphs", GRAPHS),
    NotOffered("/v1/health/accumulators/{name}/inject", ("POST",), "accumulators of graphs", GRAPHS),
    NotOffered("/v1/health/accumulators/{name}/interface", ("GET",), "accumulators of graphs", GRAPHS),
    NotOffered("/v1/health/reactors/{name}", ("GET",), "reactors of graphs", GRAPHS),
    NotOffered("/v1/health/reactors/{name}/fire", ("POST",), "reactors of graphs", GRAPHS),
    NotOffered("/v1/health/reactors/{name}/fires", ("GET",), "reactors of graphs", GRAPHS),
    NotOffered("/v1/health/reactors/{name}/fires/timeseries", ("GET",), "reactors of graphs", GRAPHS),
    NotOffered("/v1/health/reactors/{name}/interface", ("GET",), "reactors of graphs", GRAPHS),
    NotOffered("/v1/ws/accumulator/{name}", ("GET",), "accumulators of graphs", GRAPHS),
    NotOffered("/v1/ws/reactor/{name}", ("GET",), "reactors of graphs", GRAPHS),
)


def _add(router: APIRouter, one: NotOffered) -> None:
    async def refuse() -> NoReturn:
        raise RequestError(one.status, f"this server has no {one.missing}", code=one.code, hint=one.hint)

    router.add_api_route(
        one.path, refuse, methods=list(one.methods), include_in_schema=False, openapi_extra=FOR_ANY,
        response_model=None,
    )  # fmt: skip


router = APIRouter(route_class=ApiRoute)
for _one in NOT_OFFERED:
    _add(router, _one)
