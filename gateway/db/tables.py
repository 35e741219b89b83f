"""The tables, as SQLAlchemy Core metadata. Migrations in `migrations/` must arrive at exactly this (a test compares).

A column `..._pk` refers to a row of the index; the model names the same `..._id`. A column `..._id` may outlive its row
(a removed peer or rule), or is an identifier of DICOM (Patient ID, Study ID).

Every time is a BIGINT: microseconds since 1970 UTC, from the database's own clock (`gateway.db.clock`). Booleans and
JSON are portable types. No table is keyed by anything that a peer chose, and an id of the index is never given twice
(on SQLite by AUTOINCREMENT): what remembers one finds the same row or none.
"""

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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

# SQLite only numbers rows by itself in a column declared INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")

# In order of code points on both databases, so that an index finds what begins with a text.
CodePoints = Text().with_variant(Text(collation="C"), "postgresql")


def _id() -> Column[int]:
    return Column("id", BigId, primary_key=True, autoincrement=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _folded(name: str) -> Column[str]:
    """A component group of a person name as `gateway.model.person_name` folds it."""
    return Column(name, CodePoints, nullable=False, server_default="")


patients = Table(
    "patients",
    metadata,
    _id(),
    _text("patient_id"),
    _text("issuer_of_patient_id"),
    _text("patient_name"),
    _text("patient_birth_date"),
    _text("patient_sex"),
    _folded("name_alphabetic"),
    _folded("name_ideographic"),
    _folded("name_phonetic"),
    _text("name_sounds"),
    _text("specific_character_set"),
    UniqueConstraint("patient_id", "issuer_of_patient_id"),
    Index(None, "name_alphabetic"),
    Index(None, "name_ideographic"),
    Index(None, "name_phonetic"),
    sqlite_autoincrement=True,
)

studies = Table(
    "studies",
    metadata,
    _id(),
    Column("patient_pk", BigId, ForeignKey("patients.id"), nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    _text("study_date"),
    _text("study_time"),
    _text("accession_number"),
    _text("study_id"),
    _text("study_description"),
    _text("referring_physician_name"),
    _text("specific_character_set"),
    _text("timezone_offset_from_utc"),
    # One study under two patients is kept apart, never merged silently, and flagged in `findings`.
    UniqueConstraint("study_instance_uid", "patient_pk"),
    Index(None, "patient_pk"),
    Index(None, "study_date"),
    Index(None, "accession_number"),
    sqlite_autoincrement=True,
)

series = Table(
    "series",
    metadata,
    _id(),
    Column("study_pk", BigId, ForeignKey("studies.id"), nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    _text("modality"),
    Column("series_number", BigInteger),
    _text("series_description"),
    _text("series_date"),
    _text("series_time"),
    _text("body_part_examined"),
    _text("protocol_name"),
    _text("station_name"),
    _text("institution_name"),
    _text("specific_character_set"),
    _text("timezone_offset_from_utc"),
    UniqueConstraint("series_instance_uid", "study_pk"),
    Index(None, "study_pk"),
    sqlite_autoincrement=True,
)

instances = Table(
    "instances",
    metadata,
    _id(),
    Column("series_pk", BigId, ForeignKey("series.id"), nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("header_transfer_syntax_uid", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("store_key", Text, nullable=False),
    Column("payload_offset", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("instance_number", BigInteger),
    _text("content_date"),
    _text("content_time"),
    Column("number_of_frames", BigInteger),
    Column("rows", Integer),
    Column("columns", Integer),
    Column("origin", String(16), nullable=False),
    _text("calling_aet"),
    _text("called_aet"),
    _text("source_address"),
    Column("source_peer_id", BigId),
    Column("scan_pk", BigId, ForeignKey("raw_scans.id")),
    Column("received_at", BigInteger, nullable=False),
    # Of several versions under one SOP Instance UID the newest is served and routed.
    Column("current", Boolean, nullable=False),
    UniqueConstraint("sop_instance_uid", "digest"),
    Index(None, "series_pk", "current"),
    Index(None, "store_key"),
    Index(None, "received_at"),
    Index("ix_instances_scan_pk", "scan_pk", sqlite_where=text("scan_pk IS NOT NULL")),
    sqlite_autoincrement=True,
)

# Apart from `instances`, so that going through a million rows does not read a million headers.
instance_headers = Table(
    "instance_headers",
    metadata,
    Column("instance_pk", BigId, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("header", LargeBinary, nullable=False),  # zlib
)

# Instances that the rules of a trigger have seen: a late instance is routed alone, and no watermark over ids or times
# could promise that a commit still under way is not passed over.
routed_instances = Table(
    "routed_instances",
    metadata,
    Column("instance_pk", BigId, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("trigger", String(16), primary_key=True),
)

raw_scans = Table(
    "raw_scans",
    metadata,
    _id(),
    Column("state", String(16), nullable=False),
    Column("media_type", String(32), nullable=False),
    _text("config"),
    Column("parameters", JSON, nullable=False),  # method parameters that the client sent
    _text("identity"),
    _text("source"),
    _text("spool_name"),
    Column("received_at", BigInteger, nullable=False),
    Column("readouts", BigInteger, nullable=False, server_default="0"),
    Column("size", BigInteger, nullable=False, server_default="0"),
    _text("digest"),
    _text("store_key"),
    _text("patient_id"),
    _text("patient_name"),
    _text("study_instance_uid"),
    _text("accession_number"),
    _text("protocol_name"),
    _text("header_xml"),
    _text("error"),
    Index(None, "identity"),
    Index(None, "received_at"),
    Index(None, "store_key"),
    sqlite_autoincrement=True,
)

recon_runs = Table(
    "recon_runs",
    metadata,
    _id(),
    Column("scan_pk", BigId, ForeignKey("raw_scans.id"), nullable=False),
    Column("method", Text, nullable=False),
    _text("method_version"),
    Column("parameters", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("run", Integer, nullable=False, server_default="1"),
    Column("images", Integer, nullable=False, server_default="0"),
    _text("series_instance_uid"),
    Column("rule_id", BigId),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    _text("error"),
    Index(None, "scan_pk"),
    Index(None, "series_instance_uid"),
)

# `scan_pk` outlives the scan: what was measured stays when its raw data is deleted.
noise_measurements = Table(
    "noise_measurements",
    metadata,
    _id(),
    Column("scan_pk", BigId),
    Column("measurement_id", Text, nullable=False),
    _text("system"),
    Column("coil_names", JSON, nullable=False),
    Column("noise", Text, nullable=False),
    Index(None, "measurement_id"),
    Index(None, "scan_pk"),
    sqlite_autoincrement=True,
)

peers = Table(
    "peers",
    metadata,
    _id(),
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
    _id(),
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
    _id(),
    Column("rule_id", BigId, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("change", String(16), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index(None, "rule_id"),
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
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
    _text("error"),
    UniqueConstraint("kind", "key"),
    Index(None, "state", "kind", "due_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
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
    _text("error"),
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
    _id(),
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
    _id(),
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
    _id(),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    _text("detail"),
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
