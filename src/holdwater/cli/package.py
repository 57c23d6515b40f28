"""`holdwater package`: packages of workflows are made, looked into, and signed."""

from __future__ import annotations

import click

from holdwater.cli import (
    package_build,
    package_inspect,
    package_keys,
    package_releases,
    package_signatures,
    package_upload,
)


@click.group()
def package() -> None:
    """Make packages of workflows, look into them, sign them; those of a daemon or a server."""


for command in (
    package_build.new, package_build.build,
    package_inspect.inspect,
    package_signatures.verify, package_signatures.keygen, package_signatures.sign,
    package_keys.keys, package_upload.upload,
    package_releases.list_, package_releases.activate, package_releases.remove,
):  # fmt: skip
    package.add_command(command)
