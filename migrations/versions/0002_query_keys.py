"""What queries look into: folded names, and the character set and time zone of each level.

Existing rows are filled: names from the names that they have, character set and time zone from the kept header of an
instance of each series.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from gateway.dicom.values import Header
from gateway.model.errors import GatewayError
from gateway.model.person_name import groups, sounds

revision = "0002"
down_revision = "0001"

_CODE_POINTS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NAMES = ("name_alphabetic", "name_ideographic", "name_phonetic")
_HEADERS = """
    SELECT series.id AS series_pk, studies.id AS study_pk, studies.patient_pk, header, header_transfer_syntax_uid
    FROM series
    JOIN studies ON studies.id = series.study_pk
    JOIN (SELECT series_pk, min(id) AS id FROM instances GROUP BY series_pk) AS first ON first.series_pk = series.id
    JOIN instances ON instances.id = first.id
    JOIN instance_headers ON instance_headers.instance_pk = first.id
    ORDER BY series.id
"""


def upgrade() -> None:
    for name in _NAMES:
        op.add_column("patients", sa.Column(name, _CODE_POINTS, server_default="", nullable=False))
    op.add_column("patients", sa.Column("name_sounds", sa.Text(), server_default="", nullable=False))
    for table in ("patients", "studies", "series"):
        op.add_column(table, sa.Column("specific_character_set", sa.Text(), server_default="", nullable=False))
    for table in ("studies", "series"):
        op.add_column(table, sa.Column("timezone_offset_from_utc", sa.Text(), server_default="", nullable=False))
    _fill_names()
    _fill_from_headers()
    for name in _NAMES:
        op.create_index(f"ix_patients_{name}", "patients", [name])


def _fill_names() -> None:
    conn = op.get_bind()
    named = sa.text(
        "UPDATE patients SET name_alphabetic = :one, name_ideographic = :two, name_phonetic = :three,"
        " name_sounds = :sounds WHERE id = :id"
    )
    for pk, name in conn.execute(sa.text("SELECT id, patient_name FROM patients WHERE patient_name <> ''")).all():
        one, two, three = groups(name)
        conn.execute(named, {"id": pk, "one": one, "two": two, "three": three, "sounds": sounds(name)})


def _fill_from_headers() -> None:
    """The first that a study or patient has, in the order of its series."""
    conn = op.get_bind()
    for pks, values in _said_by_headers(conn):
        for table, pk in pks.items():
            for column, value in values.items():
                if value and not (table == "patients" and column == "timezone_offset_from_utc"):
                    statement = f"UPDATE {table} SET {column} = :value WHERE id = :pk AND {column} = ''"  # noqa: S608
                    conn.execute(sa.text(statement), {"value": value, "pk": pk})


def _said_by_headers(conn: sa.Connection) -> Iterator[tuple[dict[str, int], dict[str, str]]]:
    for row in conn.execute(sa.text(_HEADERS)).all():
        try:
            header = Header(zlib.decompress(row.header), row.header_transfer_syntax_uid)
            character_set = header.values("SpecificCharacterSet") or ()
            offset = header.values("TimezoneOffsetFromUTC") or ()
        except GatewayError:
            continue  # what cannot be read has neither
        values = {"specific_character_set": "\\".join(character_set), "timezone_offset_from_utc": "".join(offset)}
        yield {"series": row.series_pk, "studies": row.study_pk, "patients": row.patient_pk}, values
