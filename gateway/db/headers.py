"""The headers of instances, kept compressed beside the index: what rules and queries ask for beyond the columns."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.db.tables import instance_headers, instances
from gateway.model.errors import NotFoundError

_LEVEL = 1  # headers are a few kilobytes of UIDs: level 9 saves 3 % more and costs three times as much
_MOST_IDS = 500  # bind parameters of one statement


@dataclass(frozen=True, slots=True)
class StoredHeader:
    """An encoded data set up to the pixels, in its transfer syntax, over-long values left out."""

    instance_id: int
    transfer_syntax_uid: str
    header: bytes


def pack(header: bytes) -> bytes:
    """A header as the table keeps it."""
    return zlib.compress(header, _LEVEL)


def unpack(packed: bytes) -> bytes:
    """The header that `pack` was given."""
    return zlib.decompress(packed)


def get(conn: Connection, instance_id: int) -> StoredHeader:
    """The header of one instance; NotFoundError."""
    for header in of(conn, [instance_id]):
        return header
    raise NotFoundError(f"no instance {instance_id}")


def of(conn: Connection, instance_ids: Sequence[int]) -> Iterator[StoredHeader]:
    """The headers of these instances, in order of id, read as they are asked for."""
    ids = sorted(instance_ids)
    for start in range(0, len(ids), _MOST_IDS):
        statement = (
            select(instances.c.id, instances.c.header_transfer_syntax_uid, instance_headers.c.header)
            .join(instance_headers, instance_headers.c.instance_pk == instances.c.id)
            .where(instances.c.id.in_(ids[start : start + _MOST_IDS]))
            .order_by(instances.c.id)
        )
        for row in conn.execute(statement):
            yield StoredHeader(row.id, row.header_transfer_syntax_uid, unpack(row.header))
