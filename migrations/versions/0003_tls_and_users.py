"""Peers bound to a certificate or made to name a user, and the table of users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("peers", sa.Column("tls_name", sa.Text(), nullable=True))
    op.add_column("peers", sa.Column("tls_fingerprint", sa.String(length=64), nullable=True))
    op.add_column("peers", sa.Column("require_user", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("cost", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
