"""Names of the original that this version of Holdwater does not support; they raise NotInThisVersion when used.

Each is removed with the release that supports it; a test fails as soon as Holdwater has the name.
"""

from __future__ import annotations

from typing import Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import stub_class, stub_function

# -- computation graphs

_GRAPHS_HINT: Final = "call the functions of the graph in the body of a task"

ComputationGraphBuilder = stub_class("ComputationGraphBuilder", _GRAPHS_HINT)
node = stub_function("node", _GRAPHS_HINT)
reactor = stub_function("reactor", _GRAPHS_HINT)
passthrough_accumulator = stub_function("passthrough_accumulator", _GRAPHS_HINT)
stream_accumulator = stub_function("stream_accumulator", _GRAPHS_HINT)
polling_accumulator = stub_function("polling_accumulator", _GRAPHS_HINT)
batch_accumulator = stub_function("batch_accumulator", _GRAPHS_HINT)
state_accumulator = stub_function("state_accumulator", _GRAPHS_HINT)
boundary_schema = stub_function("boundary_schema", _GRAPHS_HINT)

# -- secrets

workflow_secrets = stub_function(
    "workflow_secrets", "ask for it in the task: context.secret(name); `holdwater secrets set NAME` keeps it"
)
constructor = stub_function("constructor", "use register_workflow_constructor(name, function)")

# -- on the runner


class UnsupportedRunnerMethods:
    """Mixin after the runner in the list of bases, so that a method Holdwater adds takes precedence over its stub."""

    register_workflow_instance = stub_function(
        "register_workflow_instance", "use register_cron_workflow(..., name=instance_name, context=params)"
    )
    subscribe_workflow_to_reactor = stub_function("subscribe_workflow_to_reactor", _GRAPHS_HINT)
    unsubscribe_workflow_from_reactor = stub_function("unsubscribe_workflow_from_reactor", _GRAPHS_HINT)
    list_reactor_subscriptions = stub_function("list_reactor_subscriptions", _GRAPHS_HINT)
