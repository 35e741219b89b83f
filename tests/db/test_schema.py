"""gateway.db.schema and the migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from gateway.db import jobs, routed, schema, tables
from gateway.db.engine import Database
from gateway.model.errors import SchemaMismatch
from gateway.model.routing import Trigger
from gateway.model.work import JobKind
from tests.db import seeding


def _set_version(url: str, version: str) -> None:
    database = Database(url)
    database.write(lambda conn: conn.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version}))
    database.close()


def test_migrations_arrive_at_the_tables(database: Database) -> None:
    with database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_revision_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == schema.REVISION
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert all(len(revision) == 4 and revision.isdigit() for revision in revisions)


def test_ids_are_never_given_twice(database: Database) -> None:
    """What remembers an id of a deleted row must not meet another row."""
    add = text("INSERT INTO patients (patient_id) VALUES ('a') RETURNING id")
    first = database.write(lambda conn: conn.execute(add).scalar_one())
    database.write(lambda conn: conn.execute(text("DELETE FROM patients")))
    assert database.write(lambda conn: conn.execute(add).scalar_one()) > first


def test_create_leaves_an_existing_database_alone(empty_url: str) -> None:
    Database.open(empty_url, create=True).close()
    _set_version(empty_url, "0000")
    with pytest.raises(SchemaMismatch, match="schema 0000"):
        Database.open(empty_url, create=True)


@pytest.mark.parametrize(("version", "hint"), [("0000", "gateway db upgrade"), ("9999", "newer than this program")])
def test_another_version_says_which_and_what_to_do(empty_url: str, version: str, hint: str) -> None:
    Database.open(empty_url, create=True).close()
    _set_version(empty_url, version)
    with pytest.raises(SchemaMismatch, match=hint) as caught:
        Database.open(empty_url)
    assert version in str(caught.value)
    assert schema.REVISION in str(caught.value)


@pytest.mark.parametrize(("version", "hint"), [("9999", "newer"), ("0000", "does not know")])
def test_upgrade_refuses_what_it_cannot_upgrade(empty_url: str, version: str, hint: str) -> None:
    Database.open(empty_url, create=True).close()
    _set_version(empty_url, version)
    with pytest.raises(SchemaMismatch, match=hint):
        Database.upgrade(empty_url)


def test_upgrade_of_an_empty_database(empty_url: str) -> None:
    assert Database.upgrade(empty_url) == (None, schema.REVISION)
    assert Database.upgrade(empty_url) == (schema.REVISION, schema.REVISION)
    Database.open(empty_url).close()


def test_a_mistyped_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="gateway init"):
        Database.open(f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_migration_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(empty_url)

    def migrate_and_fail(conn: object) -> None:
        schema.migrate(conn)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(migrate_and_fail)
    with database.read() as conn:
        assert schema.current(conn) is None
    database.close()


def test_jobs_of_single_instances_become_arrivals_of_their_series(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done or cancelled is over; all else, whatever its state, is looked at again."""
    states = ("ready", "leased", "held", "failed", "done", "cancelled")
    with monkeypatch.context() as before:
        before.setattr(schema, "REVISION", "0006")
        database = Database.open(empty_url, create=True)
        series_pks = [database.write(seeding.add_series) for _ in range(2)]
        first, *others = database.write(lambda conn: seeding.add_instances(conn, series_pks[0], 5))
        (last,) = database.write(lambda conn: seeding.add_instances(conn, series_pks[1]))
        add = text(
            "INSERT INTO jobs (kind, key, payload, state, due_at, force_at, created_at)"
            " VALUES ('route', :key, '{}', :state, 0, 0, 0)"
        )
        keys = [f"instance:{pk}" for pk in (first, *others, last)]
        rows = zip([*keys, "instance:9999", "series:1"], [*states, "ready", "ready"], strict=True)
        jobs_before = [{"key": key, "state": state} for key, state in rows]
        database.write(lambda conn: conn.execute(add, jobs_before))
        seen = text("INSERT INTO routed_instances (instance_pk, trigger) VALUES (:pk, :trigger)")
        marks = [{"pk": last, "trigger": trigger} for trigger in ("instance", "series")]
        database.write(lambda conn: conn.execute(seen, marks))
        database.close()
    Database.upgrade(empty_url)
    database = Database.open(empty_url)
    with database.read() as conn:
        assert routed.unrouted(conn, Trigger.INSTANCE, series_pks[0]) == [first, *others[:3]]
        assert {job.key for job in jobs.listing(conn)} == {f"arrivals:{series_pks[0]}", "series:1"}
        assert conn.execute(select(tables.routed_instances.c.trigger)).scalars().all() == ["series"]
    taken = database.write(lambda conn: jobs.claim(conn, [JobKind.ROUTE], lease_s=60, limit=9))
    assert {job.key: job.payload for job in taken} == {
        f"arrivals:{series_pks[0]}": {"series": series_pks[0]},
        "series:1": {},
    }
    database.close()
