"""The conformance statement says what the tables say."""

from __future__ import annotations

from itertools import pairwise

from gateway.dicom.conformance import Product, Role, Service, Status, conformance_statement
from gateway.dicom.sop_classes import STORAGE_SOP_CLASSES, VERIFICATION
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
        Service("Verification", Role.SCP, (VERIFICATION,), "Answers."),
    ),
    settings={"dicom.port": ("11112", "the port | plain")},
)


def test_every_table_is_in_it() -> None:
    text = conformance_statement(PRODUCT)
    for uid in (*STORAGE_SOP_CLASSES, *ACCEPTED, VERIFICATION, IMPLEMENTATION_CLASS_UID):
        assert f"| {uid} |" in text, uid


def test_services_settings_and_status_codes_are_in_it() -> None:
    text = conformance_statement(PRODUCT)
    assert "#### 3.3.1 Storage (SCP)" in text
    assert "| A700 | Out of resources | The object is not kept. |" in text
    assert "| `dicom.port` | 11112 | the port \\| plain |" in text


def test_it_is_well_formed_markdown() -> None:
    lines = conformance_statement(PRODUCT).splitlines()
    assert next(line for line in lines if line.startswith("## ")) == "## 1 Conformance statement overview"
    for above, line in pairwise(lines):
        if line.startswith("|---"):
            assert line.count("|") == above.count("|")
