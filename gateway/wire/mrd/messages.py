"""The messages of an MRD stream: their numbers and those that are not data.

Source: https://ismrmrd.readthedocs.io/en/latest/mrd_messages.html. Acquisitions, images and waveforms are the values
of `gateway.model.mrd` themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from gateway.model.mrd import Acquisition, Image, Waveform


class MessageId(IntEnum):
    """Numbers that this node understands."""

    CONFIG_FILE = 1
    CONFIG_TEXT = 2
    HEADER = 3
    CLOSE = 4
    TEXT = 5
    ACQUISITION = 1008
    IMAGE = 1022
    WAVEFORM = 1026


# Numbers that other programs give a meaning to, to say more than "unknown".
FOREIGN_IDS = {
    6: "QUERY",
    7: "RESPONSE",
    8: "ERROR",
    1018: "DICOM_WITHNAME",
    1030: "NDARRAY",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The name of a configuration that the server has."""

    name: str


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A configuration itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """The XML header, as text."""

    xml: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A line for the other side to read, or JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing follows from this side."""


Message = ConfigFile | ConfigText | Header | Text | Close | Acquisition | Image | Waveform
