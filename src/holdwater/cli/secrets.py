"""`holdwater secrets`: texts that task functions ask for by name.  They are read from a prompt, a pipe or a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdwater.cli import options
from holdwater.cli.formatting import align_columns, escape_unsafe, format_instant, pluralize
from holdwater.cli.place_options import place_options
from holdwater.cli.places import Place
from holdwater.model.secrets import DEFAULT_FIELD, MAX_SECRET_BYTES
from holdwater.model.time import to_rfc3339

if TYPE_CHECKING:
    from holdwater.operations.secrets import SecretInfo


@click.group()
def secrets() -> None:
    """Keep passwords and keys for task functions, encrypted in a database.

    A task function asks for one by name: context.secret("smtp").  The key is in HOLDWATER_SECRETS_KEY, here and for the
    runners.
    """


@secrets.command("set")
@click.argument("name")
@click.option("--field", default=DEFAULT_FIELD, show_default=True, help="Name of the field.")
@click.option("--fields", "as_fields", is_flag=True, help="Read a JSON object of texts by field.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read it from a file as it is; otherwise it is asked for, or read from stdin without its last line break.",
)
@place_options
@options.json_option("what there is to know of the secret")
def set_(name: str, field: str, as_fields: bool, file: Path | None, place: Place, as_json: bool) -> None:
    """Create a secret, or replace its texts.  They are no arguments: those are seen by others and kept by shells."""
    if as_fields and field != DEFAULT_FIELD:
        raise click.UsageError("give --field or --fields, not both")
    text = _read_text(file)
    fields = _parse_fields(text) if as_fields else {field: text}
    with place.writing() as opened:
        made = opened.secrets.put_secret(name, fields)
    if as_json:
        click.echo(json.dumps(_to_data(made), indent=2))
    else:
        click.echo(f"secret {escape_unsafe(name)} is set ({', '.join(map(escape_unsafe, made.field_names))})")


@secrets.command("list")
@place_options
@options.json_option("what there is to know of each secret")
def list_(place: Place, as_json: bool) -> None:
    """List secrets; their texts are never shown."""
    with place.reading() as opened:
        found = opened.secrets.list_secrets()
    if as_json:
        click.echo(json.dumps([_to_data(one) for one in found], indent=2))
        return
    if not found:
        click.echo('there are no secrets: set one with "holdwater secrets set NAME"')
        return
    rows = [("SECRET", "FIELDS", "KEY", "SET", "BY")]
    rows += [
        (
            escape_unsafe(one.name),
            escape_unsafe(", ".join(one.field_names)),
            one.key_id,
            format_instant(to_rfc3339(one.updated_at)),
            escape_unsafe(one.updated_by),
        )
        for one in found
    ]
    click.echo("\n".join(align_columns(rows)))


@secrets.command()
@click.argument("name")
@place_options
def remove(name: str, place: Place) -> None:
    """Remove a secret."""
    with place.writing() as opened:
        opened.secrets.remove_secret(name)
    click.echo(f"secret {escape_unsafe(name)} is removed")


@secrets.command()
@options.database_option
def rotate(database: str) -> None:
    """Encrypt all secrets with the first of the two keys in HOLDWATER_SECRETS_KEY ("NEW,OLD")."""
    from holdwater.operations.databases import open_for_writing
    from holdwater.operations.secrets import rotate_secrets

    with open_for_writing(database) as opened:
        count = rotate_secrets(opened)
    click.echo(f"{pluralize(count, 'secret')} encrypted anew: all have the first key now")


@secrets.command()
def keygen() -> None:
    """Print a new key for HOLDWATER_SECRETS_KEY: 32 random bytes in base64."""
    from holdwater.engine.secret_keys import generate_key

    click.echo(generate_key())


def _read_text(file: Path | None) -> str:
    if file is not None:
        with file.open("rb") as opened:
            return _decode(opened.read(MAX_SECRET_BYTES + 1))
    if sys.stdin.isatty():
        found: str = click.prompt("secret", hide_input=True, confirmation_prompt=True, err=True)
        return found
    return _decode(sys.stdin.buffer.read(MAX_SECRET_BYTES + 2)).removesuffix("\n").removesuffix("\r")


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise click.UsageError("a secret is text in UTF-8; encode other bytes, as in base64") from None


def _parse_fields(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise click.UsageError('this is no JSON object of texts, as {"user": "...", "password": "..."}') from None


def _to_data(secret: SecretInfo) -> dict[str, Any]:
    return {
        "name": secret.name,
        "id": secret.id,
        "fields": list(secret.field_names),
        "key_id": secret.key_id,
        "created_at": to_rfc3339(secret.created_at),
        "created_by": secret.created_by,
        "updated_at": to_rfc3339(secret.updated_at),
        "updated_by": secret.updated_by,
    }
