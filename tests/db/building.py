"""Instances to record in tests, as the door would hand them over."""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.model.instance import InstanceHeader, NewInstance, Origin, Source, StoredObject

MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def header(uid: str = "1.2.3.1", **values: Any) -> InstanceHeader:
    """A header with the UIDs of one study and series unless they are given."""
    defaults: dict[str, Any] = {
        "sop_class_uid": MR,
        "sop_instance_uid": uid,
        "study_instance_uid": "1.2.3",
        "series_instance_uid": "1.2.3.4",
        "header": b"header of " + uid.encode(),
        "header_transfer_syntax_uid": EXPLICIT,
        "patient_id": "P1",
        "patient_name": "Roe^Jane",
        "patient_birth_date": "19700101",
        "study_date": "20260115",
        "modality": "MR",
    }
    return InstanceHeader(**(defaults | values))


def new_instance(uid: str = "1.2.3.1", *, content: str = "", **values: Any) -> NewInstance:
    """An instance whose digest follows from `uid` and `content`, the same bytes in a file of their own for each `copy`.

    Other keywords are the header's.
    """
    digest = hashlib.sha256(f"{uid} {content}".encode()).hexdigest()
    copy, route = values.pop("copy", 0), values.pop("route", True)
    origin = values.pop("origin", Origin.RECEIVED)
    return NewInstance(
        header=header(uid, **values),
        stored=StoredObject(f"{digest[:2]}/{digest}-{copy:016x}", digest, 1000, 300),
        transfer_syntax_uid=EXPLICIT,
        source=Source("SCANNER", "GATEWAY", "192.0.2.1", 7),
        origin=origin,
        route=route,
    )
