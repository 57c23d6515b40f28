"""Secrets for functions of packages: those that the package lists, by way of its runner, and nothing in the host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdwater import DefaultRunner
from holdwater.engine.secret_keys import VARIABLE, generate_key
from holdwater.operations.databases import Database
from holdwater.operations.secrets import put_secret
from tests.packages.hosted import Load, OpenPool, WritePackage

ASKING = """
with WorkflowBuilder("parcels"):

    @task()
    def ask(context, handle: TaskHandle):
        context["lengths"] = [len(context.secret("smtp")), len(handle.secret("smtp", "user"))]
        context["key"] = "HOLDWATER_SECRETS_KEY" in os.environ

    @task(dependencies=["ask"])
    def ask_for_another(context):
        try:
            context.secret("other")
        except Exception as error:
            context["error"] = f"{type(error).__name__}: {error}"

register_workflow(Workflow("step-parcels", [Step.lambda_("ask", lambda ctx, config: {"n": len(ctx.secret("smtp"))})]))
"""


def test_a_package_reads_the_secrets_it_lists(
    open_pool: OpenPool,
    write_package: WritePackage,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, generate_key())
    pool = open_pool()
    source = f"from holdwater import Step, Workflow, register_workflow\n{ASKING}"
    loaded(pool, write_package(source, secrets=("smtp", "none")))
    runner = open_hosted(pool)
    database = Database.of(runner._engine)
    put_secret(database, "smtp", {"value": "swordfish", "user": "mail"})
    put_secret(database, "other", {"value": "of another package"})
    done = runner.execute("parcels", {})
    assert done.status == "Completed", done.error_message
    assert (done.final_context["lengths"], done.final_context["key"]) == ([9, 4], False)
    assert done.final_context["error"].startswith("SecretNotAllowed: the package does not list the secret 'other'")
    assert runner.execute("step-parcels", {}).status == "Completed"
