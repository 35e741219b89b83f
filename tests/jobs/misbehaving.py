"""A reconstruction process with methods that no product has: `python -m tests.jobs.misbehaving PARENT`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from gateway.jobs import recon_child
from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon import registry
from gateway.recon.registry import Method
from gateway.recon.resources import Resources


def _image(value: int) -> Image:
    return Image(
        np.full((1, 1, 8, 8), value, np.float32), field_of_view=(8.0, 8.0, 1.0), attributes={"SnrUnits": ("true",)}
    )


def hog(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Asks for memory until there is none."""
    kept = [np.empty(1 << 22) for _ in range(1 << 16)]
    yield _image(len(kept))


def swell(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Uses memory until there is none."""
    kept = [np.ones(1 << 22) for _ in range(1 << 16)]
    yield _image(len(kept))


def crash(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Dies as by a fault in a library, after an image."""
    yield from (_image(1) for _ in [*readouts][:1])
    os.kill(os.getpid(), signal.SIGSEGV)


def forever(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Never ends."""
    yield from (_image(1) for _ in iter(lambda: time.sleep(60), True))


def raises(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Has a fault of its own, in sight of a patient's values."""
    yield _image(int("Test^Small"))


def nothing(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Makes no image."""
    yield from ()


def prints(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Prints what would spoil the stream."""
    print("hello", flush=True)
    os.write(1, b"\xff" * 100)
    yield _image(1)


def garbage(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Writes to every file that is open."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)
    yield _image(1)


def chance(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Other pixels each time, in the second of two images."""
    assert all(True for _ in readouts)
    yield _image(1)
    yield _image(2 + os.urandom(1)[0])


def settings(readouts: Iterator[Acquisition]) -> Iterator[Image]:
    """Fails when it sees the node's settings."""
    assert not [name for name in os.environ if name.startswith("GATEWAY")]
    yield _image(1)


def _method(function: Callable[[Iterator[Acquisition]], Iterator[Image]]) -> Method:
    def reconstruct(
        header: ScanHeader, readouts: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
    ) -> Iterator[Image]:
        return function(readouts)

    return Method(function.__name__, "1", "", (), reconstruct, lambda header: None)


METHODS = {
    function.__name__: _method(function)
    for function in (hog, swell, crash, forever, raises, nothing, prints, garbage, chance, settings)
}

if __name__ == "__main__":
    registry.methods = lambda: METHODS  # type: ignore[assignment]
    recon_child.main()
    sys.exit(0)
