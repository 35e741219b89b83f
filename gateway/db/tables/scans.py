"""Raw scans, their reconstructions, and noise that was measured apart."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from gateway.db.tables.columns import BigId, metadata, row_id, words

raw_scans = Table(
    "raw_scans",
    metadata,
    row_id(),
    Column("state", String(16), nullable=False),
    Column("media_type", String(32), nullable=False),
    words("config"),
    Column("parameters", JSON, nullable=False),  # method parameters that the client sent
    words("identity"),
    words("source"),
    words("spool_name"),
    Column("received_at", BigInteger, nullable=False),
    Column("readouts", BigInteger, nullable=False, server_default="0"),
    Column("size", BigInteger, nullable=False, server_default="0"),
    words("digest"),
    words("store_key"),
    words("patient_id"),
    words("patient_name"),
    words("study_instance_uid"),
    words("accession_number"),
    words("protocol_name"),
    words("header_xml"),
    words("error"),
    Index(None, "identity"),
    Index(None, "received_at"),
    Index(None, "store_key"),
    sqlite_autoincrement=True,
)

recon_runs = Table(
    "recon_runs",
    metadata,
    row_id(),
    Column("scan_pk", BigId, ForeignKey("raw_scans.id"), nullable=False),
    Column("method", Text, nullable=False),
    words("method_version"),
    Column("parameters", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("run", Integer, nullable=False, server_default="1"),
    Column("images", Integer, nullable=False, server_default="0"),
    words("series_instance_uid"),
    Column("rule_id", BigId),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    words("error"),
    Index(None, "scan_pk"),
    Index(None, "series_instance_uid"),
)

# `scan_pk` outlives the scan: what was measured stays when its raw data is deleted.
noise_measurements = Table(
    "noise_measurements",
    metadata,
    row_id(),
    Column("scan_pk", BigId),
    Column("measurement_id", Text, nullable=False),
    words("system"),
    Column("coil_names", JSON, nullable=False),
    Column("noise", Text, nullable=False),
    Index(None, "measurement_id"),
    Index(None, "scan_pk"),
    sqlite_autoincrement=True,
)
