"""Raw data in a file, without index and store: looked at before an import, or reconstructed into a folder.

Both happen in the sandbox: such a file may come from anybody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.dicom.part10 import file_head
from gateway.ingest.file_kind import media_type_of
from gateway.ingest.scan_files import Inspection, MediaType
from gateway.jobs.derivation import Adjust, Derivation, Derived, unchanged
from gateway.jobs.recon_task import Mode, Progressed, Task
from gateway.jobs.sandbox import Run, Sandbox
from gateway.jobs.stage_files import CflWriter
from gateway.model.errors import MalformedData, NodeFault, Unsupported

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image of a file's reconstruction and the DICOM files that were written for it."""

    derived: Derived
    files: tuple[Path, ...]


def _unread(_: str) -> None:
    """Nobody reads notices."""


def _unheard(_: Progressed) -> None:
    """Nobody looks on."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What may be asked of a reconstruction of a file beside its images.

    `noise` of the same coils from another measurement, as text; `stages`: a folder for intermediate results;
    `progressed` hears of long steps, `noticed` gets lines that somebody should read.
    """

    noise: str = ""
    stages: Path | None = None
    progressed: Callable[[Progressed], None] = _unheard
    noticed: Callable[[str], None] = _unread


_NOTHING_MORE = Extras()


def inspect_file(sandbox: Sandbox, path: Path, media_type: MediaType) -> Inspection:
    """What a file of raw data holds. Raises MalformedData, Unsupported, LimitHit, NodeFault."""
    derivation = Derivation("")
    task = Task(media_type, Mode.INSPECT, memory_limit=sandbox.settings.memory_limit)
    with closing(_started(sandbox, task, path)) as run:
        if any(derivation.images(run.messages())):
            raise NodeFault("the reconstruction process made images of a file that it was to look at")
    if derivation.header is None or derivation.ended is None:
        raise MalformedData("the raw data could not be read")
    ended = derivation.ended
    return Inspection(derivation.header.xml, derivation.identity, ended.readouts, ended.missing, AUTO, ended.noise)


def reconstruct_file(
    sandbox: Sandbox,
    path: Path,
    out: Path,
    *,
    config: str = AUTO,
    parameters: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
    adjust: Adjust = unchanged,
    software_version: str = "",
    extras: Extras = _NOTHING_MORE,
) -> Iterator[WrittenImage]:
    """Reconstruct a file into DICOM files `out`/seriesNN/<SOP Instance UID>.dcm, image by image.

    `adjust` replaces patient and study before anything is derived; `extras`: see there. Raises MalformedData,
    Unsupported, UsageError, LimitHit, NodeFault, OSError.
    """
    media_type = media_type_of(path)
    if media_type is None:
        raise Unsupported(f"{path.name} is neither an HDF5 file nor an MRD stream")
    settings = sandbox.settings
    task = Task(
        media_type=media_type,
        config=config,
        aliases=aliases or {},
        parameters=parameters or {},
        memory_limit=settings.memory_limit,
        workers=settings.threads,
        noise=extras.noise,
        stages=extras.stages is not None,
        prepare=True,
    )
    derivation = Derivation(software_version, adjust, progressed=extras.progressed, noticed=extras.noticed)
    if extras.stages is not None:
        derivation.stages = CflWriter(extras.stages)
    folders: dict[str, Path] = {}
    with closing(_started(sandbox, task, path)) as run:
        for derived in derivation.images(run.messages()):
            yield WrittenImage(derived, tuple(_write(derived, out, folders)))


def _write(derived: Derived, out: Path, folders: dict[str, Path]) -> Iterator[Path]:
    """The objects of one image; `folders` gives each series its own."""
    for instance in derived.instances():
        series = instance.series_instance_uid
        folder = folders.setdefault(series, out / f"series{len(folders) + 1:02d}")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{instance.sop_instance_uid}.dcm"
        head = file_head(
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            calling_aet="",
            called_aet="",
        )
        path.write_bytes(head + instance.data_set)
        yield path


def _started(sandbox: Sandbox, task: Task, path: Path) -> Run:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return sandbox.start(task, descriptor)
    finally:
        os.close(descriptor)
