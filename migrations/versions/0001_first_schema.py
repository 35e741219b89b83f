"""The first schema: index, raw scans, peers, rules, jobs, deliveries, findings and counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _peers_and_rules()
    _raw_scans()
    _levels()
    _instances()
    _work()
    _observations()


def _peers_and_rules() -> None:
    op.create_table(
        "peers",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("calling_aet", sa.String(length=16), nullable=True),
        sa.Column("also_aets", sa.JSON(), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("max_associations", sa.Integer(), nullable=False),
        sa.Column("tls", sa.Boolean(), nullable=False),
        sa.Column("commitment", sa.Boolean(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_peers"),
        sa.UniqueConstraint("name", name="uq_peers_name"),
    )
    op.create_table(
        "rules",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
        sa.UniqueConstraint("name", name="uq_rules_name"),
    )
    op.create_table(
        "rule_log",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("rule_id", BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("change", sa.String(length=16), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rule_log"),
    )
    op.create_index("ix_rule_log_rule_id", "rule_log", ["rule_id"])


def _raw_scans() -> None:
    op.create_table(
        "raw_scans",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("config", sa.Text(), server_default="", nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("identity", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("spool_name", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("readouts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("store_key", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("protocol_name", sa.Text(), server_default="", nullable=False),
        sa.Column("header_xml", sa.Text(), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_raw_scans"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_raw_scans_identity", "raw_scans", ["identity"])
    op.create_index("ix_raw_scans_received_at", "raw_scans", ["received_at"])
    op.create_index("ix_raw_scans_store_key", "raw_scans", ["store_key"])
    op.create_table(
        "recon_runs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("scan_pk", BIG_ID, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("method_version", sa.Text(), server_default="", nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("run", sa.Integer(), server_default="1", nullable=False),
        sa.Column("images", sa.Integer(), server_default="0", nullable=False),
        sa.Column("series_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("rule_id", BIG_ID, nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["scan_pk"], ["raw_scans.id"], name="fk_recon_runs_scan_pk"),
        sa.PrimaryKeyConstraint("id", name="pk_recon_runs"),
    )
    op.create_index("ix_recon_runs_scan_pk", "recon_runs", ["scan_pk"])
    op.create_index("ix_recon_runs_series_instance_uid", "recon_runs", ["series_instance_uid"])


def _levels() -> None:
    op.create_table(
        "patients",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_name", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_birth_date", sa.Text(), server_default="", nullable=False),
        sa.Column("patient_sex", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("patient_id", "issuer_of_patient_id", name="uq_patients_patient_id_issuer_of_patient_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "studies",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("patient_pk", BIG_ID, nullable=False),
        sa.Column("study_instance_uid", sa.Text(), nullable=False),
        sa.Column("study_date", sa.Text(), server_default="", nullable=False),
        sa.Column("study_time", sa.Text(), server_default="", nullable=False),
        sa.Column("accession_number", sa.Text(), server_default="", nullable=False),
        sa.Column("study_id", sa.Text(), server_default="", nullable=False),
        sa.Column("study_description", sa.Text(), server_default="", nullable=False),
        sa.Column("referring_physician_name", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["patient_pk"], ["patients.id"], name="fk_studies_patient_pk"),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("study_instance_uid", "patient_pk", name="uq_studies_study_instance_uid_patient_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studies_accession_number", "studies", ["accession_number"])
    op.create_index("ix_studies_patient_pk", "studies", ["patient_pk"])
    op.create_index("ix_studies_study_date", "studies", ["study_date"])
    op.create_table(
        "series",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("study_pk", BIG_ID, nullable=False),
        sa.Column("series_instance_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), server_default="", nullable=False),
        sa.Column("series_number", sa.BigInteger(), nullable=True),
        sa.Column("series_description", sa.Text(), server_default="", nullable=False),
        sa.Column("series_date", sa.Text(), server_default="", nullable=False),
        sa.Column("series_time", sa.Text(), server_default="", nullable=False),
        sa.Column("body_part_examined", sa.Text(), server_default="", nullable=False),
        sa.Column("protocol_name", sa.Text(), server_default="", nullable=False),
        sa.Column("station_name", sa.Text(), server_default="", nullable=False),
        sa.Column("institution_name", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["study_pk"], ["studies.id"], name="fk_series_study_pk"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("series_instance_uid", "study_pk", name="uq_series_series_instance_uid_study_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_series_study_pk", "series", ["study_pk"])


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("series_pk", BIG_ID, nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("header_transfer_syntax_uid", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("store_key", sa.Text(), nullable=False),
        sa.Column("payload_offset", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("instance_number", sa.BigInteger(), nullable=True),
        sa.Column("content_date", sa.Text(), server_default="", nullable=False),
        sa.Column("content_time", sa.Text(), server_default="", nullable=False),
        sa.Column("number_of_frames", sa.BigInteger(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("calling_aet", sa.Text(), server_default="", nullable=False),
        sa.Column("called_aet", sa.Text(), server_default="", nullable=False),
        sa.Column("source_address", sa.Text(), server_default="", nullable=False),
        sa.Column("source_peer_id", BIG_ID, nullable=True),
        sa.Column("scan_pk", BIG_ID, nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["scan_pk"], ["raw_scans.id"], name="fk_instances_scan_pk"),
        sa.ForeignKeyConstraint(["series_pk"], ["series.id"], name="fk_instances_series_pk"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.UniqueConstraint("sop_instance_uid", "digest", name="uq_instances_sop_instance_uid_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_instances_received_at", "instances", ["received_at"])
    op.create_index("ix_instances_scan_pk", "instances", ["scan_pk"], sqlite_where=sa.text("scan_pk IS NOT NULL"))
    op.create_index("ix_instances_series_pk", "instances", ["series_pk"])
    op.create_index("ix_instances_store_key", "instances", ["store_key"])
    op.create_table(
        "instance_headers",
        sa.Column("instance_pk", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_pk"], ["instances.id"], name="fk_instance_headers_instance_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_pk", name="pk_instance_headers"),
    )
    op.create_table(
        "routed_instances",
        sa.Column("instance_pk", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("trigger", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_pk"], ["instances.id"], name="fk_routed_instances_instance_pk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("instance_pk", "trigger", name="pk_routed_instances"),
    )


def _work() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("force_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("kind", "key", name="uq_jobs_kind_key"),
    )
    op.create_index("ix_jobs_state_kind_due_at", "jobs", ["state", "kind", "due_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("peer_id", BIG_ID, nullable=False),
        sa.Column("instance_pk", BIG_ID, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("rule_id", BIG_ID, nullable=True),
        sa.Column("rule_version", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_pk"], ["instances.id"], name="fk_deliveries_instance_pk", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["peer_id"], ["peers.id"], name="fk_deliveries_peer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "peer_id", "sop_instance_uid", "digest", name="uq_deliveries_peer_id_sop_instance_uid_digest"
        ),
    )
    op.create_index("ix_deliveries_instance_pk", "deliveries", ["instance_pk"])
    op.create_index("ix_deliveries_peer_id_state_due_at", "deliveries", ["peer_id", "state", "due_at"])


def _observations() -> None:
    op.create_table(
        "findings",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("count", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
        sa.UniqueConstraint("kind", "subject", name="uq_findings_kind_subject"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
