"""Noise that was measured apart from the scans that need it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "noise_measurements",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("scan_pk", _ID, nullable=True),
        sa.Column("measurement_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), server_default="", nullable=False),
        sa.Column("coil_names", sa.JSON(), nullable=False),
        sa.Column("noise", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_noise_measurements_measurement_id", "noise_measurements", ["measurement_id"])
    op.create_index("ix_noise_measurements_scan_pk", "noise_measurements", ["scan_pk"])
