"""Work and its ledger: jobs, deliveries, storage commitment, findings, counters."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.db.tables.columns import BigId, metadata, row_id, words

jobs = Table(
    "jobs",
    metadata,
    row_id(),
    Column("kind", String(16), nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    # Raised by every request for the same work; a job settled at an older generation is ready again.
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", BigInteger, nullable=False),
    Column("force_at", BigInteger, nullable=False),  # requests cannot push due_at beyond this
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("lease_token", Text),
    Column("lease_until", BigInteger),
    words("error"),
    UniqueConstraint("kind", "key"),
    Index(None, "state", "kind", "due_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    row_id(),
    Column("peer_id", BigId, ForeignKey("peers.id"), nullable=False),
    # Empty once the instance has been deleted here: the ledger outlives it.
    Column("instance_pk", BigId, ForeignKey("instances.id", ondelete="SET NULL")),
    Column("digest", String(64), nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("rule_id", BigId),
    Column("rule_version", Integer),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("status", Integer),
    words("error"),
    Column("commitment", String(16), nullable=False, server_default=""),
    Column("ask_id", BigId),
    UniqueConstraint("peer_id", "sop_instance_uid", "digest"),
    Index(None, "peer_id", "state", "due_at"),
    Index(None, "instance_pk"),
    Index("ix_deliveries_commitment", "peer_id", "commitment", sqlite_where=text("commitment != ''")),
    Index("ix_deliveries_ask_id", "ask_id", sqlite_where=text("ask_id IS NOT NULL")),
)

# What others asked this node to vouch for. A list may name 30,000 objects: compressed by `gateway.db.commitments`.
commitments = Table(
    "commitments",
    metadata,
    row_id(),
    Column("transaction_uid", Text, nullable=False),
    Column("calling_aet", String(16), nullable=False),
    Column("called_aet", String(16), nullable=False),
    Column("address", Text, nullable=False),
    Column("peer_id", BigId),
    # Of the list: the same request again is the same row, another under the same Transaction UID is a duplicate.
    Column("fingerprint", String(64), nullable=False),
    Column("duplicate", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("objects", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("object_list", LargeBinary, nullable=False),
    Column("reasons", LargeBinary),
    Column("requested_at", BigInteger, nullable=False),
    Column("reported_at", BigInteger),
    UniqueConstraint("calling_aet", "transaction_uid", "fingerprint"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)

# What this node asked its destinations to vouch for; the objects are those deliveries that name the row.
commitment_asks = Table(
    "commitment_asks",
    metadata,
    row_id(),
    Column("peer_id", BigId, ForeignKey("peers.id"), nullable=False),
    Column("transaction_uid", Text, nullable=False, unique=True),
    Column("asked_at", BigInteger),  # empty until the destination has taken the request
    Column("created_at", BigInteger, nullable=False),
    Index(None, "peer_id"),
    sqlite_autoincrement=True,
)

# What an administrator should look at: shown by `gateway status` until resolved. One row a kind and subject.
findings = Table(
    "findings",
    metadata,
    row_id(),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    words("detail"),
    Column("count", BigInteger, nullable=False, server_default="1"),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject"),
)

# Running totals, such as the number of instances that no rule matched.
counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False, server_default="0"),
)
