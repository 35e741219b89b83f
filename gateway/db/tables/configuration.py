"""What the administrator set in the database: peers, users, rules; and what the rules decided."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, false

from gateway.db.tables.columns import BigId, metadata, row_id

peers = Table(
    "peers",
    metadata,
    row_id(),
    Column("name", Text, nullable=False, unique=True),
    Column("ae_title", String(16), nullable=False),
    Column("host", Text),
    Column("port", Integer),
    Column("networks", JSON, nullable=False),
    Column("calling_aet", String(16)),
    Column("also_aets", JSON, nullable=False),
    Column("services", JSON, nullable=False),
    Column("max_associations", Integer, nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("tls_name", Text),
    Column("tls_fingerprint", String(64)),
    Column("require_user", Boolean, nullable=False, server_default=false()),
    Column("commitment", Boolean, nullable=False),
    Column("paused", Boolean, nullable=False),
    # A removed peer stays as a tombstone under another name: the ledger refers to it, and its id is never used again.
    Column("removed_at", BigInteger),
)

# Who may be named in an association request; the passcode as scrypt leaves it, or none.
users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("salt", LargeBinary),
    Column("digest", LargeBinary),
    Column("cost", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

rules = Table(
    "rules",
    metadata,
    row_id(),
    Column("name", Text, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("definition", JSON, nullable=False),  # groups and actions, as gateway.routing encodes them
)

# Every version that a rule ever had, so that the ledger's rule versions can be explained for ever.
rule_log = Table(
    "rule_log",
    metadata,
    row_id(),
    Column("rule_id", BigId, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("change", String(16), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index(None, "rule_id"),
)
