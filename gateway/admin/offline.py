"""`gateway recon run --out`: raw data into DICOM files and pictures in a folder; nothing is stored or indexed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway import __version__
from gateway.admin import client
from gateway.admin.logs import configure_for_command
from gateway.admin.preview import middle_of, write_preview
from gateway.admin.progress import Progress, Report
from gateway.admin.way_in import sandbox_settings
from gateway.config import load
from gateway.dicom.derived_identity import identified_as
from gateway.ingest.files import peek_header, read_file_head
from gateway.jobs.derivation import Adjust, unchanged
from gateway.jobs.recon_files import WrittenImage, reconstruct_file
from gateway.jobs.sandbox import Sandbox
from gateway.model.errors import MalformedData, NodeFault, NotFoundError, UsageError
from gateway.model.instance import InstanceHeader
from gateway.model.mrd import Study, Subject

PREVIEW_NAME = "preview.png"


@dataclass(frozen=True, slots=True)
class WrittenSeries:
    """The files of one series, and a picture of the one in the middle."""

    folder: Path
    files: int
    preview: Path


def stored_scan(home: Path, scan_id: int) -> Path:
    """The file of a raw scan in the store. Raises `NotFoundError`."""
    (found,) = client.call(home, "scans.show", {"scan_id": scan_id})
    path = load(home).store.folder_in(home) / str(found["store_key"])
    if not found["store_key"] or not path.is_file():
        raise NotFoundError(f"the data of raw scan {scan_id} is not in the store")
    return path


def reconstruct(
    home: Path,
    raw: Path,
    method: str,
    parameters: dict[str, str],
    out: Path,
    set_patient: Path | None,
    report: Report,
) -> list[WrittenSeries]:
    """Reconstruct a raw file into `out`, a folder a series.

    `set_patient`: a DICOM file whose patient and study the images get. Raises `UsageError`, `MalformedData`,
    `Unsupported`, `LimitHit`, `NodeFault`.
    """
    configure_for_command()
    settings = load(home)
    adjust = unchanged if set_patient is None else _patient_of(set_patient)
    with closing(Sandbox(sandbox_settings(settings))) as sandbox:
        images = reconstruct_file(
            sandbox,
            raw,
            out,
            config=method,
            parameters=parameters,
            aliases=settings.mrd.aliases,
            adjust=adjust,
            software_version=__version__,
        )
        try:
            return [_with_preview(folder, files) for folder, files in _by_folder(images, report).items()]
        except OSError as error:
            raise NodeFault(f"{error.filename or out}: {error.strerror}") from error


def _by_folder(images: Iterable[WrittenImage], report: Report) -> dict[Path, list[Path]]:
    series: dict[Path, list[Path]] = {}
    for done, image in enumerate(images, start=1):
        for file in image.files:
            series.setdefault(file.parent, []).append(file)
        report(Progress(done, None, "images"))
    return series


def _with_preview(folder: Path, files: list[Path]) -> WrittenSeries:
    preview = folder / PREVIEW_NAME
    write_preview(middle_of(files), preview)
    return WrittenSeries(folder, len(files), preview)


def _patient_of(path: Path) -> Adjust:
    """What replaces patient and study of a scan by those of a DICOM file."""
    try:
        with path.open("rb") as file:
            found = peek_header(file, read_file_head(file))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except MalformedData as error:
        raise UsageError(f"{path}: {error}") from error
    return lambda header: identified_as(header, _subject(found), _study(found))


def _subject(found: InstanceHeader) -> Subject:
    return Subject(
        name=found.patient_name,
        id=found.patient_id,
        issuer_of_id=found.issuer_of_patient_id,
        birth_date=found.patient_birth_date,
        sex=found.patient_sex,
    )


def _study(found: InstanceHeader) -> Study:
    return Study(
        date=found.study_date,
        time=found.study_time,
        id=found.study_id,
        accession_number=found.accession_number,
        referring_physician_name=found.referring_physician_name,
        description=found.study_description,
        instance_uid=found.study_instance_uid,
        body_part_examined=found.body_part_examined,
    )
