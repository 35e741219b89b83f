"""The processes that re-encode: what they give back, and what becomes of one that dies, hangs or swells."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pytest

from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG_2000_LOSSLESS, RLE_LOSSLESS
from gateway.model.attention import Look
from gateway.model.errors import Cancelled, LimitExceeded, MalformedData, ShuttingDown, Unsupported
from gateway.reencode.pool import Reencoder, ReencodeSettings
from tests.dicom.pixels.conftest import Shape, compressed, image


@contextmanager
def file_of(data: bytes, *, before: bytes = b"") -> Iterator[BinaryIO]:
    """A file that stands at the first byte of `data`."""
    with TemporaryFile() as file:
        file.write(before + data)
        file.seek(len(before))
        yield cast(BinaryIO, file)


def misbehaving(folder: Path, body: str) -> tuple[str, ...]:
    """A command whose process takes a task and then runs `body`."""
    script = folder / "child.py"
    script.write_text(f"import os, socket, time\nsock = socket.socket(fileno=0)\nsock.recv(4096)\n{body}\n")
    return sys.executable, str(script)


@pytest.mark.parametrize("target", [RLE_LOSSLESS, JPEG_2000_LOSSLESS, IMPLICIT_LITTLE])
def test_a_data_set_behind_a_head(reencoder: Reencoder, target: str) -> None:
    data, _ = image(Shape(12, 16, frames=2))
    with file_of(data, before=b"\0" * 200) as file, reencoder(file, EXPLICIT_LITTLE, target) as result:
        assert result.read() == compressed(data, target)


def test_a_refusal_keeps_its_kind_and_the_process(reencoder: Reencoder) -> None:
    data, _ = image(Shape(32, 32))
    for _ in range(2):
        with file_of(data) as file, pytest.raises(Unsupported, match="32 bits a sample"):
            reencoder(file, EXPLICIT_LITTLE, JPEG_2000_LOSSLESS)
        with file_of(data[:-10]) as file, pytest.raises(MalformedData):
            reencoder(file, EXPLICIT_LITTLE, RLE_LOSSLESS)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("os.abort()", MalformedData),
        ("raise SystemExit(1)", MalformedData),
        ("time.sleep(60)", LimitExceeded),
        ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass", LimitExceeded),
    ],
)
def test_a_process_that_dies_or_hangs_costs_its_object_alone(tmp_path: Path, body: str, fault: type[Exception]) -> None:
    settings = ReencodeSettings(time_s=2.5 if "RLIMIT" in body else 0.5)
    reencoder = Reencoder(tmp_path, settings, misbehaving(tmp_path, body))
    for _ in range(2):
        with file_of(b"") as file, pytest.raises(fault):
            reencoder(file, EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    reencoder.close()
    assert [path.name for path in tmp_path.iterdir()] == ["child.py"]


def test_who_asked_can_end_it(tmp_path: Path) -> None:
    """While it is worked on, and while it waits for its turn."""

    def look() -> None:
        raise Cancelled

    reencoder = Reencoder(tmp_path, ReencodeSettings(processes=1), misbehaving(tmp_path, "time.sleep(60)"))
    begun, stop = threading.Event(), threading.Event()

    def look_until_told() -> None:
        begun.set()
        if stop.is_set():
            raise Cancelled

    def work(look: Look) -> None:
        with file_of(b"") as file, pytest.raises(Cancelled):
            reencoder(file, EXPLICIT_LITTLE, IMPLICIT_LITTLE, look)

    working = threading.Thread(target=work, args=(look_until_told,))
    working.start()
    assert begun.wait(10)
    work(look)
    stop.set()
    working.join(10)
    assert not working.is_alive()
    reencoder.close()


def test_memory_is_limited(tmp_path: Path) -> None:
    data, _ = image(Shape(16, 16, rows=4096, columns=8192))
    reencoder = Reencoder(tmp_path, ReencodeSettings(memory=200 << 20))
    with file_of(data) as file, pytest.raises((LimitExceeded, MalformedData, Unsupported)):
        reencoder(file, EXPLICIT_LITTLE, JPEG_2000_LOSSLESS)
    reencoder.close()


def test_after_the_close_nothing_is_begun() -> None:
    reencoder = Reencoder()
    reencoder.close()
    with file_of(b"") as file, pytest.raises(ShuttingDown):
        reencoder(file, EXPLICIT_LITTLE, IMPLICIT_LITTLE)
