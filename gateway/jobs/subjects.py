"""DICOM instances and raw scans as routing rules see them, made from what the index and files hold."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import cached_property

from gateway.db.routed import Candidate
from gateway.dicom.values import Header
from gateway.model.errors import GatewayError, MalformedData
from gateway.model.instance import Origin, Source
from gateway.model.work import RawScan
from gateway.routing.keys import Realm, realm_of
from gateway.routing.scan_subject import ScanSubject
from gateway.routing.subject import Subject, provenance
from gateway.wire.mrd.header import parse_header


class InstanceSubject:
    """The values of one DICOM instance; the header is read when the first DICOM keyword is asked for."""

    def __init__(self, header: Callable[[], bytes], transfer_syntax_uid: str, source: Source, origin: Origin) -> None:
        self._bytes = header
        self._transfer_syntax_uid = transfer_syntax_uid
        self._provenance = provenance(source, origin)

    def values(self, key: str) -> tuple[str, ...] | None:
        if key in self._provenance:
            return self._provenance[key]
        return self._header.values(key) if realm_of(key) is Realm.DICOM else None

    @cached_property
    def _header(self) -> Header:
        return Header(self._bytes(), self._transfer_syntax_uid)


class UnreadableScan:
    """A raw scan whose header says nothing: rules that ask for it cannot be evaluated."""

    def __init__(self, why: GatewayError, source: Source, origin: Origin) -> None:
        self._why = why
        self._provenance = provenance(source, origin)

    def values(self, key: str) -> tuple[str, ...] | None:
        if realm_of(key) is Realm.MRD:
            raise MalformedData(f"the MRD header cannot be read: {self._why}")
        return self._provenance.get(key)


def of_candidate(candidate: Candidate) -> Subject:
    """An instance of the index."""
    return InstanceSubject(candidate.header, candidate.header_transfer_syntax_uid, candidate.source, candidate.origin)


def of_scan(scan: RawScan) -> Subject:
    """A raw scan of the index; what came from an address was received, everything else imported."""
    address = _address(scan.source)
    source, origin = Source(address=address), Origin.RECEIVED if address else Origin.IMPORTED
    return of_mrd_header(scan.header_xml, source, origin)


def of_mrd_header(xml: bytes | str, source: Source, origin: Origin) -> Subject:
    """A raw scan by the XML of its header."""
    try:
        return ScanSubject(parse_header(xml), source, origin)
    except GatewayError as error:
        return UnreadableScan(error, source, origin)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
