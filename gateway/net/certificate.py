"""What this node has to know of an X.509 certificate and the standard library does not tell (RFC 5280, 4.1).

The DER of a certificate is read as far as its validity, and no further; nothing is verified here.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_CONTEXT_0, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_TIME_FORMATS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
# Of what stands before the validity: serial number, signature algorithm, issuer.
_BEFORE_VALIDITY = 3


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, 64 hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def first_certificate(pem: str) -> bytes:
    """The DER of the first certificate in a PEM file, which is the owner's. Raises ValueError where there is none."""
    begin = pem.find(_BEGIN)
    end = pem.find(_END, begin)
    if begin < 0 or end < 0:
        raise ValueError("no certificate in it")
    return ssl.PEM_cert_to_DER_cert(pem[begin : end + len(_END)])


def not_after(certificate: bytes) -> datetime:
    """The moment from which a certificate in DER is not valid any more. Raises ValueError where it is none."""
    try:
        whole = next(_elements(certificate))[1]
        parts = _elements(next(_elements(whole))[1])
        tag, _ = next(parts)
        skip = _BEFORE_VALIDITY if tag == _CONTEXT_0 else _BEFORE_VALIDITY - 1  # the version is not in every one
        for _ in range(skip):
            next(parts)
        _, (tag, moment) = _elements(next(parts)[1])
        return datetime.strptime(moment.decode("ascii"), _TIME_FORMATS[tag]).replace(tzinfo=UTC)
    except (StopIteration, IndexError, KeyError) as error:
        raise ValueError("no X.509 certificate") from error


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and content of each element of a DER sequence."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        yield tag, data[at : at + length]
        at += length
