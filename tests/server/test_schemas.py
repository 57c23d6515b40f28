"""The schema of a tenant, in PostgreSQL."""

from __future__ import annotations

import pytest

from holdwater import DefaultRunner
from holdwater.errors import HoldwaterError
from holdwater.model.records import RunFilter
from holdwater.operations.runs import list_runs
from holdwater.server.tenant_database import TenantDatabase
from tests.postgres.cluster import Cluster
from tests.suite.runners import Define


@pytest.mark.parametrize("read_only", [True, False])
def test_the_runs_of_one_schema_are_served(postgres: Cluster, define: Define, read_only: bool) -> None:
    name = define("of_acme", ("one", lambda context: None, {}))
    schema = f"acme_{'ro' if read_only else 'rw'}"
    with DefaultRunner.with_schema(postgres.url(), schema) as runner:
        run_id = runner.submit(name).run_id
        runner.handle(run_id).result()
    opened = TenantDatabase.open(postgres.url(), schema=schema, read_only=read_only)
    try:
        assert [run.id for run in list_runs(opened.database.runs, RunFilter(), 10)] == [run_id]
    finally:
        opened.close()
    with pytest.raises(HoldwaterError):
        TenantDatabase.open(postgres.url(), schema="nothing_here", read_only=read_only)
