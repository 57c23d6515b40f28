"""Retry policies from descriptors.

The process with the code judges the exceptions of functions, and says of each whether it is retried.  Here a policy
judges what happens to that process (it crashed, it took too long), and counts and delays attempts.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Final

from holdwater import errors
from holdwater.errors import ConfigError, PackageBuildError
from holdwater.model.policies import RetryPolicy
from holdwater.packages.descriptors.untrusted_data import check_texts

MAX_CONDITIONS: Final = 1_000


class UnknownException(BaseException):
    """In the place of an exception class of a package, whose module is not imported here."""


_KNOWN: Final[Mapping[str, type[BaseException]]] = {
    f"{found.__module__}.{found.__qualname__}": found
    for module in (builtins, errors)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, BaseException)
}


def read_retry_policy(data: Mapping[str, Any], label: str) -> RetryPolicy:
    """Build a policy from the data of a descriptor.  Raises PackageBuildError.  `label`: names its node."""
    fields = dict(data)
    for name in ("retry_on", "retryable_errors", "patterns"):
        if name in fields:
            fields[name] = check_texts(fields[name], f"{name} of {label}", MAX_CONDITIONS)
    if "retry_on" in fields:
        fields["retry_on"] = tuple([_KNOWN.get(name, UnknownException) for name in fields["retry_on"]])
    try:
        policy = RetryPolicy(**fields)
    except (ConfigError, TypeError) as error:
        raise PackageBuildError(f"retries of {label}: {error}") from error
    if type(policy.jitter) is not bool:
        raise PackageBuildError(f"retries of {label}: jitter is true or false")
    return policy
