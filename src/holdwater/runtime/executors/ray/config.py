"""The description of a Ray executor."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.model import validation
from holdwater.model.resources import Resources, check_resources
from holdwater.runtime.executors.base import check_count
from holdwater.runtime.executors.ray.backend import RayBackend
from holdwater.runtime.executors.ray.driver_process import DriverOptions

DEFAULT_MAX_CONCURRENT: Final = 64
DEFAULT_CACHED_BYTES: Final = 64 << 20
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Task functions run on a Ray cluster, at most `max_concurrent` handed over to it at once.

    `address`: of a running cluster ("auto", "host:port"), which is never shut down; None: RAY_ADDRESS, else a cluster
    of this machine, started for the executor and ended with it.  `resources`: of each task function, unless its routing
    rule or `@task(resources=...)` asks for others.  `wait_for_nodes`: a request that no node can fulfil waits for
    a cluster that grows; otherwise it fails its attempt (ResourcesUnavailable).  `capture_output`: what a function
    prints and logs is kept in the log of its run.  `connect_timeout_seconds`: for starting Ray and connecting.
    `max_cached_bytes`: large values kept in the object store for the next task functions.  `init_options`: further
    arguments of `ray.init`, plain JSON data, such as `runtime_env`.

    A task function that times out or does not heed a cancellation is killed; one whose worker or node is lost costs its
    task one attempt, of kind "CRASHED".  Ray never runs one again by itself.  Raises ConfigError.
    """

    max_concurrent: int = DEFAULT_MAX_CONCURRENT
    address: str | None = None
    resources: Resources = field(default_factory=dict)
    wait_for_nodes: bool = False
    capture_output: bool = True
    connect_timeout_seconds: float = 60.0
    max_cached_bytes: int = DEFAULT_CACHED_BYTES
    init_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_count("max_concurrent", self.max_concurrent)
        check_count("max_cached_bytes", self.max_cached_bytes, 0)
        validation.check_seconds("connect_timeout_seconds", self.connect_timeout_seconds)
        object.__setattr__(self, "resources", check_resources("resources", self.resources))
        if self.address is not None:
            _check_address("address", self.address)
        _check_init_options(self.init_options)

    def open(self, name: str) -> RayBackend:
        """Ray starts with the first task function.  Raises ConfigError if it is not installed."""
        if importlib.util.find_spec("ray") is None:
            raise ConfigError(
                f"the executor {name!r} needs the package ray, which is not installed",
                hint="pip install 'holdwater[ray]'",
            )
        address = self.address or os.environ.get("RAY_ADDRESS") or LOCAL
        _check_address("RAY_ADDRESS", address)
        options = DriverOptions(
            address=address,
            init_options=dict(self.init_options),
            wait_for_nodes=self.wait_for_nodes,
            capture_output=self.capture_output,
            connect_timeout_seconds=self.connect_timeout_seconds,
            max_cached_bytes=self.max_cached_bytes,
        )
        return RayBackend(options, self.resources)


def _check_address(label: str, address: Any) -> None:
    validation.check_text(label, address, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError)
    if address.startswith("ray://"):
        raise ConfigError(
            f"{label} {address!r} is one of Ray Client, through which workers cannot reach the runner",
            hint="run on a machine of the cluster, with address='auto'",
        )


def _check_init_options(options: Any) -> None:
    if not isinstance(options, Mapping) or "address" in options:
        raise ConfigError(f"init_options has arguments of ray.init, no address, not {validation.shorten_repr(options)}")
    try:
        json.dumps(dict(options), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"init_options must be plain JSON data: {error}") from error
