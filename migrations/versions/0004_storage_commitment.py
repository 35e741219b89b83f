"""Storage commitment: what others ask of this node, and what it asks of its destinations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _asked_of_us()
    _asked_by_us()


def _asked_of_us() -> None:
    op.create_table(
        "commitments",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("calling_aet", sa.String(length=16), nullable=False),
        sa.Column("called_aet", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("peer_id", BIG_ID, nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("duplicate", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("object_list", sa.LargeBinary(), nullable=False),
        sa.Column("reasons", sa.LargeBinary(), nullable=True),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_commitments"),
        sa.UniqueConstraint(
            "calling_aet",
            "transaction_uid",
            "fingerprint",
            name="uq_commitments_calling_aet_transaction_uid_fingerprint",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commitments_state", "commitments", ["state"])


def _asked_by_us() -> None:
    op.create_table(
        "commitment_asks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("peer_id", BIG_ID, nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peers.id"], name="fk_commitment_asks_peer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_commitment_asks"),
        sa.UniqueConstraint("transaction_uid", name="uq_commitment_asks_transaction_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commitment_asks_peer_id", "commitment_asks", ["peer_id"])
    op.add_column("deliveries", sa.Column("commitment", sa.String(length=16), server_default="", nullable=False))
    op.add_column("deliveries", sa.Column("ask_id", BIG_ID, nullable=True))
    op.create_index(
        "ix_deliveries_commitment", "deliveries", ["peer_id", "commitment"], sqlite_where=sa.text("commitment != ''")
    )
    op.create_index("ix_deliveries_ask_id", "deliveries", ["ask_id"], sqlite_where=sa.text("ask_id IS NOT NULL"))
