"""From what a reconstruction process writes to DICOM objects: who made them, from what, and by which method.

Pure but for what it is given: the messages of one run in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.dicom.derived import DerivedInstance, Provenance
from gateway.dicom.mr_image import mr_images
from gateway.jobs.recon_task import (
    Failed,
    MethodChosen,
    Noticed,
    Progressed,
    ScanEnded,
    ScanIdentified,
    StageBegun,
    event_from_json,
)
from gateway.model.errors import NodeFault
from gateway.model.mrd import Image, ScanHeader
from gateway.model.nucleus import with_nucleus
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.messages import Header, Message, Text

# What reconstructions say of their images in the attributes.
_PROFILE = "OrientationProfile"
_PREVIEW = "Preview"
_INCOMPLETE = "Incomplete"
_TRUE = ("true",)
# Of a line from a process that is not trusted.
_LONGEST_NOTICE = 500
_NUCLEUS = "nucleus"
_UNKNOWN = "auto"


class StageWriter(Protocol):
    """Takes the intermediate results of a run."""

    def begin(self, stage: StageBegun) -> None:
        """One follows."""

    def take(self, piece: Image) -> bool:
        """Take the next piece of it; False when nothing is missing, so that `piece` is an image."""


Adjust = Callable[[ScanHeader], ScanHeader]


def _unread(_: str) -> None:
    """Nobody reads notices."""


def _nobody(_: Progressed) -> None:
    """Nobody looks on."""


def unchanged(header: ScanHeader) -> ScanHeader:
    """The header as the scan has it."""
    return header


@dataclass(frozen=True, slots=True)
class Derived:
    """An image and what its objects follow from, except for the number of the run."""

    header: ScanHeader
    image: Image
    provenance: Provenance

    def instances(self) -> Iterator[DerivedInstance]:
        """The objects. Raises MalformedData, Unsupported."""
        return mr_images(self.header, self.image, self.provenance)


@dataclass(slots=True)
class Derivation:
    """Follows one run. `adjust` puts the header right by an administrator's hand before anything is derived;
    `progressed` hears how far it is, `stages` takes intermediate results, `noticed` a
    line that somebody should read.
    """

    software_version: str
    adjust: Adjust = unchanged
    header: ScanHeader | None = None
    method: MethodChosen | None = None
    identity: str = ""
    ended: ScanEnded | None = None
    progressed: Callable[[Progressed], None] = _nobody
    stages: StageWriter | None = None
    noticed: Callable[[str], None] = _unread

    def images(self, messages: Iterable[Message]) -> Iterator[Derived]:
        """The images of the run as they come. Raises what the process reports, NodeFault when it makes no sense."""
        for message in messages:
            if isinstance(message, Image):
                if self.stages is None or not self.stages.take(message):
                    yield self._derived(message)
            elif isinstance(message, Header):
                self.header = self.adjust(parse_header(message.xml))
            elif isinstance(message, Text):
                self._hear(message.text)
            else:
                raise NodeFault(f"the reconstruction process wrote {type(message).__name__}")

    @property
    def parameters(self) -> Mapping[str, str]:
        """Every parameter of the method as text."""
        return {} if self.method is None else self.method.parameters

    def _hear(self, text: str) -> None:
        match event_from_json(text):
            case MethodChosen() as method:
                self.method = method
            case ScanIdentified(identity):
                self.identity = identity
            case ScanEnded() as ended:
                self.ended = ended
            case Progressed() as progress:
                self.progressed(progress)
            case Noticed(notice):
                self.noticed(notice[:_LONGEST_NOTICE])
            case StageBegun() as stage:
                if self.stages is None:
                    raise NodeFault("the reconstruction process wrote an intermediate result that nobody asked for")
                self.stages.begin(stage)
            case Failed() as failed:
                raise failed.error()

    def _named(self, header: ScanHeader) -> ScanHeader:
        """With the nucleus that was asked for, which goes before the header's."""
        nucleus = self.parameters.get(_NUCLEUS, _UNKNOWN)
        return header if nucleus == _UNKNOWN else with_nucleus(header, nucleus)

    def _derived(self, image: Image) -> Derived:
        if self.header is None or self.method is None or not self.identity:
            raise NodeFault("the reconstruction process wrote an image before it said what it is of")
        broken_off = self.ended is not None and bool(self.ended.missing)
        provenance = Provenance(
            scan_identity=self.identity,
            method=self.method.method,
            method_version=self.method.version,
            parameters=self.method.parameters,
            complete=not broken_off and image.attributes.get(_INCOMPLETE) != _TRUE,
            orientation_profile=next(iter(image.attributes.get(_PROFILE, ())), "mrd"),
            software_version=self.software_version,
            preview=image.attributes.get(_PREVIEW) == _TRUE,
        )
        return Derived(self._named(self.header), image, provenance)
