"""The descriptor an archive was built with, held against the one its code gives where it is registered.

Compared is what users are told and runs depend on: names, styles, structures, triggers and schedules.  Fingerprints of
code, documentation and schemas may differ between versions of Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.archive import PackageArchive
from holdwater.packages.descriptors.descriptor import ReleaseDescriptor, read_descriptor

MAX_NAMED_DIFFERENCES: Final = 5


def check_built_descriptor(archive: PackageArchive, described: Any) -> None:
    """Compare the descriptor in an archive with the one a host has made; an archive without one is as good.

    Raises PackageBuildError naming what differs, and for a descriptor that is none.
    """
    built = archive.descriptor
    if built is None:
        return
    there, here = _facts(read_descriptor(built, archive.manifest)), _facts(read_descriptor(described, archive.manifest))
    differing = [key for key in sorted({*there, *here}) if there.get(key) != here.get(key)]
    if differing:
        more = f" and {len(differing) - MAX_NAMED_DIFFERENCES:,} more" if len(differing) > MAX_NAMED_DIFFERENCES else ""
        raise PackageBuildError(
            f"the package {archive.manifest.name} {archive.manifest.version} is not what its descriptor.json says: "
            f"{', '.join([_describe(key, there, here) for key in differing[:MAX_NAMED_DIFFERENCES]])}{more}",
            hint="its modules register other workflows here than where it was built: what do they depend on?",
        )


def _facts(content: ReleaseDescriptor) -> dict[tuple[str, str], Any]:
    workflows = {
        ("workflow", name): (
            one.row.style,
            one.plan.structure,
            sorted([plan.structure for plan in one.variants.values()]),
        )
        for name, one in content.workflows.items()
    }
    triggers = {("trigger", one.name): one for one in content.triggers}
    return {**workflows, **triggers, **{("schedule", one.name): one for one in content.schedules}}


def _describe(key: tuple[str, str], there: Mapping[Any, Any], here: Mapping[Any, Any]) -> str:
    what = "is not registered" if key not in here else "is not in it" if key not in there else "is another one"
    return f"{key[0]} {key[1]!r} {what}"
