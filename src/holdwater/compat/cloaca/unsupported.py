"""What the original has and this version of Holdwater has not: names that say so when they are used.

Each goes away with the release that brings the thing itself; a test fails as soon as Holdwater has the name.
"""

from __future__ import annotations

from typing import Final

from holdwater.compat.stubs import NotInThisVersion as NotInThisVersion
from holdwater.compat.stubs import class_, function

# -- computation graphs

_GRAPHS: Final = "call the functions of the graph in the body of a task"

ComputationGraphBuilder = class_("ComputationGraphBuilder", _GRAPHS)
node = function("node", _GRAPHS)
reactor = function("reactor", _GRAPHS)
passthrough_accumulator = function("passthrough_accumulator", _GRAPHS)
stream_accumulator = function("stream_accumulator", _GRAPHS)
polling_accumulator = function("polling_accumulator", _GRAPHS)
batch_accumulator = function("batch_accumulator", _GRAPHS)
state_accumulator = function("state_accumulator", _GRAPHS)
boundary_schema = function("boundary_schema", _GRAPHS)

# -- declared inputs and secrets

workflow_params = function("workflow_params", 'read parameters from the context: context.get("name", default)')
workflow_secrets = function("workflow_secrets", "read the secret from the environment in the body of the task")
constructor = function("constructor", "use register_workflow_constructor(name, function)")

# -- on the runner


class RunnerMethods:
    """Comes after the runner among its bases, so that a method Holdwater gets wins over its stand-in."""

    register_workflow_instance = function(
        "register_workflow_instance", "use register_cron_workflow(..., name=instance_name, context=params)"
    )
    subscribe_workflow_to_reactor = function("subscribe_workflow_to_reactor", _GRAPHS)
    unsubscribe_workflow_from_reactor = function("unsubscribe_workflow_from_reactor", _GRAPHS)
    list_reactor_subscriptions = function("list_reactor_subscriptions", _GRAPHS)
