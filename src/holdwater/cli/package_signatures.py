"""`holdwater package keygen`, `sign` and `verify`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdwater.cli import exit_codes, options, time_arguments
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import escape_unsafe, format_instant
from holdwater.cli.package_archives import load_archive, load_signature, signature_path, write_whole
from holdwater.errors import TrustError
from holdwater.model.time import Micros, to_rfc3339, wall_now

if TYPE_CHECKING:
    from holdwater.packages.signatures.signing_keys import SigningKey

PASSPHRASE_VARIABLE: Final = "HOLDWATER_KEY_PASSPHRASE"
_passphrase_file_option = click.option(
    "--passphrase-file",
    metavar="FILE",
    help=f"Take the passphrase from the first line of a file, - for stdin.  [env var: {PASSPHRASE_VARIABLE}, itself]",
)


@click.command(short_help="Make a key that signs packages.")
@click.argument("name", type=click.Path(path_type=Path))
@_passphrase_file_option
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the key, for machines that sign by themselves.")
@options.json_option("the files and the fingerprint")
def keygen(name: Path, passphrase_file: str | None, no_passphrase: bool, as_json: bool) -> None:
    """Make a key of ed25519: NAME.key, which stays with you, and NAME.pub, which others trust."""
    from holdwater.packages.signatures.signing_keys import make_key_pair

    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--no-passphrase and --passphrase-file contradict each other")
    passphrase = "" if no_passphrase else _ask_passphrase(passphrase_file, is_new=True)
    if not passphrase and not no_passphrase:
        raise CommandError("the passphrase is empty", hint="--no-passphrase makes a key without one")
    try:
        private, public, fingerprint = make_key_pair(name, passphrase)
    except FileExistsError as error:
        raise CommandError(str(error), hint="keys are never replaced: choose another name") from error
    except OSError as error:
        raise CommandError(f"the key cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps({"key": str(private), "pub": str(public), "fingerprint": fingerprint}, indent=2))
        return
    click.echo(f"{escape_unsafe(private)}  signs: keep it{'' if no_passphrase else ', and its passphrase'}")
    click.echo(f"{escape_unsafe(public)}  verifies: give it to those who trust you")
    click.echo(f"fingerprint {fingerprint}")


@click.command(short_help="Sign an archive.")
@click.argument("archive")
@click.option("--key", "key_file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="NAME.key")
@_passphrase_file_option
@click.option("--expires", metavar="TIME", help="The end of the signature: in 90d, or at 2027-01-31.")
@click.option("--tenant", "tenants", metavar="NAME", multiple=True, help="Only for this tenant; repeatable.")
@click.option(
    "--format", "form", type=click.Choice(["1", "2"]), default="2", show_default=True,
    help="1: as Cloacina writes it, of the bytes alone.",
)  # fmt: skip
@options.json_option("the signature")
def sign(
    archive: str,
    key_file: Path,
    passphrase_file: str | None,
    expires: str | None,
    tenants: tuple[str, ...],
    form: str,
    as_json: bool,
) -> None:
    """Sign ARCHIVE: write ARCHIVE.sig, by which others know that its package and version are yours."""
    from holdwater.packages.signatures.statements import sign_archive, sign_archive_as_cloacina

    if form == "1" and (expires is not None or tenants):
        raise click.UsageError("--expires and --tenant need --format 2")
    found, now = load_archive(archive), wall_now()
    expires_at = None if expires is None else parse_end(expires, now)
    key = _load_key(key_file, passphrase_file)
    if form == "1":
        content = sign_archive_as_cloacina(found, key, now)
    else:
        content = sign_archive(found, key, now, expires_at=expires_at, audience=tenants)
    target = Path(signature_path(archive))
    write_whole(target, content)
    if as_json:
        click.echo(content.decode(), nl=False)
        return
    name = f"{found.manifest.name} {found.manifest.version}"
    until = "" if expires_at is None else f", until {format_instant(to_rfc3339(expires_at))}"
    click.echo(f"{escape_unsafe(target)}  {name} is signed by {key.fingerprint[:16]}{until}")


@click.command(short_help="Check an archive, and its signature.")
@click.argument("archive")
@click.option(
    "--trust", "trusted", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="A public key, NAME.pub, that is trusted; repeatable.  Without one no signature is verified.",
)  # fmt: skip
@click.option("--sig", "signature_file", metavar="FILE", help="The signature.  [default: ARCHIVE.sig]")
@click.option("--tenant", metavar="NAME", help="Verify that the signature is for this tenant.")
@options.json_option("what was found")
def verify(
    archive: str, trusted: tuple[Path, ...], signature_file: str | None, tenant: str | None, as_json: bool
) -> None:
    """Check ARCHIVE by all rules of packages, and with --trust its signature.  No code of it is executed."""
    from holdwater.packages.signatures.signing_keys import trusted_key
    from holdwater.packages.signatures.trust import verify_signature

    if tenant is not None and not trusted:
        raise click.UsageError("--tenant goes with --trust")
    keys = [trusted_key(load_public_key(file), file.stem) for file in trusted]
    found = load_archive(archive)
    signature = load_signature(archive, signature_file)
    signed_by = verify_signature(found, signature, keys, wall_now(), tenant) if keys else None
    name = f"{found.manifest.name} {found.manifest.version}"
    if as_json:
        facts = {"package": found.manifest.name, "version": found.manifest.version, "release": found.release}
        click.echo(json.dumps({**facts, "sha256": found.digest, "signed_by": signed_by}, indent=2))
    elif signed_by is not None:
        key = next(one.name for one in keys if one.fingerprint == signed_by)
        click.echo(
            f"{name} ({found.release}) keeps all rules, and is signed by {escape_unsafe(key)} ({signed_by[:16]})"
        )
    else:
        about = "is not signed" if signature is None else "has a signature, which --trust KEY.pub verifies"
        click.echo(f"{name} ({found.release}) keeps all rules; it {about}")


def load_public_key(file: Path) -> bytes:
    """Read the 32 bytes of a public key.  Raises CommandError, TrustError."""
    from holdwater.packages.signatures.signing_keys import read_public_key

    try:
        return read_public_key(file)
    except TrustError:  # it is an OSError, too
        raise
    except FileNotFoundError:
        raise CommandError(f"there is no file {file}", code=exit_codes.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _load_key(file: Path, passphrase_file: str | None) -> SigningKey:
    from holdwater.packages.signatures.signing_keys import is_encrypted, read_private_key

    try:
        passphrase = _ask_passphrase(passphrase_file, is_new=False) if is_encrypted(file) else ""
        return read_private_key(file, passphrase)
    except TrustError:  # it is an OSError, too
        raise
    except FileNotFoundError:
        raise CommandError(f"there is no file {file}", code=exit_codes.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _ask_passphrase(file: str | None, *, is_new: bool) -> str:
    """Take a passphrase from a file, from the environment, or from the terminal.  Raises CommandError."""
    if file is not None:
        try:
            with click.open_file(file) as opened:
                line: str = opened.readline()
            return line.rstrip("\r\n")
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise CommandError(
            "the passphrase of the key is asked for at a terminal",
            hint=f"give it with --passphrase-file, or in the variable {PASSPHRASE_VARIABLE}",
        )
    found: str = click.prompt("passphrase of the key", hide_input=True, confirmation_prompt=is_new, err=True)
    return found


def parse_end(text: str, now: Micros) -> Micros:
    """Parse the end of a signature: a time from now, or an instant.  Raises CommandError."""
    if text.strip()[-1:].isalpha() and text.strip()[:-1].isdigit():
        return Micros(now + time_arguments.parse_duration(text, "--expires"))
    end = time_arguments.parse_since(text, "--expires")
    if end <= now:
        raise CommandError(f"--expires {text} is in the past")
    return end
