"""Packages as their authors would build them, for daemons that are real processes."""

from __future__ import annotations

import hashlib
import json

from holdwater.packages.archives.writing import FileContent, write_archive

ONE_TASK = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder({workflow!r}):

    @task()
    def first(context):
        context["release_note"] = {note!r}
"""


def manifest(package: str, version: str, more: str = "", module: str = "flows") -> str:
    return f"""\
format = 1
[package]
name = "{package}"
version = "{version}"
[entry]
modules = ["{module}"]
{more}
"""


def schedule(workflow: str, cron: str, name: str = "often") -> str:
    return f'[[schedules]]\nname = "{name}"\nworkflow = "{workflow}"\ncron = "{cron}"\n'


def archive(package: str, version: str, source: str, *, more: str = "") -> bytes:
    """The archive of a package of one module."""
    files = {"holdwater.toml": manifest(package, version, more), "workflow/flows.py": source}
    data = {path: text.encode() for path, text in files.items()}
    listed = {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for path, content in data.items()
    }
    data["files.json"] = json.dumps({"files": listed}).encode()
    del data["files.json"]
    return write_archive(f"{package}-{version}", {path: FileContent(content) for path, content in data.items()})


def one_task_package(
    package: str, version: str, *, workflow: str | None = None, note: str = "", more: str = ""
) -> bytes:
    return archive(package, version, ONE_TASK.format(workflow=workflow or package, note=note or version), more=more)
