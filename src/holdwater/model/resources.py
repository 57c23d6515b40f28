"""Resources that a task function asks for: processors, accelerators, memory, and custom ones of a cluster.

`num_cpus` and `num_gpus` are counts, fractions included; `memory` is bytes; any other name is a custom resource of the
cluster.  Executors that place work by resources heed them; threads and worker processes of one machine do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.model import validation

Resources = Mapping[str, float]

NO_RESOURCES: Final[Resources] = {}
MAX_RESOURCES: Final = 64
"""names in one request"""


def check_resources(label: str, value: Any) -> dict[str, float]:
    """Return a copy of a request: names with numbers, finite and not negative.  Raises ConfigError."""
    if not isinstance(value, Mapping) or len(value) > MAX_RESOURCES:
        raise ConfigError(
            f"{label} is a mapping of at most {MAX_RESOURCES} names to numbers, not {validation.shorten_repr(value)}",
            hint='for instance {"num_cpus": 2, "num_gpus": 1}',
        )
    for name, amount in value.items():
        validation.check_text(f"{label}: a name", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError)
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount < math.inf:
            raise ConfigError(f"{label}: {name} is a finite number, 0 or more, not {validation.shorten_repr(amount)}")
    return dict(value)
