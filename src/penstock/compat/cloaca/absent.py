"""What the original has and this version of Penstock has not: names that say so when they are used.

Each goes away with the release that brings the thing itself; a test fails as soon as Penstock has the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

from penstock.model.errors import PenstockError


class NotInThisVersion(PenstockError, NotImplementedError):
    """The original has it, this version of Penstock does not; the hint says what to use instead."""


def _function(name: str, hint: str) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotInThisVersion(f"{name} is not in this version of Penstock", hint=hint)

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    refuse.__doc__ = f"Not in this version: {hint}."
    return refuse


def _class(name: str, hint: str) -> Any:
    """It has no instances, and nothing on it can be called."""

    class Refusing(type):
        def __getattr__(cls, attribute: str) -> Callable[..., Any]:
            if attribute.startswith("_"):
                raise AttributeError(attribute)
            return _function(f"{name}.{attribute}", hint)

    return Refusing(name, (), {"__new__": _function(name, hint), "__module__": __name__})


# -- computation graphs

_GRAPHS: Final = "call the functions of the graph in the body of a task"

ComputationGraphBuilder = _class("ComputationGraphBuilder", _GRAPHS)
node = _function("node", _GRAPHS)
reactor = _function("reactor", _GRAPHS)
passthrough_accumulator = _function("passthrough_accumulator", _GRAPHS)
stream_accumulator = _function("stream_accumulator", _GRAPHS)
polling_accumulator = _function("polling_accumulator", _GRAPHS)
batch_accumulator = _function("batch_accumulator", _GRAPHS)
state_accumulator = _function("state_accumulator", _GRAPHS)
boundary_schema = _function("boundary_schema", _GRAPHS)

# -- declared inputs and secrets

workflow_params = _function("workflow_params", 'read parameters from the context: context.get("name", default)')
workflow_secrets = _function("workflow_secrets", "read the secret from the environment in the body of the task")
constructor = _function("constructor", "use register_workflow_constructor(name, function)")

# -- on the runner


class RunnerMethods:
    """Comes after the runner among its bases, so that a method Penstock gets wins over its stand-in."""

    register_workflow_instance = _function(
        "register_workflow_instance", "use register_cron_workflow(..., name=instance_name, context=params)"
    )
    subscribe_workflow_to_reactor = _function("subscribe_workflow_to_reactor", _GRAPHS)
    unsubscribe_workflow_from_reactor = _function("unsubscribe_workflow_from_reactor", _GRAPHS)
    list_reactor_subscriptions = _function("list_reactor_subscriptions", _GRAPHS)
