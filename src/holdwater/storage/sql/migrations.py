"""The schema's life: numbered migrations, each applied once.

The code of the release before survives a *pre* migration, but not a *post* one: so code that meets an unknown post
migration refuses the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from holdwater.errors import SchemaTooNew
from holdwater.storage.sql import statements

AppliedMigration = tuple[int, str, str]
"""number, phase and name"""


@dataclass(frozen=True, slots=True)
class Migration:
    """`phase`: pre or post.  The file is `migrations/<number>_<phase>_<name>.sql` in the package of its dialect."""

    package: str
    number: int
    phase: str
    name: str

    def statements(self) -> Iterator[str]:
        """One by one, so that the caller's transaction stays around all of them."""
        path = f"migrations/{self.number:04d}_{self.phase}_{self.name}.sql"
        return statements.split_statements(statements.read_sql(self.package, path))

    def version_row(self) -> tuple[int, str, str, int]:
        """What is recorded when it has been applied: number, phase, name, instant."""
        return self.number, self.phase, self.name, time.time_ns() // 1000


def pending_migrations(
    applied: Iterable[AppliedMigration], known: Sequence[Migration], database_name: str
) -> list[Migration]:
    """What is left to apply to the database that messages call `name`.  Raises SchemaTooNew."""
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
