"""Connection services: a URL names one, and a service file has its parameters.

Source: PostgreSQL's documentation, "The Connection Service File".  Read here and not by libpq, so that a service
overrides this package's defaults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from holdwater.errors import DatabaseURLError


def resolve_service(parameters: Mapping[str, str], masked_url: str) -> dict[str, str]:
    """Merge the parameters over those of the service they name.  Raises DatabaseURLError."""
    rest = {name: value for name, value in parameters.items() if name not in ("service", "servicefile")}
    service = parameters.get("service") or os.environ.get("PGSERVICE")
    if not service:
        return rest
    places = list(_service_files(parameters.get("servicefile")))
    for path in places:
        found = _read_service(path, service, masked_url)
        if found is not None:
            return {**found, **rest}
    looked = ", ".join(map(str, places)) or "no file"
    raise DatabaseURLError(
        f"{masked_url}: there is no service {service!r} (looked in {looked})",
        hint=f"write [{service}] and below it host=..., dbname=... into a file, and name that in PGSERVICEFILE",
    )


def _service_files(service_file: str | None) -> Iterator[Path]:
    """Iterate over the possible service files, in order of precedence."""
    own = service_file or os.environ.get("PGSERVICEFILE")
    yield Path(own) if own else Path.home() / ".pg_service.conf"
    if "PGSYSCONFDIR" in os.environ:
        yield Path(os.environ["PGSYSCONFDIR"]) / "pg_service.conf"
    yield Path("/etc/postgresql-common/pg_service.conf")


def _read_service(path: Path, service: str, masked_url: str) -> dict[str, str] | None:
    """Read the parameters of a service; None if the file or the service does not exist."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseURLError(f"{masked_url}: the file of services {path} cannot be read: {error}") from error
    found: dict[str, str] | None = None
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("["):
            if found is not None:
                break
            found = {} if line == f"[{service}]" else None
        elif found is not None and line and not line.startswith("#"):
            name, mark, value = line.partition("=")
            if not mark or name.strip() == "service":
                raise DatabaseURLError(
                    f"{masked_url}: line {number} of {path} is no parameter", hint="write name=value"
                )
            found[name.strip()] = value.strip()
    return found
