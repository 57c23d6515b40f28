"""Classes whose objects are created once per worker process, as models and clients are."""

from __future__ import annotations

import inspect
import threading
from typing import Any, Final, TypeVar

from holdwater.errors import SignatureError

T = TypeVar("T")

_INSTANCES: Final[dict[type, Any]] = {}
_LOCK: Final = threading.RLock()


def stateful(cls: type[T]) -> type[T]:
    """Mark a class whose objects are not sent to workers: each worker process creates one, without arguments.

    Bind an object to a graph, `graph.bind(model=Model())`: its rows in the same process use that object, and those in
    a worker of Ray the one of the worker.  Raises SignatureError for a class that needs arguments.
    """
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise SignatureError(
            f"stateful class {cls.__name__} cannot be created without arguments: {error}",
            hint="give its parameters defaults, or read its settings in __init__",
        ) from None
    cls.__reduce_ex__ = _reduce  # type: ignore[method-assign]
    return cls


def _reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
    return _get_instance, (type(self),)


def _get_instance(cls: type[T]) -> T:
    with _LOCK:
        if cls not in _INSTANCES:
            _INSTANCES[cls] = cls()
        made: T = _INSTANCES[cls]
        return made
