"""What C-STORE needs of the ingest door, so that the listener knows nothing of store or index."""

from __future__ import annotations

from typing import Protocol

from gateway.model.instance import Origin, RecordOutcome, Source


class Intake(Protocol):
    """One data set on its way in. `cut_off`, after `finish`: the element in which the data set ends, else empty."""

    cut_off: str

    def write(self, data: bytes | memoryview) -> None:
        """Take these bytes before returning. Raises OutOfSpace, StoreFault or LimitExceeded."""

    def finish(self) -> RecordOutcome:
        """Return only when the object is durable and in the index.

        Raises OutOfSpace, StoreFault, DatabaseFault, MalformedData, DataSetMismatch, LimitExceeded or Unsupported.
        """

    def discard(self) -> None:
        """Leave no trace; may be called at any time and twice."""


class Door(Protocol):
    """Where objects come in."""

    def begin(
        self,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        source: Source,
        origin: Origin,
    ) -> Intake:
        """Start one object. Raises OutOfSpace."""
