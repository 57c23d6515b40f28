"""`holdwater package inspect`: the content of an archive; no code of it is executed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from holdwater.cli import options
from holdwater.cli.formatting import align_columns, escape_unsafe, first_line, format_instant, pluralize, truncate
from holdwater.cli.package_archives import format_size, load_archive, load_signature
from holdwater.model.time import to_rfc3339, wall_now

if TYPE_CHECKING:
    from holdwater.packages.archives.inspection import ArchiveInspection, ScheduleForecast
    from holdwater.packages.descriptors.descriptor import PackagedWorkflow
    from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest

_SHOWN_FILES: Final = 20
_FORMATS: Final = {
    "holdwater": "holdwater.toml",
    "cloacina": "package.toml of Cloacina",
    "cloacina-v2": "manifest.json of Cloacina, version 2",
}


@click.command(short_help="Show the content of an archive.")
@click.argument("archive")
@click.option("--files", "all_files", is_flag=True, help=f"List all files, in place of the first {_SHOWN_FILES}.")
@options.json_option("all of it")
def inspect(archive: str, all_files: bool, as_json: bool) -> None:
    """Show the content of ARCHIVE: manifest, workflows as pictures, schedules with their next fires, signature, files.

    No code of the package is executed, and nothing is unpacked.
    """
    from holdwater.packages.archives.inspection import inspect_archive

    found = inspect_archive(load_archive(archive), load_signature(archive, None), wall_now())
    if as_json:
        click.echo(json.dumps(_to_json(found), indent=2))
        return
    sections = (
        list(_manifest_lines(found)),
        list(_workflow_lines(found)),
        list(_schedule_lines(found)),
        list(_trigger_lines(found)),
        list(_signature_lines(found)),
        list(_file_lines(found, None if all_files else _SHOWN_FILES)),
    )
    click.echo("\n\n".join(["\n".join(lines) for lines in sections if lines]))


def _manifest_lines(found: ArchiveInspection) -> Iterator[str]:
    archive, manifest = found.archive, found.archive.manifest
    yield click.style(f"{manifest.name} {manifest.version}", bold=True) + f"  release {archive.release}"
    unpacked = sum([file.size for file in archive.files.values()])
    rows = [
        ("description", first_line(manifest.description, 300)),
        ("author", truncate(manifest.author)),
        ("manifest", _FORMATS[manifest.format]),
        ("modules", truncate(", ".join(manifest.modules), 300)),
        ("requires", truncate(", ".join(_requirements(manifest)), 300)),
        ("execution", _describe_execution(manifest.execution)),
        ("size", f"{format_size(len(archive.data))}, unpacked {format_size(unpacked)}"),
        ("sha256", archive.digest),
    ]
    for line in align_columns([row for row in rows if row[1]]):
        yield f"  {line}"


def _requirements(manifest: PackageManifest) -> Iterator[str]:
    if manifest.requires_python:
        yield f"python {manifest.requires_python}"
    if manifest.requires_holdwater:
        yield f"holdwater {manifest.requires_holdwater}"
    yield from manifest.dependencies


def _describe_execution(limits: ExecutionLimits) -> str:
    parts = [f"at most {pluralize(limits.max_concurrent, 'host')}"]
    parts += [f"{limits.bodies_per_host} functions at once in each"] if limits.bodies_per_host > 1 else []
    parts += [f"{limits.memory_mb:,} MB"] if limits.memory_mb is not None else []
    parts += [f"{limits.timeout_seconds:g} s"] if limits.timeout_seconds is not None else []
    parts += [] if limits.network else ["no network"]
    parts += [f"env {', '.join(limits.env)}"] if limits.env else []
    parts += [f"secrets {', '.join(limits.secrets)}"] if limits.secrets else []
    return truncate(", ".join(parts), 300)


def _workflow_lines(found: ArchiveInspection) -> Iterator[str]:
    from holdwater.drawing.text import render_tree
    from holdwater.packages.archives.inspection import picture_of_packaged

    if found.content is None:
        yield "Workflows"
        yield "  not known: the archive has no descriptor.json; it describes itself when it is registered"
        return
    yield "Workflows"
    for number, name in enumerate(found.content.workflow_names):
        if number:
            yield ""
        workflow = found.content.workflows[name]
        title, *lines = render_tree(picture_of_packaged(workflow), encoding=sys.stdout.encoding).split("\n")
        description = first_line(workflow.row.descriptor.get("description") or "", 200)
        about = f"{workflow.plan.style}, {pluralize(len(workflow.plan.nodes), _NODES[workflow.plan.style])}"
        yield f"  {click.style(escape_unsafe(title), bold=True)}  {about}{f'  {description}' if description else ''}"
        yield from [f"  {truncate(line, 300)}" for line in lines]


_NODES: Final = {"tasks": "task", "steps": "step", "graphs": "node"}


def _schedule_lines(found: ArchiveInspection) -> Iterator[str]:
    if not found.schedules:
        return
    yield "Schedules"
    rows = [("NAME", "WORKFLOW", "WHEN", "MISSED", "OVERLAP", "NEXT")]
    rows += [_schedule_row(one) for one in found.schedules]
    for line in align_columns(rows):
        yield f"  {line}"
    for one in found.schedules:
        for fire in [fire for fire in one.fires if fire.note]:
            yield f"  {truncate(one.schedule.name, 40)}, {format_instant(to_rfc3339(fire.at))}: {fire.note}"


def _schedule_row(one: ScheduleForecast) -> tuple[str, str, str, str, str, str]:
    schedule = one.schedule
    when = f"{schedule.cron} {schedule.timezone}"
    following = ", ".join([format_instant(to_rfc3339(fire.at)) for fire in one.fires[:2]]) or "never"
    missed, overlap = schedule.catchup or "skip", schedule.overlap
    return truncate(schedule.name, 40), truncate(schedule.workflow, 40), truncate(when, 60), missed, overlap, following


def _trigger_lines(found: ArchiveInspection) -> Iterator[str]:
    triggers = found.archive.manifest.triggers if found.content is None else found.content.triggers
    if not triggers:
        return
    yield "Triggers"
    rows = [("NAME", "WORKFLOW", "ASKED EVERY", "WHILE A RUN IS OPEN")]
    for one in triggers:
        open_runs = "fires" if one.allow_concurrent else "waits"
        every = f"{one.poll_interval_seconds:g} s"
        rows.append((truncate(one.name, 40), truncate(one.workflow, 40), every, open_runs))
    for line in align_columns(rows):
        yield f"  {line}"


def _signature_lines(found: ArchiveInspection) -> Iterator[str]:
    yield "Signature"
    if found.signature_error:
        yield f"  cannot be read: {first_line(found.signature_error, 300)}"
    elif found.signature is None:
        yield "  none beside the archive"
    else:
        statement = found.signature.statement
        rows = [
            ("key", found.signature.key_fingerprint),
            ("signed", format_instant(to_rfc3339(statement.signed_at))),
            ("expires", "" if statement.expires_at is None else format_instant(to_rfc3339(statement.expires_at))),
            ("tenants", truncate(", ".join(statement.audience), 300)),
            ("of", "this archive" if statement.hash == found.archive.digest else "ANOTHER ARCHIVE"),
        ]
        for line in align_columns([row for row in rows if row[1]]):
            yield f"  {line}"
        yield "  not verified here: `holdwater package verify ARCHIVE --trust KEY.pub` does"


def _file_lines(found: ArchiveInspection, limit: int | None) -> Iterator[str]:
    files = list(found.archive.files.items())
    yield f"Files ({len(files):,})"
    shown = files if limit is None else files[:limit]
    for line in align_columns([(f"{file.size:>12,}", truncate(path, 250)) for path, file in shown]):
        yield f"{line}"
    if len(shown) < len(files):
        yield f"  ... and {len(files) - len(shown):,} more: --files lists them"


def _to_json(found: ArchiveInspection) -> dict[str, Any]:
    archive, content, signature = found.archive, found.content, found.signature
    return {
        "release": archive.release,
        "sha256": archive.digest,
        "bytes": len(archive.data),
        "manifest": asdict(archive.manifest),
        "workflows": None if content is None else [_workflow_to_json(one) for one in content.workflows.values()],
        "schedules": [
            {
                **asdict(one.schedule),
                "words": one.words,
                "next": [{"at": to_rfc3339(fire.at), "note": fire.note} for fire in one.fires],
            }
            for one in found.schedules
        ],
        "triggers": [asdict(one) for one in (archive.manifest.triggers if content is None else content.triggers)],
        "signature": None
        if signature is None
        else {
            "version": signature.format,
            "key_fingerprint": signature.key_fingerprint,
            "is_of_this_archive": signature.statement.hash == archive.digest,
            **signature.statement.to_data(),
        },
        "signature_error": found.signature_error or None,
        "files": {
            path: {"size": file.size, "sha256": file.sha256, "executable": file.is_executable}
            for path, file in archive.files.items()
        },
    }


def _workflow_to_json(workflow: PackagedWorkflow) -> dict[str, Any]:
    row = workflow.row
    return {
        "name": row.name,
        "style": row.style,
        "structure": row.structure,
        "is_child": workflow.is_child,
        **row.descriptor,
        "nodes": list(workflow.nodes.values()),
        "plan": workflow.plan.to_data(),
    }
