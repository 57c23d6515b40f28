"""Independent copies of values, by pickle or `copy.deepcopy`."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from holdwater.errors import Unstorable

_IMMUTABLE_TYPES: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class IsolatedValue(NamedTuple):
    """A value kept apart from the original.

    `make_copy`: makes a new copy.  `size_bytes`: of its pickle; None if it cannot be pickled.
    """

    make_copy: Callable[[], Any]
    size_bytes: int | None


def isolate(value: object) -> IsolatedValue:
    """Set a copy of a value apart.  Raises Unstorable if it can be neither pickled nor copied."""
    if type(value) in _IMMUTABLE_TYPES:
        return IsolatedValue(lambda: value, sys.getsizeof(value))
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - a deep copy may still be possible; if not, that error is raised
        return IsolatedValue(_deepcopy_factory(value), None)
    return IsolatedValue(lambda: pickle.loads(data), sys.getsizeof(data))


def _deepcopy_factory(value: object) -> Callable[[], Any]:
    try:
        master = copy.deepcopy(value)
    except Exception as error:
        raise Unstorable(
            f"the value cannot be copied: {error}",
            hint="return plain data, or set cache=False on the node",
        ) from error
    return lambda: copy.deepcopy(master)
