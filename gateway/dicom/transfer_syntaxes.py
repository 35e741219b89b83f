"""Transfer syntaxes and how each encodes a data set.

PS3.5 section 10 and annex A, PS3.6 table A-1, edition 2025c. This node keeps what arrives as it arrived, so it takes
every transfer syntax in which a data set can be sent; what it re-encodes, for a peer that takes no other, is `NATIVE`,
`DECODED` and `ENCODED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.model.errors import Unsupported

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_SPECTRAL = "1.2.840.10008.1.2.4.53"
JPEG_PROGRESSIVE = "1.2.840.10008.1.2.4.55"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG})
"""Uncompressed pixels."""

ENCODED: tuple[str, ...] = (
    RLE_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_2000_LOSSLESS,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_LS_NEAR_LOSSLESS,
    JPEG_2000,
    HTJ2K,
)
"""To which pixels are compressed, losslessly, in the order of preference: what old equipment reads comes first."""

DECODED = frozenset({*ENCODED, JPEG_BASELINE, JPEG_EXTENDED, JPEG_SPECTRAL, JPEG_PROGRESSIVE})
"""From which pixels are decompressed."""


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """A row of PS3.6 table A-1.

    `explicit`: explicit VR. `big_endian`: PS3.5 7.3. `deflated`: the whole data set is a raw deflate stream (PS3.5
    A.5). `encapsulated`: the top-level Pixel Data is a sequence of fragments (PS3.5 A.4). `data_set` is False where
    no DIMSE data set is encoded so: DICOM-RTV flows, the retired MIME and XML forms, and Papyrus, a file format.
    """

    uid: str
    name: str
    explicit: bool = True
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool = False
    retired: bool = False
    data_set: bool = True


_NATIVE = (
    TransferSyntax(IMPLICIT_LITTLE, "Implicit VR Little Endian", explicit=False),
    TransferSyntax(EXPLICIT_LITTLE, "Explicit VR Little Endian"),
    TransferSyntax(DEFLATED_LITTLE, "Deflated Explicit VR Little Endian", deflated=True),
    TransferSyntax(EXPLICIT_BIG, "Explicit VR Big Endian", big_endian=True, retired=True),
)

_ENCAPSULATED = (
    ("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian"),
    (JPEG_BASELINE, "JPEG Baseline (Process 1)"),
    (JPEG_EXTENDED, "JPEG Extended (Process 2 and 4)"),
    (JPEG_LOSSLESS, "JPEG Lossless, Non-Hierarchical (Process 14)"),
    (
        JPEG_LOSSLESS_SV1,
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
    ),
    (JPEG_LS, "JPEG-LS Lossless Image Compression"),
    (JPEG_LS_NEAR_LOSSLESS, "JPEG-LS Lossy (Near-Lossless) Image Compression"),
    (JPEG_2000_LOSSLESS, "JPEG 2000 Image Compression (Lossless Only)"),
    (JPEG_2000, "JPEG 2000 Image Compression"),
    ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)"),
    ("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2 Multi-component Image Compression"),
    ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
    ("1.2.840.10008.1.2.4.100.1", "Fragmentable MPEG2 Main Profile / Main Level"),
    ("1.2.840.10008.1.2.4.101", "MPEG2 Main Profile / High Level"),
    ("1.2.840.10008.1.2.4.101.1", "Fragmentable MPEG2 Main Profile / High Level"),
    ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1"),
    ("1.2.840.10008.1.2.4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    ("1.2.840.10008.1.2.4.104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video"),
    ("1.2.840.10008.1.2.4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    ("1.2.840.10008.1.2.4.105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video"),
    ("1.2.840.10008.1.2.4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    ("1.2.840.10008.1.2.4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2"),
    ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile / Level 5.1"),
    ("1.2.840.10008.1.2.4.108", "HEVC/H.265 Main 10 Profile / Level 5.1"),
    ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
    ("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression"),
    ("1.2.840.10008.1.2.4.112", "JPEG XL"),
    (HTJ2K_LOSSLESS, "High-Throughput JPEG 2000 Image Compression (Lossless Only)"),
    (HTJ2K_RPCL, "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)"),
    (HTJ2K, "High-Throughput JPEG 2000 Image Compression"),
    (RLE_LOSSLESS, "RLE Lossless"),
    ("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression"),
)

_ENCAPSULATED_RETIRED = (
    ("1.2.840.10008.1.2.4.52", "JPEG Extended (Process 3 and 5)"),
    (JPEG_SPECTRAL, "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)"),
    ("1.2.840.10008.1.2.4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)"),
    (JPEG_PROGRESSIVE, "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)"),
    ("1.2.840.10008.1.2.4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)"),
    ("1.2.840.10008.1.2.4.58", "JPEG Lossless, Non-Hierarchical (Process 15)"),
    ("1.2.840.10008.1.2.4.59", "JPEG Extended, Hierarchical (Process 16 and 18)"),
    ("1.2.840.10008.1.2.4.60", "JPEG Extended, Hierarchical (Process 17 and 19)"),
    ("1.2.840.10008.1.2.4.61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)"),
    ("1.2.840.10008.1.2.4.62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)"),
    ("1.2.840.10008.1.2.4.63", "JPEG Full Progression, Hierarchical (Process 24 and 26)"),
    ("1.2.840.10008.1.2.4.64", "JPEG Full Progression, Hierarchical (Process 25 and 27)"),
    ("1.2.840.10008.1.2.4.65", "JPEG Lossless, Hierarchical (Process 28)"),
    ("1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical (Process 29)"),
)

_REFERENCED = (
    TransferSyntax("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
    TransferSyntax("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", deflated=True),
    TransferSyntax("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced"),
    TransferSyntax("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", deflated=True),
)

_NO_DATA_SET = (
    TransferSyntax("1.2.840.10008.1.2.6.1", "RFC 2557 MIME encapsulation", retired=True, data_set=False),
    TransferSyntax("1.2.840.10008.1.2.6.2", "XML Encoding", retired=True, data_set=False),
    TransferSyntax("1.2.840.10008.1.2.7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video", data_set=False),
    TransferSyntax("1.2.840.10008.1.2.7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video", data_set=False),
    TransferSyntax("1.2.840.10008.1.2.7.3", "SMPTE ST 2110-30 PCM Digital Audio", data_set=False),
    TransferSyntax(
        "1.2.840.10008.1.20", "Papyrus 3 Implicit VR Little Endian", explicit=False, retired=True, data_set=False
    ),
)

_ROWS = (
    *_NATIVE,
    *(TransferSyntax(uid, name, encapsulated=True) for uid, name in _ENCAPSULATED),
    *(TransferSyntax(uid, name, encapsulated=True, retired=True) for uid, name in _ENCAPSULATED_RETIRED),
    *_REFERENCED,
    *_NO_DATA_SET,
)

TRANSFER_SYNTAXES: Mapping[str, TransferSyntax] = MappingProxyType({row.uid: row for row in _ROWS})

ACCEPTED: tuple[str, ...] = tuple(row.uid for row in _ROWS if row.data_set)
"""Transfer syntaxes that a data set may arrive in, the uncompressed ones first."""


def transfer_syntax(uid: str) -> TransferSyntax:
    """The row for `uid`. Raises `Unsupported` for a UID that encodes no data set or is not in the table."""
    row = TRANSFER_SYNTAXES.get(uid)
    if row is None or not row.data_set:
        raise Unsupported(f"transfer syntax {row.name if row else ascii(uid[:64])} encodes no data set known here")
    return row


def can_transcode(source_uid: str, target_uid: str) -> bool:
    """True where `gateway.dicom.transcode` knows a way; what an object's pixels are like may still forbid it."""
    if source_uid == target_uid:
        return True
    return (source_uid in NATIVE or source_uid in DECODED) and (target_uid in NATIVE or target_uid in ENCODED)
