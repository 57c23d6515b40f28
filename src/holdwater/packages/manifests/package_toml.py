"""`package.toml`, the manifest of Cloacina, derived from a `holdwater.toml`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdwater.packages.manifests.legacy import INTERFACE
from holdwater.packages.manifests.manifest import PackageManifest


def derive_package_toml(manifest: PackageManifest, workflows: Sequence[str]) -> bytes:
    """Return the content of `package.toml` for a package with these workflows, the same for the same package.

    It names one workflow: the only one, or with several that of the package's name, all of which only Holdwater loads.
    """
    package = {
        "name": manifest.name,
        "version": manifest.version,
        "interface": INTERFACE,
        "interface_version": 1,
        "extension": "cloacina",
    }
    metadata = {
        "language": "python",
        "workflow_name": workflows[0] if len(workflows) == 1 else manifest.name,
        "entry_module": manifest.modules[0],
        "requires_python": manifest.requires_python,
        "description": manifest.description,
        "author": manifest.author,
    }
    lines = ["# Derived from holdwater.toml by `holdwater package build`", "[package]"]
    lines += [f"{key} = {_value(value)}" for key, value in package.items()]
    lines += ["", "[metadata]"]
    lines += [f"{key} = {_value(value)}" for key, value in metadata.items() if value]
    return ("\n".join(lines) + "\n").encode()


def _value(value: object) -> str:
    """Write a text or a number as TOML does; a text of JSON is one of TOML, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
