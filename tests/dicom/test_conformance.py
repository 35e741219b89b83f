"""The conformance statement says what the tables say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from gateway.dicom.conformance import Product, Role, Service, Status, conformance_statement
from gateway.dicom.sop_classes import STORAGE_SOP_CLASSES, STUDY_ROOT_FIND
from gateway.dicom.transfer_syntaxes import ACCEPTED
from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID

PRODUCT = Product(
    name="Gateway",
    version="1.0",
    ae_title="GATEWAY",
    port=11112,
    max_pdu=131072,
    max_associations=50,
    services=(
        Service("Storage", Role.SCP, (), "Stores.", (Status(0xA700, "Out of resources", "The object is not kept."),)),
        Service("Query", Role.SCP, (STUDY_ROOT_FIND,), "Answers.", keys=(("PatientID", "wildcard"),)),
    ),
    settings={"dicom.port": ("11112", "the port | plain")},
)


def test_every_table_is_in_it() -> None:
    text = conformance_statement(PRODUCT)
    for uid in (*STORAGE_SOP_CLASSES, *ACCEPTED, STUDY_ROOT_FIND, IMPLEMENTATION_CLASS_UID):
        assert f"| {uid} |" in text, uid


def test_services_settings_and_status_codes_are_in_it() -> None:
    text = conformance_statement(PRODUCT)
    assert "#### 3.3.1 Storage (SCP)" in text
    assert "| A700 | Out of resources | The object is not kept. |" in text
    assert "| PatientID | wildcard |" in text
    assert "| `dicom.port` | 11112 | the port \\| plain |" in text
    assert "No secure transport is configured." in text


def test_private_storage_classes_are_mentioned_when_they_are_taken() -> None:
    sentence = "Storage SOP classes that 3.4 does not have"
    assert sentence in conformance_statement(PRODUCT)
    assert sentence not in conformance_statement(replace(PRODUCT, accepts_unknown_storage=False))


def test_it_is_well_formed_markdown() -> None:
    lines = conformance_statement(PRODUCT).splitlines()
    assert next(line for line in lines if line.startswith("## ")) == "## 1 Conformance statement overview"
    for above, line in pairwise(lines):
        if line.startswith("|---"):
            assert line.count("|") == above.count("|")
