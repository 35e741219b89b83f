"""The digest of what comes, whole and in pieces, and no thread left behind."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from gateway.store import digest
from gateway.store.digest import Digest


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_LARGE", 10_000)
    monkeypatch.setattr(digest, "_BUFFER", 3_000)


def helpers() -> int:
    return sum(thread.name == "digest" for thread in threading.enumerate())


def fill(target: Digest, data: bytes) -> None:
    """In pieces of any length, in a buffer that is used again at once."""
    chance = random.Random(1)
    buffer = bytearray(7_000)
    while data:
        count = min(chance.choice((1, 700, 3_000, 7_000)), len(data))
        buffer[:count] = data[:count]
        target.update(memoryview(buffer)[:count])
        buffer[:count] = bytes(count)
        data = data[count:]


@pytest.mark.parametrize("size", [0, 9_999, 10_000, 16_000, 200_001])
def test_it_is_the_digest_whoever_works_it_out(size: int) -> None:
    data = random.Random(size).randbytes(size)
    target = Digest(b"salt")
    fill(target, data)
    assert helpers() == (size >= 10_000)
    assert target.hexdigest() == hashlib.sha256(b"salt" + data).hexdigest()
    assert helpers() == 0
    assert target.hexdigest() == hashlib.sha256(b"salt" + data).hexdigest(), "asked again"


def test_what_breaks_off_leaves_no_thread() -> None:
    target = Digest(b"")
    fill(target, bytes(50_000))
    target.end()
    assert helpers() == 0


def test_without_a_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    target = Digest(b"")
    fill(target, bytes(50_000))
    assert target.hexdigest() == hashlib.sha256(bytes(50_000)).hexdigest()
