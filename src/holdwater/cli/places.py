"""Places of the runs of a command: a database, or a tenant of a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from holdwater.cli.author import cli_author
from holdwater.cli.exit_codes import CommandError

if TYPE_CHECKING:
    from holdwater.client.backend import Backend, ReadableBackend
    from holdwater.client.server.options import ServerOptions

ENVIRONMENT_PREFIX: Final = "env:"
FILE_PREFIX: Final = "file:"
MAX_KEY_FILE_BYTES: Final = 4096


class Place(ABC):
    """A place of runs.  `is_server`: others execute them, and what is asked for is asked of them.

    What it opens is closed at the end of the block.
    """

    is_server: ClassVar[bool]

    @property
    @abstractmethod
    def arguments(self) -> list[str]:
        """The options that name it on a command line, without any secret."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[ReadableBackend]:
        """Open it to look at it; nothing is changed or made."""

    @abstractmethod
    def writing(self, *, create: bool = False) -> AbstractContextManager[ReadableBackend]:
        """Open it to change what needs no runs to be controlled.  `create`: make a database that is not there."""

    @abstractmethod
    def controlling(self) -> AbstractContextManager[Backend]:
        """Open it to start and to control runs; nothing is executed."""


@dataclass(frozen=True, slots=True)
class DatabasePlace(Place):
    """A database.  `is_default`: a command that names none means this one."""

    url: str
    is_default: bool = False
    is_server: ClassVar[bool] = False

    @property
    def arguments(self) -> list[str]:
        from holdwater.storage.urls import mask_password

        return [] if self.is_default else ["--database", mask_password(self.url)]

    @contextmanager
    def reading(self) -> Iterator[ReadableBackend]:
        from holdwater.client.database.backend import readable_backend
        from holdwater.operations.databases import open_for_reading

        with open_for_reading(self.url) as opened:
            yield readable_backend(opened, cli_author())

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[ReadableBackend]:
        from holdwater.client.database.backend import readable_backend
        from holdwater.operations.databases import open_for_writing

        with open_for_writing(self.url, create=create) as opened:
            yield readable_backend(opened, cli_author())

    @contextmanager
    def controlling(self) -> Iterator[Backend]:
        from holdwater.client.database.backend import open_database

        with closing(open_database(self.url, author=cli_author())) as opened:
            yield opened


@dataclass(frozen=True, slots=True)
class ServerPlace(Place):
    """A tenant of a server.

    `api_key`: the key, or its place: `env:NAME` or `file:PATH`.  `profile`: name of the profile it comes from.
    """

    url: str
    api_key: str = field(default="", repr=False)
    tenant: str = ""
    profile: str = ""
    is_server: ClassVar[bool] = True

    @property
    def arguments(self) -> list[str]:
        if self.profile:
            return ["--profile", self.profile]
        has_place = self.api_key.startswith((ENVIRONMENT_PREFIX, FILE_PREFIX))
        key = ["--api-key", self.api_key] if has_place else []
        return ["--server", self.url, *key, *(["--tenant", self.tenant] if self.tenant else [])]

    @contextmanager
    def reading(self) -> Iterator[ReadableBackend]:
        with self.controlling() as opened:
            yield opened

    @contextmanager
    def writing(self, *, create: bool = False) -> Iterator[ReadableBackend]:
        with self.controlling() as opened:
            yield opened

    @contextmanager
    def controlling(self) -> Iterator[Backend]:
        from holdwater.client.server.backend import open_server

        with closing(open_server(self.options())) as opened:
            yield opened

    def options(self) -> ServerOptions:
        """Return the options of a connection.  Raises ConfigError, CommandError."""
        try:
            from holdwater.client.server.options import DEFAULT_TENANT, ServerOptions
        except ImportError as error:  # pragma: no cover - without the extra
            raise CommandError(
                f"a server is spoken to by {error.name}, which is not installed", hint="pip install 'holdwater[client]'"
            ) from error
        options = ServerOptions(url=self.url, api_key=read_key(self.api_key), tenant=self.tenant or DEFAULT_TENANT)
        if options.sends_key_in_the_clear:
            import click

            click.echo(
                f"warning: the API key goes to {self.url} unencrypted; a server that is not on this machine is reached "
                "by https://, behind a proxy with TLS",
                err=True,
            )
        return options


def read_key(given: str) -> str | None:
    """Return the key that is given, or that is in its place.  Raises CommandError."""
    import os

    if given.startswith(ENVIRONMENT_PREFIX):
        name = given.removeprefix(ENVIRONMENT_PREFIX)
        found = os.environ.get(name, "")
        if not found:
            raise CommandError(f"the variable {name} has no API key: it is not set, or empty")
        return found.strip()
    if given.startswith(FILE_PREFIX):
        path = Path(given.removeprefix(FILE_PREFIX)).expanduser()
        try:
            with path.open("rb") as file:
                text = file.read(MAX_KEY_FILE_BYTES).decode("ascii").strip()
        except FileNotFoundError:
            raise CommandError(f"there is no file {path} with an API key") from None
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"the API key cannot be read from {path}: {type(error).__name__}") from None
        if not text:
            raise CommandError(f"{path} has no API key")
        return text
    return given or None
