"""`gateway recon`: reconstruction methods, and running one by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.admin.words import counted
from gateway.cli.invocation import assignments, call, home_of
from gateway.cli.output import AsJson, Column, print_json, print_rows, progress_bar, say, warn

if TYPE_CHECKING:
    from gateway.admin.offline import Wish

app = typer.Typer(
    no_args_is_help=True,
    help="Reconstruct raw MRI data.",
    epilog="Example: gateway recon run scan.h5 --method cartesian --out images",
)

METHOD_COLUMNS = (
    Column("name", "METHOD"),
    Column("version", "VERSION"),
    Column("description", "WHAT IT DOES"),
)
PARAMETER_COLUMNS = (
    Column("method", "METHOD"),
    Column("name", "PARAMETER"),
    Column("default", "DEFAULT"),
    Column("range", "VALUES"),
    Column("description", "MEANING"),
)
AUTO_COLUMNS = (Column("kind", "SCAN"), Column("method", "AUTO TAKES"))


@app.command("list")
def list_(
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print tables for a document.")] = False,
) -> None:
    """List the methods, their parameters, and which one `auto` takes for what."""
    from gateway.admin import methods

    if as_markdown:
        say(methods.as_markdown())
        return
    found = methods.catalogue()
    if as_json:
        print_json(found)
        return
    for name, columns in (("methods", METHOD_COLUMNS), ("parameters", PARAMETER_COLUMNS), ("auto", AUTO_COLUMNS)):
        print_rows(found[name], columns)
        say("")


@app.command()
def run(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="FILE|SCAN", help="An MRD file, or the number of a stored scan.")],
    method: Annotated[str, typer.Option(help="Method, or auto.")] = "auto",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Parameter; repeatable.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write DICOM files and PNG previews here, and store nothing.")
    ] = None,
    set_patient: Annotated[
        Path | None, typer.Option("--set-patient", metavar="FILE", help="DICOM file whose patient and study to take.")
    ] = None,
    noise: Annotated[
        Path | None, typer.Option(metavar="FILE", help="MRD file in which the noise of the same coils was measured.")
    ] = None,
    stages: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write intermediate results here, as BART's .cfl files.")
    ] = None,
) -> None:
    """Reconstruct a file or a stored scan.

    With --out the images are written to a folder; without it those of a stored scan are stored, indexed and routed
    like received ones. A file is imported first: gateway import scan.h5.

    Examples: gateway recon run scan.h5 --out images
    - gateway recon run 12 --method cs --set iters=60
    """
    parameters = assignments(set_ or [], "--set")
    if what.isdecimal() and out is None:
        for name, given in (("--set-patient", set_patient), ("--noise", noise), ("--stages", stages)):
            if given is not None:
                raise typer.BadParameter("goes with --out", param_hint=name)
        with progress_bar("reconstructing") as report:
            _conclude(call(ctx, "recon.run", report, scan_id=int(what), method=method, parameters=parameters))
        return
    if out is None:
        raise typer.BadParameter("say where the images go: --out DIR", param_hint="--out")
    from gateway.admin.offline import Wish

    _to_folder(home_of(ctx), what, Wish(method, parameters, set_patient, noise, stages), out)


def _conclude(run: dict[str, Any]) -> None:
    if run["missing"]:
        warn(f"the scan is incomplete: {run['missing']}")
    if run["error"]:
        warn(f"gateway: the reconstruction failed: {run['error']}")
        raise typer.Exit(1)
    say(f"{counted(run['images'], 'image')} by {run['method']} in series {', '.join(run['series_instance_uids'])}")


def _to_folder(home: Path, what: str, wish: Wish, out: Path) -> None:
    from gateway.admin import offline

    raw = offline.stored_scan(home, int(what)) if what.isdecimal() else Path(what)
    for path, hint in ((raw, "FILE"), (wish.noise, "--noise")):
        if path is not None and not path.is_file():
            raise typer.BadParameter(f"no such file: {path}", param_hint=hint)
    notices: list[str] = []
    with progress_bar("reconstructing") as report:
        written = offline.reconstruct(home, raw, wish, out, report, notices.append)
    for notice in notices:
        warn(notice)
    for series in written:
        pictures = ", ".join(str(path) for path in (series.preview, series.contact_sheet) if path is not None)
        say(f"{counted(series.files, 'file')} in {series.folder}; pictures: {pictures}")
    if wish.stages is not None:
        say(f"intermediate results in {wish.stages}")
