"""The tables, as SQLAlchemy Core metadata. Migrations in `migrations/` must arrive at exactly this (a test compares).

A column `..._pk` refers to a row of the index; the model names the same `..._id`. A column `..._id` may outlive its row
(a removed peer or rule), or is an identifier of DICOM (Patient ID, Study ID).

Every time is a BIGINT: microseconds since 1970 UTC, from the database's own clock (`gateway.db.clock`). Booleans and
JSON are portable types. No table is keyed by anything that a peer chose, and an id of the index is never given twice
(on SQLite by AUTOINCREMENT): what remembers one finds the same row or none.
"""

from gateway.db.tables.columns import metadata
from gateway.db.tables.configuration import peers, rule_log, rules, users
from gateway.db.tables.index import arrivals, instance_headers, instances, patients, routed_instances, series, studies
from gateway.db.tables.scans import noise_measurements, raw_scans, recon_runs
from gateway.db.tables.work import commitment_asks, commitments, counters, deliveries, findings, jobs

__all__ = [
    "arrivals",
    "commitment_asks",
    "commitments",
    "counters",
    "deliveries",
    "findings",
    "instance_headers",
    "instances",
    "jobs",
    "metadata",
    "noise_measurements",
    "patients",
    "peers",
    "raw_scans",
    "recon_runs",
    "routed_instances",
    "rule_log",
    "rules",
    "series",
    "studies",
    "users",
]
