"""The DICOM conformance statement of this installation: what the tables say, with this node's names and settings."""

from __future__ import annotations

from pathlib import Path

from gateway import __version__
from gateway.admin.query_statement import query_services
from gateway.admin.retrieve_statement import retrieve_services
from gateway.admin.settings_text import rows
from gateway.config import load
from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.dicom.conformance import Product, Role, Service, Status, conformance_statement
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model.commitment import MOST_REFERENCES

_STORE_SCP = (
    Status(0x0000, "Success", "the object is on disk and in the index"),
    Status(0x0111, "Duplicate SOP instance", "other bytes under this UID, and dicom.on_conflict is refuse"),
    Status(0x0117, "Invalid object instance", "the SOP Instance UID is no UID"),
    Status(0x0122, "SOP class not supported", "not the SOP class of the presentation context"),
    Status(0xA700, "Out of resources", "no space, or store or index cannot be written; the sender tries again"),
    Status(0xA900, "Data set does not match SOP class", "the data set's SOP UIDs are not the command's"),
    Status(0xB007, "Data set does not match SOP class", "warning: kept as it came, but it ends within an element"),
    Status(0xC000, "Cannot understand", "the data set cannot be parsed, or is beyond a limit"),
)
_STORE_SCU = (
    Status(0x0000, "Success", "sent"),
    Status(0xB000, "Warning (B000, B006, B007)", "sent; the status is in the ledger"),
    Status(0xA700, "Out of resources (A7xx)", "tried again, without end, at intervals of up to 10 minutes"),
    Status(0xA900, "Error (A8xx, A9xx, Cxxx, 0122)", "failed after 3 attempts, for the administrator to see"),
)
_COMMITMENT_SCP = (
    Status(0x0000, "Success", "the request is in the index; the report follows"),
    Status(0x0110, "Processing failure", "the index cannot be written; the requester asks again"),
    Status(0x0112, "No such SOP instance", "not the well-known instance 1.2.840.10008.1.20.1.1"),
    Status(0x0115, "Invalid argument value", "no Transaction UID, no references, or no UIDs in them"),
    Status(0x0118, "No such SOP class", "not the Storage Commitment Push Model"),
    Status(0x0123, "No such action", "Action Type ID is not 1"),
    Status(0x0213, "Resource limitation", f"more than {MOST_REFERENCES} references, or too many open requests"),
)
_COMMITMENT_TEXT = (
    "N-ACTION is answered when the request is durable. Each object is then read from the disk to its end; it is"
    " vouched for when its digest is the one that it was received with. The N-EVENT-REPORT goes out on the same"
    " association while that is open, and else on a new one to the requester's address in the peers table, proposing"
    " the SCP role; it is tried again until it is taken. Failure reasons: 0110 processing failure, 0112 no such object"
    " instance, 0119 class/instance conflict, 0122 referenced SOP class not supported, 0131 duplicate transaction UID."
)
_COMMITMENT_SCU_TEXT = (
    "For peers with `--commitment`: N-ACTION is sent for what was stored there. The N-EVENT-REPORT is taken on the same"
    " association and on associations that the peer opens, in the SCP role. What is not committed is sent again."
)


def text(home: Path) -> str:
    """The statement as Markdown; with the settings of `home`, or the defaults where there is none."""
    settings = load(home)
    product = Product(
        name="DICOM/MRD gateway",
        version=__version__,
        ae_title=settings.dicom.ae_title,
        port=settings.dicom.port,
        tls_port=settings.dicom.tls_port if settings.dicom.tls_cert else None,
        max_pdu=settings.dicom.max_pdu,
        max_associations=settings.dicom.max_associations,
        services=_services(),
        settings={row.key: (row.default, row.meaning) for row in rows() if row.key.startswith(("dicom.", "store."))},
    )
    return conformance_statement(product)


def _services() -> tuple[Service, ...]:
    return (
        Service("Verification", Role.SCP, (VERIFICATION,), "C-ECHO is answered with Success."),
        Service("Verification", Role.SCU, (VERIFICATION,), "C-ECHO is sent by `gateway peers echo`."),
        Service("Storage", Role.SCP, (), "C-STORE is answered when the object is durable.", _STORE_SCP),
        Service("Storage", Role.SCU, (), "C-STORE is sent by rules and by `gateway send`.", _STORE_SCU),
        *query_services(),
        *retrieve_services(),
        Service("Storage commitment", Role.SCP, (STORAGE_COMMITMENT,), _COMMITMENT_TEXT, _COMMITMENT_SCP),
        Service("Storage commitment", Role.SCU, (STORAGE_COMMITMENT,), _COMMITMENT_SCU_TEXT),
    )
