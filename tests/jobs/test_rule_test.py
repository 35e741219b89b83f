"""What rules would say, of files and of what came."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.data import get_testdata_file

from gateway.db.engine import Database
from gateway.dicom.part10 import file_head
from gateway.ingest.door import Door
from gateway.jobs.rule_test import evaluate_file, evaluate_mrd_header, evaluate_since
from gateway.model.errors import GatewayError
from gateway.model.instance import Source
from gateway.model.routing import ReconstructAction, Rule, SendAction
from gateway.routing.conditions import parse
from tests.ingest.building import EXPLICIT, MR, encode, give

SEND = SendAction(1)


def rule(*when: str, action: SendAction | ReconstructAction = SEND, enabled: bool = True) -> Rule:
    return Rule(1, "r", 1, (tuple(map(parse, when)),), (action,), enabled=enabled)


def test_a_file_of_ours() -> None:
    head = file_head(MR, "1.2.3.1", EXPLICIT, calling_aet="SCANNER", called_aet="GATEWAY")
    data = head + encode("1.2.3.1")
    asked = rule("Modality = MR", "calling_aet = SCANNER", "origin = received", enabled=False)
    found = evaluate_file([asked], BytesIO(data))
    assert (found.sop_instance_uid, [verdict.matched for verdict in found.decision.verdicts]) == ("1.2.3.1", [True])
    assert found.decision.actions[0].action == SEND
    assert evaluate_file([asked], BytesIO(data), source=Source("OTHER")).decision.actions == ()


def test_a_file_of_another_maker() -> None:
    path = get_testdata_file("MR_small.dcm")
    assert isinstance(path, str)
    with open(path, "rb") as file:  # noqa: PTH123
        data = file.read()
    found = evaluate_file(
        [rule("Modality = MR", "Manufacturer like TOSHIBA*", "EchoTime > 1", "Rows = 64")], BytesIO(data)
    )
    assert [verdict.matched for verdict in found.decision.verdicts] == [True]


def test_what_is_no_dicom_file_is_said_so() -> None:
    with pytest.raises(GatewayError):
        evaluate_file([rule()], BytesIO(b"no DICOM file" * 20))


def test_what_came_since(database: Database, door: Door) -> None:
    for uid, modality in (("1.2.3.1", "MR"), ("1.2.3.2", "CT")):
        give(door, encode(uid, Modality=modality), uid)
    with database.read() as conn:
        found = list(evaluate_since([rule("Modality = CT")], conn, 0))
        latest = list(evaluate_since([rule("Modality = CT")], conn, 0, limit=1))
    assert [(each.sop_instance_uid, bool(each.decision.actions)) for each in found] == [
        ("1.2.3.1", False),
        ("1.2.3.2", True),
    ]
    assert [each.sop_instance_uid for each in latest] == ["1.2.3.2"]


def test_a_raw_scans_header() -> None:
    asked = rule("mrd.trajectory = radial", action=ReconstructAction("radial"))
    found = evaluate_mrd_header([asked], "<ismrmrdHeader/>")
    assert found.decision.held
