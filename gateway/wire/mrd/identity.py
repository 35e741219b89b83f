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


def scan_identity(header: ScanHeader, acquisitions: Iterable[Acquisition]) -> str:
    """SHA-256 (hex) over the header's content and the first `IDENTITY_READOUTS` of `acquisitions`."""
    content = asdict(header)
    del content["xml"]
    digest = hashlib.sha256(_FORM)
    digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
    for _, acquisition in zip(range(IDENTITY_READOUTS), acquisitions, strict=False):
        digest.update(b"\n")
        digest.update(encode_acquisition(acquisition))
    return digest.hexdigest()
