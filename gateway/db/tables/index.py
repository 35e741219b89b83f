"""The index of instances: patients, studies, series, instances with their headers, and what rules have seen."""

from __future__ import annotations

from sqlalchemy import (
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

from gateway.db.tables.columns import BigId, folded, metadata, row_id, words

patients = Table(
    "patients",
    metadata,
    row_id(),
    words("patient_id"),
    words("issuer_of_patient_id"),
    words("patient_name"),
    words("patient_birth_date"),
    words("patient_sex"),
    folded("name_alphabetic"),
    folded("name_ideographic"),
    folded("name_phonetic"),
    words("name_sounds"),
    words("specific_character_set"),
    UniqueConstraint("patient_id", "issuer_of_patient_id"),
    Index(None, "name_alphabetic"),
    Index(None, "name_ideographic"),
    Index(None, "name_phonetic"),
    sqlite_autoincrement=True,
)

studies = Table(
    "studies",
    metadata,
    row_id(),
    Column("patient_pk", BigId, ForeignKey("patients.id"), nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    words("study_date"),
    words("study_time"),
    words("accession_number"),
    words("study_id"),
    words("study_description"),
    words("referring_physician_name"),
    words("specific_character_set"),
    words("timezone_offset_from_utc"),
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
    row_id(),
    Column("study_pk", BigId, ForeignKey("studies.id"), nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    words("modality"),
    Column("series_number", BigInteger),
    words("series_description"),
    words("series_date"),
    words("series_time"),
    words("body_part_examined"),
    words("protocol_name"),
    words("station_name"),
    words("institution_name"),
    words("specific_character_set"),
    words("timezone_offset_from_utc"),
    UniqueConstraint("series_instance_uid", "study_pk"),
    Index(None, "study_pk"),
    sqlite_autoincrement=True,
)

instances = Table(
    "instances",
    metadata,
    row_id(),
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
    words("content_date"),
    words("content_time"),
    Column("number_of_frames", BigInteger),
    Column("rows", Integer),
    Column("columns", Integer),
    Column("origin", String(16), nullable=False),
    words("calling_aet"),
    words("called_aet"),
    words("source_address"),
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

# Instances that the rules of series and of studies have seen: a late instance is routed alone, and no watermark over
# ids or times could promise that a commit still under way is not passed over.
routed_instances = Table(
    "routed_instances",
    metadata,
    Column("instance_pk", BigId, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("trigger", String(16), primary_key=True),
)

# Instances that the rules of instances have yet to see. They look many times while a series comes in, so that what is
# new must be found without going through what was there before.
arrivals = Table(
    "arrivals",
    metadata,
    Column("instance_pk", BigId, ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("series_pk", BigId, ForeignKey("series.id"), nullable=False),
    Index(None, "series_pk", "instance_pk"),
)
