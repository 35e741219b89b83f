"""The version of the schema: which one a database has, whether this program can work with it, and the way there.

The migrations are alembic's, in `migrations/` of the repository and in `gateway/_migrations` of an installed wheel.
Their ids are numbers of four digits, so that older and newer can be told apart. alembic itself is only imported to
migrate.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, String, inspect, select, table
from sqlalchemy import column as sql_column

from gateway.model.errors import SchemaMismatch

REVISION = "0007"
"""The version that this program works with; the newest in `migrations/versions`."""

OLDEST = "0001"
"""The oldest version that can be brought up to it."""

_VERSION_TABLE = "alembic_version"


def current(connection: Connection) -> str | None:
    """The version of the database; None where there is none."""
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    version = select(sql_column("version_num", String)).select_from(table(_VERSION_TABLE))
    return connection.execute(version).scalar_one_or_none()


def check(connection: Connection) -> None:
    """Raise `SchemaMismatch`, with the versions and what to run, unless the database is of this program's version."""
    found = current(connection)
    if found == REVISION:
        return
    if found is None:
        raise SchemaMismatch("the database is empty: run `gateway init` or `gateway db upgrade`")
    if found < OLDEST:
        raise SchemaMismatch(
            f"the database has schema {found}, which this program ({OLDEST} to {REVISION}) does not know: restore a"
            " backup, or move the database away, then `gateway db upgrade` and `gateway db rebuild`"
        )
    if found < REVISION:
        raise SchemaMismatch(
            f"the database has schema {found}, this program needs {REVISION}: run `gateway db upgrade`"
        )
    raise SchemaMismatch(
        f"the database has schema {found}, which is newer than this program's {REVISION}:"
        " install the newer program again, or restore a backup"
    )


def migrate(connection: Connection) -> tuple[str | None, str]:
    """Bring the database, which may be empty, to `REVISION`; gives the versions before and after.

    Raises `SchemaMismatch` when it is newer than this program, or older than `OLDEST`.
    """
    from alembic import command
    from alembic.config import Config

    found = current(connection)
    if found is not None and not OLDEST <= found <= REVISION:
        check(connection)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
    return found, REVISION


def migrations_folder() -> Path:
    """Where the migrations lie: in the package when it was installed from a wheel, else beside it."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "_migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"
