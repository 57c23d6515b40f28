"""The content of an archive without executing any of it: manifest, files, workflows, schedules, signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.drawing.picture import Picture
from holdwater.drawing.plan_pictures import picture_of
from holdwater.errors import TrustError
from holdwater.model.time import Micros
from holdwater.packages.archives.archive import PackageArchive
from holdwater.packages.descriptors.descriptor import PackagedWorkflow, ReleaseDescriptor, read_descriptor
from holdwater.packages.manifests.manifest import PackageSchedule
from holdwater.packages.signatures.statements import SignatureFile, read_signature
from holdwater.schedules import Cron, UpcomingFire, upcoming_fires

NEXT_FIRES: Final = 3


@dataclass(frozen=True, slots=True)
class ScheduleForecast:
    """A schedule of a package with its next fires."""

    schedule: PackageSchedule
    words: str
    fires: tuple[UpcomingFire, ...]


@dataclass(frozen=True, slots=True)
class ArchiveInspection:
    """An archive with what it says of itself.

    `content`: of its descriptor, None if it has none: it describes itself when it is registered.  `signature`: the one
    beside it, not verified; `signature_error`: the reason that it cannot be read.
    """

    archive: PackageArchive
    content: ReleaseDescriptor | None
    schedules: tuple[ScheduleForecast, ...]
    signature: SignatureFile | None
    signature_error: str = ""


def inspect_archive(archive: PackageArchive, signature: bytes | None, now: Micros) -> ArchiveInspection:
    """Look at an archive.  `signature`: the content of the file beside it; None: there is none.

    Raises ManifestError, PackageBuildError for a descriptor that is wrong.
    """
    data = archive.descriptor
    content = None if data is None else read_descriptor(data, archive.manifest)
    schedules = archive.manifest.schedules if content is None else content.schedules
    found, problem = None, ""
    if signature is not None:
        try:
            found = read_signature(signature)
        except TrustError as error:
            problem = error.message
    return ArchiveInspection(archive, content, tuple([_forecast(one, now) for one in schedules]), found, problem)


def picture_of_packaged(workflow: PackagedWorkflow) -> Picture:
    """Return the picture of a workflow of a package."""
    branches = {name: node["branches"] for name, node in workflow.nodes.items() if node.get("branches")}
    return picture_of(workflow.plan, workflow.children, branches)


def _forecast(schedule: PackageSchedule, now: Micros) -> ScheduleForecast:
    cron = Cron(schedule.cron, schedule.timezone)
    return ScheduleForecast(schedule, cron.explain(), upcoming_fires(cron, now, NEXT_FIRES))
