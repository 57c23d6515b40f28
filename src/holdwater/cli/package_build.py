"""`holdwater package new` and `holdwater package build`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import exit_codes, options
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, pluralize
from holdwater.cli.package_archives import format_size, write_whole

if TYPE_CHECKING:
    from holdwater.packages.archives.archive import PackageArchive
    from holdwater.packages.building.scaffold import PackageStyle


@click.command(short_help="Make a folder with a small package.")
@click.argument("name")
@click.option("--style", type=click.Choice(["tasks", "steps", "graphs"]), default="tasks", show_default=True)
@options.json_option("the files")
def new(name: str, style: PackageStyle, as_json: bool) -> None:
    """Make a package: a folder NAME with a small workflow, its manifest and a test."""
    from holdwater.errors import ArchiveError, ManifestError
    from holdwater.packages.building.scaffold import make_package

    try:
        files = make_package(Path(), name, style)
    except (ArchiveError, ManifestError) as error:
        raise CommandError(f"{name!r} is no name of a package: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps({"folder": name, "files": [str(file) for file in files]}, indent=2))
        return
    for file in files:
        click.echo(f"  {file}")
    click.echo(f"package {name} is made; build it with `holdwater package build {name}`")


@click.command(short_help="Build the archive of a package.")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="FILE|FOLDER", type=click.Path(),
    help="The archive, or the folder for it, which is made if it ends with a slash.  [default: in FOLDER]",
)  # fmt: skip
@click.option("--upgrade", is_flag=True, help="Resolve requirements anew, in place of what requirements.lock has.")
@options.json_option("the archive")
def build(folder: Path, output: str | None, upgrade: bool, as_json: bool) -> None:
    """Build the archive of the package in FOLDER: check it, get its wheels, have it describe itself in a host.

    The same folder makes the same bytes.  The code of the package is executed: its modules are imported.
    """
    from holdwater.errors import ConfigError, PackageError
    from holdwater.packages.archives.archive import read_archive
    from holdwater.packages.building.build import archive_name, build_package, describe_in_fresh_host
    from holdwater.packages.settings import PackageSettings

    settings = PackageSettings()
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder}", code=exit_codes.NOT_FOUND)
    try:
        data = build_package(
            folder, settings, lambda draft: describe_in_fresh_host(draft, settings), is_upgrade=upgrade
        )
    except ConfigError:
        raise
    except PackageError as error:
        raise CommandError(error.message, hint=error.hint, code=exit_codes.FAILED) from error
    archive = read_archive(data)
    place = folder if output is None else Path(output)
    if output is not None and output.endswith("/"):  # a path forgets that a folder is meant
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"the folder {output} cannot be made: {error.strerror}") from None
    target = place / archive_name(archive.manifest) if place.is_dir() else place
    write_whole(target, data)
    if as_json:
        click.echo(json.dumps(_to_json(archive, target), indent=2))
        return
    workflows = _workflow_names(archive)
    wheels = len([path for path in archive.files if path.endswith(".whl")])
    parts = [pluralize(len(workflows), "workflow"), pluralize(len(archive.manifest.schedules), "schedule")]
    parts += [pluralize(wheels, "wheel")] if wheels else []
    click.echo(f"{escape_unsafe(target)}  {format_size(len(data))}, release {archive.release}")
    click.echo(f"  {', '.join(parts)}: {escape_unsafe(', '.join(workflows))}")


def _workflow_names(archive: PackageArchive) -> list[str]:
    descriptor = archive.descriptor or {"workflows": []}
    return [one["name"] for one in descriptor["workflows"] if not one["is_child"]]


def _to_json(archive: PackageArchive, target: Path) -> dict[str, Any]:
    return {
        "path": str(target),
        "package": archive.manifest.name,
        "version": archive.manifest.version,
        "release": archive.release,
        "sha256": archive.digest,
        "bytes": len(archive.data),
        "workflows": _workflow_names(archive),
    }
