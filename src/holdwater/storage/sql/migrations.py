"""Numbered schema migrations, each applied once.

Code of the previous release works with a schema after a *pre* migration, but not after a *post* one: code that finds an
unknown post migration refuses the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from holdwater.errors import SchemaTooNew
from holdwater.model.time import Micros, wall_now
from holdwater.storage.sql import statements

AppliedMigration = tuple[int, str, str]
"""(number, phase, name)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """The migration in the file `migrations/<number>_<phase>_<name>.sql` of a package.  `phase`: pre or post."""

    package: str
    number: int
    phase: str
    name: str

    def statements(self) -> Iterator[str]:
        """Iterate over its statements, to be executed in one transaction of the caller."""
        path = f"migrations/{self.number:04d}_{self.phase}_{self.name}.sql"
        return statements.split_statements(statements.read_sql(self.package, path))

    def version_row(self) -> tuple[int, str, str, Micros]:
        """Return the row that records it as applied: number, phase, name, instant (µs)."""
        return self.number, self.phase, self.name, wall_now()


def pending_migrations(
    applied: Iterable[AppliedMigration], known: Sequence[Migration], database_name: str
) -> list[Migration]:
    """List the migrations left to apply.  `database_name`: for messages.  Raises SchemaTooNew."""
    numbers = {m.number for m in known}
    done = set()
    for number, phase, title in applied:
        if number not in numbers and phase == "post":
            raise SchemaTooNew(
                f"{database_name} was changed by a newer Holdwater (migration {number}, {title}); this "
                f"one knows {max(numbers)}",
                hint="upgrade Holdwater in this environment, or use another database",
            )
        done.add(number)
    return [m for m in known if m.number not in done]
