"""Threads share out the work of every method and change no byte of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.recon.pipeline import run
from gateway.recon.resources import Resources
from tests.recon.every_method import METHODS, QUICK, scan_for


@pytest.mark.parametrize("method", METHODS)
def test_one_thread_and_two_give_the_same_bytes(method: str) -> None:
    def pixels(resources: Resources) -> list[bytes]:
        images = run(method, *scan_for(method), {**QUICK.get(method, {}), "outputs": "complex"}, resources)
        return [image.data.tobytes() for image in images]

    with ThreadPoolExecutor(2) as pool:
        assert pixels(Resources()) == pixels(Resources(workers=2, each=pool.map))
