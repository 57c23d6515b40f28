"""The host of a package of Cloacina: `import cloaca` is Holdwater's shim, and module-level tasks are a workflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdwater.compat import install
from holdwater.compat.cloaca.package_modules import module_workflow, package_schedules
from holdwater.packages.host import main as host
from holdwater.packages.host.serving import PackageWorker
from holdwater.packages.manifests.manifest import PackageSchedule


class CloacinaWorker(PackageWorker):
    """The requests of such a host."""

    def import_modules(self) -> None:
        """Import the modules of the package.  Raises PackageBuildError, WorkflowError."""
        install("cloaca", force=True)
        with module_workflow(self.manifest):
            super().import_modules()

    def code_schedules(self) -> Sequence[PackageSchedule]:
        """List the schedules of triggers with a cron expression."""
        return package_schedules()


def main(config: dict[str, Any], read_fd: int, write_fd: int) -> None:
    """Serve calls on these pipes until there are no more."""
    host.main(config, read_fd, write_fd, CloacinaWorker)
