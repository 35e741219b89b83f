"""What rules look at: anything that has values under keys."""

from __future__ import annotations

from typing import Protocol

from gateway.model.instance import Origin, Source


class Subject(Protocol):
    """A DICOM instance or a raw scan."""

    def values(self, key: str) -> tuple[str, ...] | None:
        """The values under a known key as text; None or nothing but empty texts when it has none.

        Raises MalformedData when the object contradicts itself there: then no rule that asks can be evaluated.
        """
        ...


def provenance(source: Source, origin: Origin) -> dict[str, tuple[str, ...]]:
    """The keys that say where an object came from."""
    return {
        "calling_aet": (source.calling_aet,),
        "called_aet": (source.called_aet,),
        "source": (source.address,),
        "origin": (origin.value,),
    }
