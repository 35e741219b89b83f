"""The index that finds the instances of a series says too which are current, so that queries count them in it alone."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("ix_instances_series_pk", "instances")
    op.create_index("ix_instances_series_pk_current", "instances", ["series_pk", "current"])
