"""An index of any size, written straight into its tables: no objects behind it, for queries that read none."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from gateway.db import headers
from gateway.db.levels import NAME_COLUMNS
from gateway.db.tables import instance_headers, instances, patients, series, studies
from gateway.dicom.encoding import EXPLICIT
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.model.person_name import groups, sounds

MR = "1.2.840.10008.5.1.4.1.1.4"
ROOT = "1.2.826.0.1.3680043.10.1234"
AT_ONCE = 500  # studies


@dataclass(frozen=True)
class Shape:
    """How many of everything; every study has a patient of its own, `BENCH^P<number>`."""

    studies: int
    series: int
    images: int

    @property
    def instances(self) -> int:
        return self.studies * self.series * self.images


def fill(path: Path, shape: Shape) -> None:
    """Write the whole index into a database that has its schema and is nobody's just now.

    By SQLite's driver, with a cache that holds the whole of it and no safety against a power cut: the rows and the
    trees of the indices come out as if they had been recorded one by one, in a fifth of the time.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        for pragma in ("cache_size = -2000000", "synchronous = OFF", "journal_mode = MEMORY", "foreign_keys = OFF"):
            conn.execute(f"PRAGMA {pragma}")
        conn.execute("BEGIN")
        numbers = iter(range(shape.studies))
        while chunk := list(islice(numbers, AT_ONCE)):
            _write(conn, chunk, shape)
        conn.execute("COMMIT")
        conn.execute("PRAGMA journal_mode = WAL")


def study_date(number: int) -> str:
    """Ten thousand studies in 2026, what is beyond them in 2027."""
    year, day = 2026 + number // 10_000, number % 336
    return f"{year}{day // 28 + 1:02}{day % 28 + 1:02}"


def _write(conn: sqlite3.Connection, numbers: Sequence[int], shape: Shape) -> None:
    images = [row for number in numbers for row in _instances(number, shape)]
    _insert(conn, patients, list(map(_patient, numbers)))
    _insert(conn, studies, list(map(_study, numbers)))
    _insert(conn, series, [_series(number, place, shape) for number in numbers for place in range(shape.series)])
    _insert(conn, instances, images)
    _insert(conn, instance_headers, [_header(row) for row in images])


def _insert(conn: sqlite3.Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    conn.executemany(statement, [tuple(row.values()) for row in rows])


def _patient(number: int) -> dict[str, Any]:
    name = f"BENCH^P{number}"
    derived = dict(zip(NAME_COLUMNS, (*groups(name), sounds(name)), strict=True))
    return {
        "id": number + 1,
        "patient_id": f"PID{number}",
        "patient_name": name,
        "patient_birth_date": f"{1930 + number % 80}0101",
        "patient_sex": "MF"[number % 2],
        **derived,
    }


def _study(number: int) -> dict[str, Any]:
    return {
        "id": number + 1,
        "patient_pk": number + 1,
        "study_instance_uid": f"{ROOT}.{number}",
        "study_date": study_date(number),
        "study_time": f"{number % 24:02}{number % 60:02}00",
        "accession_number": f"A{number}",
        "study_id": str(number),
        "study_description": "Benchmark",
        "referring_physician_name": "REFERRER^ANNE",
    }


def _series(number: int, place: int, shape: Shape) -> dict[str, Any]:
    return {
        "id": number * shape.series + place + 1,
        "study_pk": number + 1,
        "series_instance_uid": f"{ROOT}.{number}.{place}",
        "modality": "MR",
        "series_number": place + 1,
        "series_description": "T1w",
        "series_date": study_date(number),
        "body_part_examined": "BRAIN",
    }


def _instances(number: int, shape: Shape) -> Iterator[dict[str, Any]]:
    for place in range(shape.series):
        for image in range(shape.images):
            yield _instance(number, place, image, shape)


def _instance(number: int, place: int, image: int, shape: Shape) -> dict[str, Any]:
    pk = (number * shape.series + place) * shape.images + image + 1
    uid = f"{ROOT}.{number}.{place}.{image}"
    digest = hashlib.sha256(uid.encode()).hexdigest()
    return {
        "id": pk,
        "series_pk": number * shape.series + place + 1,
        "sop_instance_uid": uid,
        "sop_class_uid": MR,
        "transfer_syntax_uid": EXPLICIT_LITTLE,
        "header_transfer_syntax_uid": EXPLICIT_LITTLE,
        "digest": digest,
        "store_key": f"{digest[:2]}/{digest}-{pk:016x}",
        "payload_offset": 400,
        "size": 132_000,
        "instance_number": image + 1,
        "rows": 256,
        "columns": 256,
        "origin": "received",
        "calling_aet": "SCANNER",
        "called_aet": "GATEWAY",
        "source_address": "192.0.2.1",
        "received_at": 1_770_000_000_000_000 + pk,
        "current": True,
    }


def _header(row: dict[str, Any]) -> dict[str, Any]:
    """A header of the usual size, some sixty elements, each with a UID of its own."""
    uid = row["sop_instance_uid"].ljust(64, "\0").encode()
    return {"instance_pk": row["id"], "header": headers.pack(EXPLICIT.head(0x00080018, b"UI", 64) + uid + _REST)}


def _elements() -> bytes:
    encoded = b""
    for place in range(56):
        content = f"VALUE {place:02} OF A SEQUENCE OF PARAMETERS".encode()
        encoded += EXPLICIT.head(0x00180020 + 2 * place, b"LO", len(content)) + content
    return encoded


_REST = _elements()
