"""`gateway recon run --out`: raw data into DICOM files and pictures in a folder; nothing is stored or indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gateway import __version__
from gateway.admin import client
from gateway.admin.logs import configure_for_command
from gateway.admin.preview import middle_of, write_contact_sheet, write_preview
from gateway.admin.progress import Progress, Report
from gateway.admin.way_in import sandbox_settings
from gateway.config import load
from gateway.dicom.derived_identity import identified_as
from gateway.ingest.file_kind import media_type_of
from gateway.ingest.files import peek_header, read_file_head
from gateway.ingest.noise import of_coils
from gateway.ingest.scan_files import Inspection
from gateway.jobs.derivation import Adjust, unchanged
from gateway.jobs.recon_files import Extras, WrittenImage, inspect_file, reconstruct_file
from gateway.jobs.sandbox import Sandbox
from gateway.model.errors import MalformedData, NodeFault, NotFoundError, UsageError
from gateway.model.instance import InstanceHeader
from gateway.model.mrd import Study, Subject
from gateway.recon.noise_text import noise_from_text, noise_text
from gateway.wire.mrd.header import parse_header

PREVIEW_NAME = "preview.png"
SHEET_NAME = "contact-sheet.png"


@dataclass(frozen=True, slots=True)
class WrittenSeries:
    """The files of one series, and pictures: of the one in the middle, and of all where there are several."""

    folder: Path
    files: int
    preview: Path
    contact_sheet: Path | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a raw file.

    `set_patient`: a DICOM file whose patient and study the images get. `noise`: a raw file in which the noise of the
    same coils was measured. `stages`: a folder for intermediate results.
    """

    method: str
    parameters: dict[str, str]
    set_patient: Path | None = None
    noise: Path | None = None
    stages: Path | None = None


def stored_scan(home: Path, scan_id: int) -> Path:
    """The file of a raw scan in the store. Raises `NotFoundError`."""
    (found,) = client.call(home, "scans.show", {"scan_id": scan_id})
    path = load(home).store.folder_in(home) / str(found["store_key"])
    if not found["store_key"] or not path.is_file():
        raise NotFoundError(f"the data of raw scan {scan_id} is not in the store")
    return path


def reconstruct(
    home: Path, raw: Path, wish: Wish, out: Path, report: Report, noticed: Callable[[str], None]
) -> list[WrittenSeries]:
    """Reconstruct a raw file into `out`, a folder a series; `noticed` gets what somebody should read.

    Raises `UsageError`, `MalformedData`, `Unsupported`, `LimitHit`, `NodeFault`.
    """
    configure_for_command()
    settings = load(home)
    limits = replace(sandbox_settings(settings, home), spare=wish.noise is not None)
    with closing(Sandbox(limits)) as sandbox:
        images = reconstruct_file(
            sandbox,
            raw,
            out,
            config=wish.method,
            parameters=wish.parameters,
            aliases=settings.mrd.aliases,
            adjust=unchanged if wish.set_patient is None else _patient_of(wish.set_patient),
            software_version=__version__,
            extras=Extras(
                noise="" if wish.noise is None else _noise_of(sandbox, wish.noise, raw),
                stages=wish.stages,
                noticed=noticed,
                progressed=lambda step: report(Progress(step.done, step.total or None, step.what)),
            ),
        )
        try:
            return [_with_pictures(folder, files) for folder, files in _by_folder(images, report).items()]
        except OSError as error:
            raise NodeFault(f"{error.filename or out}: {error.strerror}") from error


def _noise_of(sandbox: Sandbox, noise: Path, raw: Path) -> str:
    """The noise that a file holds, in the order of another's channels. Raises `UsageError` where it does not fit."""
    measured, scan = (_inspected(sandbox, path) for path in (noise, raw))
    if not measured.noise:
        raise UsageError(f"{noise.name}: no noise readouts in it")
    header, wanted = parse_header(measured.header_xml), parse_header(scan.header_xml)
    fitting = of_coils(noise_from_text(measured.noise), header.system.coil_names, wanted.system.coil_names)
    if fitting is None:
        raise UsageError(f"{noise.name}: its coils are not those of {raw.name}")
    return noise_text(fitting)


def _inspected(sandbox: Sandbox, path: Path) -> Inspection:
    media_type = media_type_of(path)
    if media_type is None:
        raise UsageError(f"{path.name} is neither an HDF5 file nor an MRD stream")
    return inspect_file(sandbox, path, media_type)


def _by_folder(images: Iterable[WrittenImage], report: Report) -> dict[Path, list[Path]]:
    series: dict[Path, list[Path]] = {}
    for done, image in enumerate(images, start=1):
        for file in image.files:
            series.setdefault(file.parent, []).append(file)
        report(Progress(done, None, "images"))
    return series


def _with_pictures(folder: Path, files: list[Path]) -> WrittenSeries:
    preview, sheet = folder / PREVIEW_NAME, folder / SHEET_NAME
    write_preview(middle_of(files), preview)
    if len(files) == 1:
        return WrittenSeries(folder, 1, preview)
    write_contact_sheet(files, sheet)
    return WrittenSeries(folder, len(files), preview, sheet)


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
