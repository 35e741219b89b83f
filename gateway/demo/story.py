"""The steps of the demonstration, each checked before the next is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from rich.console import Console

from gateway.demo.pictures import contact_sheet
from gateway.demo.processes import NodeProcess
from gateway.demo.study import SLICES, STUDY_INSTANCE_UID, ct_study
from gateway.dicom.window import windowed
from gateway.model.mrd import Image
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.scan import SimulatedScan, simulate
from gateway.scu.association import Destination
from gateway.scu.mrd import MrdServer, send
from gateway.scu.store import store_all
from gateway.wire.mrd.messages import Text

PATIENCE_SECONDS = 60.0
PROTOCOL = Protocol(slices=3, slice_spacing=18.0, oblique=True, matrix=(224, 192), field_of_view=(240.0, 206.0))
# Noise and the shading that whitening leaves in a root sum of squares cost some percent; a shifted, mirrored or
# unfinished image is below 0.9.
LEAST_CORRELATION = 0.97


class StoryBrokenError(Exception):
    """A step did not hold; the message says which and what was seen instead."""


class Story:
    """A node and a downstream PACS with homes under `homes`; pictures go to `out`."""

    def __init__(self, homes: Path, out: Path, console: Console) -> None:
        self._homes = homes
        self._out = out
        self._console = console
        self._number = 0

    def tell(self) -> None:
        """All steps, from two empty homes to pictures of what the PACS has."""
        quick = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "1", "GATEWAY_LOG__LEVEL": "warning"}
        self._step("Starting a gateway node and, as its downstream PACS, a second node process")
        with (
            NodeProcess(self._homes / "pacs", "PACS", quick) as pacs,
            NodeProcess(self._homes / "node", "GATEWAY", quick) as node,
        ):
            self._say(f"GATEWAY takes DICOM on port {node.dicom_port} and raw data (MRD) on port {node.mrd_port}")
            self._say(f"PACS takes DICOM on port {pacs.dicom_port}")
            self._configure(node, pacs)
            self._send_study(node)
            scan = simulate(PROTOCOL)
            self._stream_scan(node, scan)
            self._forwarded(node, pacs)
            self._pictures(pacs, scan)
            self._healthy(node)
        self._console.print(f"\n[bold green]All of it held.[/] Pictures: {self._out}/")

    def _configure(self, node: NodeProcess, pacs: NodeProcess) -> None:
        self._step("The administrator names the PACS and sets a rule: everything goes there")
        self._run(node, "peers", "add", "pacs", f"PACS@127.0.0.1:{pacs.dicom_port}")
        self._run(node, "peers", "echo", "pacs")
        self._run(node, "rules", "add", "everything", "--send", "pacs")

    def _send_study(self, node: NodeProcess) -> None:
        self._step(f"A CT sends a study of {SLICES} images over C-STORE")
        outcomes = list(store_all(Destination("127.0.0.1", node.dicom_port, node.ae_title, "CT1"), ct_study()))
        self._hold(len(outcomes) == SLICES, f"{SLICES} outcomes", outcomes)
        self._hold(all(outcome.status == 0 for outcome in outcomes), "Success for every image", outcomes)
        self._say("every image was answered with Success: it is on disk and in the index")

    def _stream_scan(self, node: NodeProcess, scan: SimulatedScan) -> None:
        readouts = len(scan.acquisitions)
        self._step(f"An MRI scanner streams a raw scan: {readouts} readouts of {PROTOCOL.coils} coils, with noise")
        begin = time.monotonic()
        answer = list(send(MrdServer(port=node.mrd_port), scan.header_xml, scan.acquisitions))
        images = [message for message in answer if isinstance(message, Image)]
        texts = [message.text for message in answer if isinstance(message, Text)]
        self._hold(len(images) == PROTOCOL.slices, f"{PROTOCOL.slices} images back on the connection", texts)
        self._say(
            f"{len(images)} images came back to the scanner {time.monotonic() - begin:.1f} s after the first byte"
        )
        (entry,) = node.listing("scans", "list")
        self._hold(entry["state"] == "complete", "the raw scan is kept, complete", entry)
        self._say(f"the raw data is kept as it came: {entry['size'] / 1e6:.1f} MB")

    def _forwarded(self, node: NodeProcess, pacs: NodeProcess) -> None:
        self._step("The rule sends both studies on; the PACS is asked what it has")
        expected = SLICES + PROTOCOL.slices
        found = self._wait(lambda: pacs.listing("studies", "list"), lambda studies: _instances(studies) == expected)
        for study in found:
            name = study["study_description"] or "a study"
            self._say(f"PACS has {name}: {', '.join(study['modalities'])}, {study['instances']} images")
        ledger = self._wait(
            lambda: node.listing("deliveries", "list"), lambda lines: all(line["state"] == "sent" for line in lines)
        )
        self._hold(len(ledger) == expected, f"{expected} lines in the ledger of deliveries", ledger)

    def _pictures(self, pacs: NodeProcess, scan: SimulatedScan) -> None:
        self._step("Pictures of what the PACS has, beside the truth that the scan was simulated from")
        for study in pacs.listing("studies", "list"):
            folder = self._homes / "export" / study["study_instance_uid"]
            pacs.command("studies", "export", study["study_instance_uid"], str(folder))
            paths = _in_order(folder)
            if study["study_instance_uid"] == STUDY_INSTANCE_UID:
                captions = [f"slice {n + 1}" for n in range(len(paths))]
                self._picture("ct.png", [windowed(path.read_bytes()) for path in paths], captions)
            else:
                self._compare(paths, scan)

    def _compare(self, paths: Sequence[Path], scan: SimulatedScan) -> None:
        truths = list(scan.truth.reshape(-1, *scan.truth.shape[-2:]))
        pairs = zip(paths, truths, strict=True)
        agreement = [
            float(np.corrcoef(pydicom.dcmread(path).pixel_array.ravel(), b.ravel())[0, 1]) for path, b in pairs
        ]
        ours = [windowed(path.read_bytes()) for path in paths]
        shown = list(_interleaved(ours, [_grey(truth) for truth in truths]))
        captions = [text for n in range(len(paths)) for text in (f"slice {n + 1}: DICOM in the PACS", "truth")]
        self._picture("mr-reconstructed-and-truth.png", shown, captions)
        self._hold(min(agreement) > LEAST_CORRELATION, f"a correlation above {LEAST_CORRELATION}", agreement)
        self._say(f"their correlation with the truth is {min(agreement):.3f} or better")

    def _healthy(self, node: NodeProcess) -> None:
        self._step("The node is asked whether all is well")
        self._run(node, "status")

    def _picture(self, name: str, images: Sequence[NDArray[np.uint8]], captions: Sequence[str]) -> None:
        contact_sheet(images, captions, self._out / name)
        self._say(f"picture: {self._out / name}")

    def _step(self, text: str) -> None:
        self._number += 1
        self._console.print(f"\n[bold]{self._number}. {text}[/]")

    def _say(self, text: str) -> None:
        self._console.print(f"   {text}")

    def _run(self, node: NodeProcess, *arguments: str) -> None:
        self._console.print(f"   [cyan]$ gateway {' '.join(arguments)}[/]")
        for line in node.command(*arguments).splitlines():
            self._say(line)

    def _hold(self, held: bool, what: str, seen: object) -> None:
        if not held:
            raise StoryBrokenError(f"expected {what}; saw {seen}")

    def _wait(self, look: Callable[[], Any], held: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not held(seen := look()):
            if time.monotonic() > deadline:
                raise StoryBrokenError(f"not there after {PATIENCE_SECONDS:.0f} s; seen: {seen}")
            time.sleep(0.3)
        return seen


def _instances(studies: Sequence[dict[str, Any]]) -> int:
    return sum(study["instances"] for study in studies)


def _in_order(folder: Path) -> list[Path]:
    """The files of a study by InstanceNumber."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(paths, key=lambda path: int(pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber))


def _grey(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = np.clip(image / np.quantile(image, 0.995) * 255, 0, 255).astype(np.uint8)
    return grey


def _interleaved(ours: Sequence[NDArray[np.uint8]], truths: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    for image, truth in zip(ours, truths, strict=True):
        yield image
        yield truth
