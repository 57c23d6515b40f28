"""Values set apart from whoever made or gets them."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from holdwater.errors import Unstorable

_IMMUTABLE_TYPES: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class IsolatedValue(NamedTuple):
    """`open` gives a value nobody else has.  `size_bytes` is None where it cannot be told."""

    make_copy: Callable[[], Any]
    size_bytes: int | None


def isolate(value: object) -> IsolatedValue:
    """Raises Unstorable if the value can be neither pickled nor copied."""
    if type(value) in _IMMUTABLE_TYPES:
        return IsolatedValue(lambda: value, sys.getsizeof(value))
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - a copy may still be possible; if not, that is raised
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
