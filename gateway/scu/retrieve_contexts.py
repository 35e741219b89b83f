"""Which presentation contexts a C-GET proposes for what it is to be sent (PS3.4 C.4.3, PS3.8 9.3.2.2).

An acceptor takes one transfer syntax of each context, often its own favourite. So that an object can come bit for bit
as it is kept there, each transfer syntax has a context of its own; as there is room for 128, this is done for the SOP
classes that the study is said to hold, or else for those that hospitals have most of. What the peer could not send by
these is asked for again by the next round: no class is in two of them, so that nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.dicom.sop_classes import STORAGE_SOP_CLASSES, name
from gateway.dicom.transfer_syntaxes import (
    ACCEPTED,
    DEFLATED_LITTLE,
    ENCODED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    JPEG_EXTENDED,
)
from gateway.wire.pdu import MAX_CONTEXTS

Syntaxes = tuple[str, ...]
"""The transfer syntaxes of one context."""
Round = tuple[tuple[str, Syntaxes], ...]
"""The contexts of one association: SOP class and transfer syntaxes."""

UNCOMPRESSED: Syntaxes = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
_COMPRESSED = (JPEG_BASELINE, JPEG_EXTENDED, *ENCODED)
_VIDEO = tuple(uid for uid in ACCEPTED if "MPEG" in name(uid) or "HEVC" in name(uid))
_DOCUMENT = (*UNCOMPRESSED, DEFLATED_LITTLE)
_IMAGE = (*_DOCUMENT, EXPLICIT_BIG, *_COMPRESSED)

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# CT, MR and their enhanced forms, CR, DX, ultrasound with one frame and several, secondary capture.
_FREQUENT = tuple(_STORAGE + uid for uid in ("2", "4", "4.1", "1", "1.1", "6.1", "3.1", "7"))
# Security screening and eddy currents, radiotherapy of the second generation, protocols, waveforms but for ECG, eye
# measurements, structured reports of single specialities: what a hospital's archive has least of.
_RARE = tuple(
    _STORAGE + group
    for group in ("501.", "601.", "481.10", "481.11", "481.12", "481.13", "481.14", "481.15", "481.16", "481.17",
                  "481.18", "481.19", "481.20", "481.21", "481.22", "481.23", "481.24", "481.25", "200.", "9.2", "9.3",
                  "9.4.2", "9.5", "9.6", "9.7", "9.8", "9.100", "77.1.5.", "78.", "79.", "80.", "81.", "82.", "88.68",
                  "88.7", "90.", "91.", "131", "68.", "104.3", "104.4", "104.5")
)  # fmt: skip
_ROOM = MAX_CONTEXTS - 1  # one is that of C-GET itself


def rounds(held: Sequence[str] = ()) -> Iterator[Round]:
    """One association after another, until all is sent; `held` are the SOP classes that are known to be there."""
    first = tuple(dict.fromkeys(held)) or _FREQUENT
    yield from _packed((uid, [(syntax,) for syntax in _syntaxes(uid)]) for uid in first)
    others = [uid for uid, row in STORAGE_SOP_CLASSES.items() if not row.retired and uid not in first]
    others.sort(key=lambda uid: uid.startswith(_RARE))
    yield from _packed((uid, [UNCOMPRESSED, _compressed(uid)]) for uid in others)


def _packed(classes: Iterable[tuple[str, Sequence[Syntaxes]]]) -> Iterator[Round]:
    """As many classes together as fit."""
    room: list[tuple[str, Syntaxes]] = []
    for uid, contexts in classes:
        if len(room) + len(contexts) > _ROOM:
            yield tuple(room)
            room = []
        room += [(uid, syntaxes) for syntaxes in contexts]
    if room:
        yield tuple(room)


def _syntaxes(sop_class_uid: str) -> Syntaxes:
    called = name(sop_class_uid)
    if "Video" in called:
        return (*_IMAGE, *_VIDEO)
    pixels = sop_class_uid not in STORAGE_SOP_CLASSES or "Image" in called or "Segmentation" in called
    return _IMAGE if pixels else _DOCUMENT


def _compressed(sop_class_uid: str) -> Syntaxes:
    """In one context, where the peer has the choice; what a camera records comes as it can come only."""
    return (*_VIDEO, *_COMPRESSED) if "Video" in name(sop_class_uid) else _COMPRESSED
