"""The DICOM conformance statement, written from the tables that the node works by.

PS3.2 annex A for the outline. What the node does beyond the tables (services, status codes, settings) is passed in by
the code that does it, so that the statement cannot drift from the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydicom.charset import python_encoding
from pydicom.datadict import keyword_for_tag

from gateway.dicom.encoding import tag_text
from gateway.dicom.sop_classes import NON_PATIENT_SOP_CLASSES, STORAGE_SOP_CLASSES, name
from gateway.dicom.transfer_syntaxes import ACCEPTED, DECODED, ENCODED, NATIVE, TRANSFER_SYNTAXES
from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"


class Role(StrEnum):
    """Who asks and who answers."""

    SCU = "SCU"
    SCP = "SCP"


@dataclass(frozen=True, slots=True)
class Status:
    """A status code as this node returns it (SCP) or reacts to it (SCU)."""

    code: int
    meaning: str
    behaviour: str


@dataclass(frozen=True, slots=True)
class QueryKey:
    """A key of a query: the level it belongs to, whether it is unique, required or optional, and how it is matched."""

    level: str
    tag: int
    kind: str
    matching: str


@dataclass(frozen=True, slots=True)
class Service:
    """One DIMSE service in one role; `sop_classes` are UIDs, none for all storage SOP classes."""

    name: str
    role: Role
    sop_classes: tuple[str, ...]
    description: str
    statuses: tuple[Status, ...] = ()
    keys: tuple[QueryKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """What the statement says about the program itself.

    `settings`: name → (default, meaning) of what an administrator can change. `tls_port` is None without TLS.
    """

    name: str
    version: str
    ae_title: str
    port: int
    max_pdu: int
    max_associations: int
    services: tuple[Service, ...]
    settings: Mapping[str, tuple[str, str]]
    tls_port: int | None = None


def conformance_statement(product: Product) -> str:
    """The statement as Markdown."""
    sections = (_overview, _introduction, _networking, _services, _presentation_contexts, _configuration, _closing)
    return "\n".join(line for section in sections for line in section(product)).rstrip() + "\n"


def _overview(product: Product) -> Iterator[str]:
    yield f"# DICOM conformance statement: {product.name} {product.version}"
    yield ""
    yield "## 1 Conformance statement overview"
    yield ""
    yield (
        "The node receives composite objects and MRI raw data, reconstructs the raw data to MR images, indexes and"
        " keeps all of them, and forwards objects by rules. Received objects are kept and sent on with their bytes"
        " unchanged."
    )
    yield ""
    yield from _table(
        ("Network service", "Role", "SOP classes"),
        ((service.name, service.role.value, _sop_class_count(service)) for service in product.services),
    )


def _introduction(_: Product) -> Iterator[str]:
    yield "## 2 Introduction"
    yield ""
    yield "Terms are those of the DICOM standard (PS3.1 to PS3.18). UIDs are those of PS3.6, edition 2025c."
    yield ""


def _networking(product: Product) -> Iterator[str]:
    yield "## 3 Networking"
    yield ""
    yield "### 3.1 Implementation model"
    yield ""
    yield (
        "One application entity accepts associations for all services in the SCP role. Objects are acknowledged with"
        " Success after they and their index entry are on durable storage. One sender per destination opens"
        " associations for all services in the SCU role; a destination that fails does not delay others."
    )
    yield ""
    yield "### 3.2 Association policies"
    yield ""
    yield from _table(
        ("Policy", "Value"),
        (
            ("Application context name", APPLICATION_CONTEXT),
            ("Maximum PDU length received", str(product.max_pdu)),
            ("Associations at one time", str(product.max_associations)),
            ("Asynchronous operations window", "1 invoked, 1 performed"),
            ("SCP/SCU role selection", "as requestor SCU; other roles where a service below says so"),
            ("SOP class extended negotiation", "where a service below says so"),
            ("SOP class common extended negotiation", "read, for storage classes that 3.4 does not have"),
            ("Over the limit of associations", "rejected as transient (2,3,2), while ending (2,3,1)"),
            ("Implementation class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation version name", IMPLEMENTATION_VERSION_NAME),
        ),
    )


def _services(product: Product) -> Iterator[str]:
    yield "### 3.3 Application entity specification"
    yield ""
    for number, service in enumerate(product.services, start=1):
        yield f"#### 3.3.{number} {service.name} ({service.role})"
        yield ""
        yield service.description
        yield ""
        if service.sop_classes:
            yield from _table(("SOP class", "UID"), ((name(uid), uid) for uid in service.sop_classes))
        if service.statuses:
            rows = ((f"{status.code:04X}", status.meaning, status.behaviour) for status in service.statuses)
            yield from _table(("Status", "Meaning", "Behaviour"), rows)
        if service.keys:
            keys = (
                (key.level, keyword_for_tag(key.tag), tag_text(key.tag), key.kind, key.matching) for key in service.keys
            )
            yield from _table(("Level", "Key", "Tag", "Kind", "Matching beside universal"), keys)


def _key_row(key: QueryKey) -> tuple[str, ...]:
    return key.level, keyword_for_tag(key.tag), tag_text(key.tag), key.kind, key.matching


def _presentation_contexts(_: Product) -> Iterator[str]:
    yield "### 3.4 Storage SOP classes"
    yield ""
    yield "Accepted as SCP and proposed as SCU, each with every transfer syntax of 3.5."
    yield ""
    yield from _table(
        ("SOP class", "UID", "Retired"),
        ((row.name, row.uid, "yes" if row.retired else "") for row in STORAGE_SOP_CLASSES.values()),
    )
    yield "Accepted likewise, though these objects have no patient, study and series: " + (
        ", ".join(row.name for row in NON_PATIENT_SOP_CLASSES.values()) + "."
    )
    yield ""
    yield "### 3.5 Transfer syntaxes"
    yield ""
    yield (
        "Of those proposed in a presentation context the first is accepted that this table has, and Implicit VR Little"
        " Endian only where nothing else was proposed. Objects are sent in the transfer syntax they came in; for a"
        " destination that does not take it, those that are converted from are also proposed in Explicit and Implicit"
        " VR Little Endian, and on a C-GET association converted to any below that was negotiated. Compression is"
        " lossless always; lossy JPEG is decompressed, in colour to RGB, and Lossy Image Compression stays as it is."
        " Pixels of other than 8, 16 or 32 bits allocated, floating-point pixels and uncompressed YBR_FULL_422 are not"
        " compressed."
    )
    yield ""
    rows = (TRANSFER_SYNTAXES[uid] for uid in ACCEPTED)
    yield from _table(
        ("Transfer syntax", "UID", "Retired", "Converted from", "Converted to"),
        (
            (
                row.name,
                row.uid,
                "yes" if row.retired else "",
                "yes" if row.uid in NATIVE | DECODED else "",
                "yes" if row.uid in NATIVE or row.uid in ENCODED else "",
            )
            for row in rows
        ),
    )


def _configuration(product: Product) -> Iterator[str]:
    yield "### 3.6 Configuration"
    yield ""
    secure = f", and {product.tls_port} for TLS" if product.tls_port is not None else ""
    yield f"The application entity title is `{product.ae_title}`, the port {product.port}{secure}."
    yield ""
    yield from _table(
        ("Setting", "Default", "Meaning"),
        ((f"`{key}`", default, meaning) for key, (default, meaning) in product.settings.items()),
    )


def _closing(_: Product) -> Iterator[str]:
    yield "## 4 Media interchange"
    yield ""
    yield "None as an application profile. DICOM files (PS3.10) are imported and exported by command."
    yield ""
    yield "## 5 Support of character sets"
    yield ""
    yield "Text is read in every character set below, code extensions (ISO 2022) included, and kept as it was sent."
    yield "Derived objects that go beyond ASCII use ISO_IR 192 (UTF-8)."
    yield ""
    yield ", ".join(term for term in python_encoding if term.startswith(("ISO", "GB"))) + "."
    yield ""
    yield "## 6 Security"
    yield ""
    yield (
        "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12), as acceptor on `dicom.tls_port`"
        " where `dicom.tls_cert` is set, as requestor towards peers with `--tls`: TLS 1.3, and TLS 1.2 with ECDHE and"
        " AES-GCM or ChaCha20-Poly1305. Certificates are X.509 with RSA keys of 2048 bits or more, or elliptic curves."
        " Callers show one of an authority in `dicom.tls_ca`, unless `dicom.tls_client_auth` says otherwise. A peer's"
        " certificate carries the host or `--tls-name` of its entry, or has the fingerprint that the entry gives; a"
        " caller whose entry names either and that shows another is rejected (1,1,3). Revocation is not looked up."
    )
    yield ""
    yield (
        "User identity (PS3.7 D.3.3.7): ignored by default, as the Basic User Identity Association Profile (PS3.15 B.4)"
        " allows. With `dicom.user_identity` accept or require, or a peer's `--require-user`, user names and passcodes"
        " are verified; a wrong one is rejected (1,2,1), and so are Kerberos, SAML and JWT where a user has to be named"
        " or a positive response is requested; otherwise the association is accepted without a user."
    )
    yield ""
    yield "## 7 Private and extended SOP classes"
    yield ""
    yield (
        "Storage SOP classes that 3.4 does not have, private ones included, are accepted like those that it has, where"
        " `dicom.accept_unknown` is true."
    )
    yield "Private elements of received objects are kept and sent on."


def _sop_class_count(service: Service) -> str:
    uids: Sequence[str] = service.sop_classes or tuple(STORAGE_SOP_CLASSES)
    return name(uids[0]) if len(uids) == 1 else f"{len(uids)} SOP classes"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
