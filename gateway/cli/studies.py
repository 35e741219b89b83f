"""`gateway studies`: what the index holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import call, confirm, home_of
from gateway.cli.output import AsCsv, AsJson, Column, bytes_text, print_json, print_rows, progress_bar, say, warn
from gateway.model.errors import UsageError

app = typer.Typer(
    no_args_is_help=True,
    help="The studies in the index.",
    epilog='Example: gateway studies list --PatientName "DOE*" --StudyDate 20260101-',
)

COLUMNS = (
    Column("study_date", "DATE"),
    Column("patient_id", "PATIENT ID"),
    Column("patient_name", "NAME"),
    Column("modalities", "MODALITY"),
    Column("study_description", "DESCRIPTION"),
    Column("series", "SERIES"),
    Column("instances", "INSTANCES"),
    Column("study_instance_uid", "STUDY INSTANCE UID"),
)

Uid = Annotated[str, typer.Argument(help="Study, Series or SOP Instance UID.")]
Key = typer.Option
PatientId = Annotated[str | None, Key("--PatientID", metavar="MATCH", help="May hold the wildcards * and ?.")]
PatientName = Annotated[str | None, Key("--PatientName", metavar="MATCH", help="Such as DOE*.")]
StudyDate = Annotated[str | None, Key("--StudyDate", metavar="RANGE", help="20260131, 20260101-20260131 or 20260101-.")]
Accession = Annotated[str | None, Key("--AccessionNumber", metavar="MATCH")]
Modality = Annotated[str | None, Key("--ModalitiesInStudy", metavar="MATCH", help="Such as MR.")]
Description = Annotated[str | None, Key("--StudyDescription", metavar="MATCH")]
StudyUid = Annotated[str | None, Key("--StudyInstanceUID", metavar="UID")]


@app.command("list")
def list_(
    ctx: typer.Context,
    patient_id: PatientId = None,
    patient_name: PatientName = None,
    study_date: StudyDate = None,
    accession_number: Accession = None,
    modalities: Modality = None,
    description: Description = None,
    study_uid: StudyUid = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most studies to list.")] = 1000,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List studies, the newest first; every key that is given must match."""
    keys = {
        "PatientID": patient_id,
        "PatientName": patient_name,
        "StudyDate": study_date,
        "AccessionNumber": accession_number,
        "ModalitiesInStudy": modalities,
        "StudyDescription": description,
        "StudyInstanceUID": study_uid,
    }
    given = {name: value for name, value in keys.items() if value is not None}
    rows = call(ctx, "studies.list", keys=given, limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, as_csv=as_csv, nothing="no study matches" if given else "no studies")
    if len(rows) == limit:
        warn(f"only the first {limit} are listed; --limit lists more")


@app.command()
def show(ctx: typer.Context, uid: Uid, as_json: AsJson = False) -> None:
    """Show a study as a tree, with each stored version of an instance.

    A study that came under several patients is shown under each; in JSON those after the first are its `others`.
    """
    found = call(ctx, "studies.show", uid=uid)
    if as_json:
        print_json(found)
    else:
        for study in (found, *found["others"]):
            say("\n".join(_tree(study)))


@app.command()
def delete(
    ctx: typer.Context,
    uid: Annotated[str | None, typer.Argument(help="Study, Series or SOP Instance UID.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every study in the index.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what has not been delivered yet.")] = False,
) -> None:
    """Delete from the index and the store, for ever.

    Refuses what still waits for a destination; --force gives up those deliveries.
    """
    if (uid is None) != everything:
        raise typer.BadParameter("name one UID, or --all")
    plan = call(ctx, "studies.plan_deletion", uid=uid)
    what = (
        f"{counted(plan['instances'], 'instance')} in {plan['series']} series of "
        f"{counted(plan['studies'], 'study', 'studies')}, "
        f"{bytes_text(plan['size'])}"
    )
    waiting = f", {plan['undelivered']} of them not delivered yet" if plan["undelivered"] else ""
    say(f"This deletes {what}{waiting}.")
    if plan["undelivered"] and not force:
        raise UsageError(
            f"{counted(plan['undelivered'], 'delivery', 'deliveries')} not made yet; --force gives them up"
        )
    confirm("Delete for ever?", yes=yes)
    with progress_bar("deleting") as report:
        done = call(ctx, "studies.delete", report, uid=uid, force=force)
    say(f"deleted {counted(done['instances'], 'instance')}")


@app.command()
def export(
    ctx: typer.Context,
    uid: Uid,
    folder: Annotated[Path, typer.Argument(help="Folder to write to; made when it is missing.")],
) -> None:
    """Write the DICOM files of a study, series or instance, as they came, a folder a series.

    Example: gateway studies export 1.2.826.0.1 ./for-the-conference
    """
    from gateway.admin import export as exporting

    with progress_bar("writing") as report:
        done = exporting.write_files(home_of(ctx), uid, folder.absolute(), report)
    say(f"wrote {counted(done, 'file')} to {folder}")


def _tree(study: dict[str, Any]) -> list[str]:
    lines = [f"study {study['study_instance_uid']}  {_line(study, 'study_date', 'patient_id', 'patient_name')}"]
    for series in study["series"]:
        lines.append(f"  series {series['series_instance_uid']}  {_line(series, 'modality', 'series_description')}")
        for instance in series["instances"]:
            note = "" if instance["current"] else "  (an older version)"
            lines.append(f"    {instance['sop_instance_uid']}  {bytes_text(instance['size'])}{note}")
    return lines


def _line(row: dict[str, Any], *keys: str) -> str:
    return "  ".join(str(row[key]) for key in keys if row[key])
