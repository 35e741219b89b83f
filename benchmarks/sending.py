"""Senders: new studies for every repeat, and the ways in which they go to a receiver.

Within one repeat every receiver gets the same files, new to each of them. Nothing is deleted while a case runs: on
ext4, creating files costs more for minutes where many were deleted, and that would be measured.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.objects import Shape, write_study
from tests.interop.peers import DicomPeer, Node, storescu
from tests.interop.raw_scu import FileObject, RawScu, read_file

Receiver = Node | DicomPeer


@dataclass
class Studies:
    """`parallel` series of `number` instances each, made anew by `renew`."""

    base: Path
    shape: Shape
    number: int
    parallel: int = 1
    _made: int = 0
    folders: list[Path] = field(default_factory=list)

    @property
    def instances(self) -> int:
        return self.number * self.parallel

    def renew(self) -> None:
        """New files, written out, so that the disk is at rest when the measurement begins."""
        self._made += 1
        self.folders = [self.base / f"study-{self._made}-{each}" for each in range(self.parallel)]
        for folder in self.folders:
            write_study(folder, self.shape, self.number)
        os.sync()

    def objects(self) -> list[FileObject]:
        return [read_file(path) for folder in self.folders for path in sorted(folder.iterdir())]


def port_of(receiver: Receiver) -> int:
    return receiver.dicom_port if isinstance(receiver, Node) else receiver.port


def rate(studies: Studies, receiver: Receiver, *, nagle: bool = False) -> Callable[[], float]:
    """Instances a second over one DCMTK storescu a series, all at the same time."""

    def run() -> float:
        with ThreadPoolExecutor(studies.parallel) as pool:
            begin = time.perf_counter()
            list(pool.map(lambda folder: send_folder(receiver, folder, nagle=nagle), studies.folders))
            return studies.instances / (time.perf_counter() - begin)

    return run


def rate_one_association_each(studies: Studies, receiver: Receiver) -> Callable[[], float]:
    """Instances a second, each over an association of its own, one after the other."""

    def run() -> float:
        items = studies.objects()
        begin = time.perf_counter()
        for item in items:
            with associate(receiver, items) as scu:
                if scu.store(item) != 0:
                    raise RuntimeError("not stored")
        return len(items) / (time.perf_counter() - begin)

    return run


def send_folder(receiver: Receiver, folder: Path, *, nagle: bool = False) -> float:
    """Seconds that one storescu takes."""
    return storescu(port_of(receiver), receiver.ae_title, [folder], nagle=nagle)


def associate(receiver: Receiver, items: Sequence[FileObject]) -> RawScu:
    """An association for these objects."""
    contexts = [(item.sop_class_uid, item.transfer_syntax_uid) for item in items[:1]]
    return RawScu(port_of(receiver), receiver.ae_title, contexts)


class Background:
    """Something that goes on until the block ends."""

    def __init__(self, work: Callable[[threading.Event], None]) -> None:
        self._ending = threading.Event()
        self._thread = threading.Thread(target=work, args=(self._ending,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
