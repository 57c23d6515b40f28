"""The first code of a host: splits into a supervisor and the process that will have the code of the package.

Nothing else of this library is imported before the split, so that the supervisor stays small.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any, Final

from holdwater.packages.host.limits import apply_limits, become_user
from holdwater.packages.host.supervisor import supervise

RELEASE_MODULE: Final = "release"


def main() -> None:
    """Start a host by the command line: its configuration as JSON in pieces, and the numbers of its pipes."""
    config = json.loads("".join(sys.argv[1:-3]))
    read_fd, write_fd, liveness_fd = map(int, sys.argv[-3:])
    for fd in (read_fd, write_fd, liveness_fd):
        os.set_inheritable(fd, False)
    namespace = config.get("namespace")
    if namespace is not None:
        import_module("holdwater.packages.host.namespace").enter(namespace)
    supervise(liveness_fd, (read_fd, write_fd), lambda: _become_host(config, read_fd, write_fd))


def _become_host(config: dict[str, Any], read_fd: int, write_fd: int) -> None:
    os.umask(0o077)
    os.chdir(os.environ["HOME"])
    if config.get("user") is not None:
        become_user(*config["user"])
    if config.get("namespace") is not None or config.get("user") is not None:
        import_module("holdwater.packages.host.capabilities").drop_capabilities()
    apply_limits(config["limits"])
    sys.path += config["paths"]
    sys.argv[:] = [RELEASE_MODULE]
    import_module(config["entry"]).main(config, read_fd, write_fd)
