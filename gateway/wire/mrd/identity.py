"""Who a raw scan is: a digest that is the same for a live stream, its spool and an HDF5 file of the same scan.

It covers what the header says (not how it is written: programs that pass a scan on write its XML anew) and the first
readouts with their time stamps and noise, which no two scans share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from gateway.model.mrd import Acquisition, ScanHeader
from gateway.wire.mrd.acquisition import encode_acquisition

# The first readouts are often noise, which is as individual as anything; known this early, images can leave while
# the scan runs.
IDENTITY_READOUTS = 16
_FORM = b"mrd scan 1\n"


class IdentityDigest:
    """The identity of a scan as its readouts come; those after the first `IDENTITY_READOUTS` do not change it."""

    def __init__(self, header: ScanHeader) -> None:
        content = asdict(header)
        del content["xml"]
        self._digest = hashlib.sha256(_FORM)
        self._digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
        self.readouts = 0

    @property
    def final(self) -> bool:
        """True when no further readout counts."""
        return self.readouts >= IDENTITY_READOUTS

    def add(self, acquisition: Acquisition) -> None:
        """Take the next readout."""
        if self.final:
            return
        self.readouts += 1
        self._digest.update(b"\n")
        self._digest.update(encode_acquisition(acquisition))

    def hexdigest(self) -> str:
        """SHA-256 (hex) so far."""
        return self._digest.hexdigest()


def scan_identity(header: ScanHeader, acquisitions: Iterable[Acquisition]) -> str:
    """SHA-256 (hex) over the header's content and the first `IDENTITY_READOUTS` of `acquisitions`."""
    digest = IdentityDigest(header)
    for _, acquisition in zip(range(IDENTITY_READOUTS), acquisitions, strict=False):
        digest.add(acquisition)
    return digest.hexdigest()
