"""Instances that instance rules have yet to see, a row each, in place of a routing job each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("instance_pk", _ID, autoincrement=False, nullable=False),
        sa.Column("series_pk", _ID, nullable=False),
        sa.ForeignKeyConstraint(["instance_pk"], ["instances.id"], name="fk_arrivals_instance_pk", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["series_pk"], ["series.id"], name="fk_arrivals_series_pk"),
        sa.PrimaryKeyConstraint("instance_pk", name="pk_arrivals"),
    )
    op.create_index("ix_arrivals_series_pk_instance_pk", "arrivals", ["series_pk", "instance_pk"])
    _take_over_jobs()
    op.execute("DELETE FROM jobs WHERE kind = 'route' AND key LIKE 'instance:%'")
    op.execute("DELETE FROM routed_instances WHERE trigger = 'instance'")
    # What such a job held is found again by the job of its series.
    op.execute("DELETE FROM findings WHERE kind = 'rule-held' AND subject LIKE 'instance %'")
    op.execute("DELETE FROM findings WHERE kind = 'job-error' AND subject LIKE 'route instance:%'")


def _take_over_jobs() -> None:
    """What jobs of single instances were still to look at waits for one job a series, which is due."""
    op.execute(
        "INSERT INTO arrivals (instance_pk, series_pk) SELECT id, series_pk FROM instances WHERE id IN"
        " (SELECT CAST(substr(key, 10) AS BIGINT) FROM jobs"
        " WHERE kind = 'route' AND key LIKE 'instance:%' AND state NOT IN ('done', 'cancelled'))"
    )
    connection = op.get_bind()
    waiting = connection.execute(
        sa.text(
            "SELECT arrivals.series_pk, min(received_at) FROM arrivals JOIN instances ON id = instance_pk GROUP BY 1"
        )
    )
    jobs = sa.table("jobs", *map(sa.column, ("kind", "key", "state", "due_at", "force_at", "created_at")))
    jobs.append_column(sa.column("payload", sa.JSON()))
    rows = [
        {
            "kind": "route",
            "key": f"arrivals:{series_pk}",
            "payload": {"series": series_pk},
            "state": "ready",
            "due_at": 0,
            "force_at": 0,
            "created_at": received_at,
        }
        for series_pk, received_at in waiting
    ]
    if rows:
        op.bulk_insert(jobs, rows)
