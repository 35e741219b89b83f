"""Derived objects on their way through the door, under UIDs that name their pixels and nothing else.

Doing a reconstruction again gives the same UIDs. As long as the pixels are the same too, that is harmless: the door
knows the object. A run whose pixels differ from what is stored under its UIDs takes the next run number, all of its
images together, since a series must not be put together from two runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from gateway.db import instances
from gateway.db.engine import Database
from gateway.dicom.derived import DerivedInstance
from gateway.ingest.door import Door, salt
from gateway.jobs.derivation import Derived
from gateway.model.errors import NodeFault
from gateway.model.instance import Instance, Origin, Source
from gateway.model.mrd import Image
from gateway.store.protocol import ObjectStore
from gateway.wire.mrd.framing import ANSWER
from gateway.wire.mrd.stream import Decoder, encode

# So many runs of one scan with other pixels each time mean a method that is not deterministic.
MAX_RUNS = 100
_CHUNK = 1 << 20


class Journal:
    """The images of a run, to be published again under another number, in a file without a name."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._kept: list[Derived] = []

    def add(self, derived: Derived) -> None:
        """Keep an image; its pixels go to the file."""
        self._file.write(encode(derived.image))
        no_pixels = replace(derived.image, data=derived.image.data[:0])
        self._kept.append(replace(derived, image=no_pixels))

    def __iter__(self) -> Iterator[Derived]:
        self._file.seek(0)
        kept = iter(self._kept)
        decoder = Decoder(ANSWER)
        while chunk := self._file.read(_CHUNK):
            for image in decoder.feed(chunk):
                if isinstance(image, Image):
                    yield replace(next(kept), image=image)


class Publisher:
    """Stores the objects of one run. `journal`: where there were runs before, whose pixels may differ."""

    def __init__(
        self, database: Database, store: ObjectStore, door: Door, source: Source, scan_id: int, journal: Journal | None
    ) -> None:
        self.run = 1
        self.images = 0
        self.series: dict[str, None] = {}  # in the order in which they appeared
        self._database = database
        self._store = store
        self._door = door
        self._source = source
        self._scan_id = scan_id
        self._journal = journal

    def publish(self, derived: Derived) -> None:
        """Store one image, and index it. Raises the faults of the door; MalformedData, Unsupported."""
        if self._journal is not None:
            self._journal.add(derived)
        if not self._publish(derived):
            self._start_over()
        self.images += 1

    def _start_over(self) -> None:
        """Publish all images so far under the first run number under which none of them contradicts."""
        again = self._journal
        if again is None:
            raise NodeFault("other pixels are stored under the UIDs of this reconstruction")
        while self.run < MAX_RUNS:
            self.run += 1
            self.series.clear()
            if all(self._publish(derived) for derived in again):
                return
        raise NodeFault(f"the same reconstruction gave other pixels {MAX_RUNS} times")

    def _publish(self, derived: Derived) -> bool:
        """False when other pixels are stored under one of the UIDs."""
        numbered = replace(derived, provenance=replace(derived.provenance, run=self.run))
        for instance in numbered.instances():
            known = self._known(instance)
            if known is None:
                self._put(instance)
            elif not self._same_pixels(known, instance, derived.image):
                return False
            self.series.setdefault(instance.series_instance_uid)
        return True

    def _known(self, instance: DerivedInstance) -> Instance | None:
        with self._database.read() as conn:
            versions = instances.by_sop_instance_uid(conn, instance.sop_instance_uid, current_only=True)
        return versions[0] if versions else None

    def _same_pixels(self, known: Instance, instance: DerivedInstance, image: Image) -> bool:
        """Pixel data comes last in the objects that this node writes; what stands before may differ by the software."""
        if known.stored.digest == _digest(instance):
            return True
        length = image.data[0, 0].nbytes
        with self._store.open(known.stored.key) as file:
            file.seek(max(known.stored.payload_offset, known.stored.size - length))
            return file.read() == instance.data_set[-length:]

    def _put(self, instance: DerivedInstance) -> None:
        intake = self._door.begin(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            source=self._source,
            origin=Origin.DERIVED,
            scan_id=self._scan_id,
        )
        try:
            intake.write(instance.data_set)
            intake.finish()
        finally:
            intake.discard()


def _digest(instance: DerivedInstance) -> str:
    digest = hashlib.sha256(salt(instance.transfer_syntax_uid))
    digest.update(instance.data_set)
    return digest.hexdigest()
