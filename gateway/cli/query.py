"""`gateway query`: what another PACS has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.invocation import assignments, call
from gateway.cli.output import AsCsv, AsJson, Column, print_rows, progress_bar, warn
from gateway.cli.studies import Accession, Description, Modality, PatientId, PatientName, StudyDate, StudyUid


class LevelName(StrEnum):
    """What each answer is about."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    IMAGE = "image"


_TITLES = {
    "NumberOfPatientRelatedStudies": "STUDIES",
    "NumberOfStudyRelatedSeries": "SERIES",
    "NumberOfStudyRelatedInstances": "INSTANCES",
    "NumberOfSeriesRelatedInstances": "INSTANCES",
}
# What every answer has, and tells nobody anything.
_NOT_SHOWN = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability"})


def register(app: typer.Typer) -> None:
    """Add this command to the top level."""
    app.command()(query)


def query(
    ctx: typer.Context,
    peer: Annotated[str, typer.Argument(metavar="PEER", help="Name of the peer to ask.")],
    level: Annotated[LevelName, typer.Option(help="What each answer is about.")] = LevelName.STUDY,
    patient_id: PatientId = None,
    patient_name: PatientName = None,
    study_date: StudyDate = None,
    accession_number: Accession = None,
    modalities: Modality = None,
    description: Description = None,
    study_uid: StudyUid = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="KEYWORD=VALUE", help="Any other DICOM keyword; repeatable. KEYWORD= only shows it."
        ),
    ] = None,
    fuzzy: Annotated[bool, typer.Option("--fuzzy", help="Also names that sound alike, if the peer can.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most answers to take.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask a peer which patients, studies, series or images it has; Ctrl-C cancels the query there too.

    Example: gateway query pacs --PatientName "DOE*" --StudyDate 20260101-
    """
    named = {
        "PatientID": patient_id,
        "PatientName": patient_name,
        "StudyDate": study_date,
        "AccessionNumber": accession_number,
        "ModalitiesInStudy": modalities,
        "StudyDescription": description,
        "StudyInstanceUID": study_uid,
    }
    keys = {name: value for name, value in named.items() if value is not None} | assignments(key or [], "--key")
    with progress_bar(f"asking {peer}") as report:
        found = call(ctx, "query.run", report, peer=peer, level=level.value, keys=keys, limit=limit, fuzzy=fuzzy)
    rows = found["answers"]
    nothing = f"{peer} has nothing that matches"
    print_rows(rows, _columns(rows), as_json=as_json, as_csv=as_csv, nothing=nothing)
    if not found["complete"]:
        warn(f"only the first {limit} answers are listed; --limit lists more")


def _columns(rows: list[dict[str, str]]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row if name not in _NOT_SHOWN)
    return [Column(name, _TITLES.get(name, name)) for name in names]
