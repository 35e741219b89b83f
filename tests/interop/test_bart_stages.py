"""Intermediate results in the hands of BART: it reads the k-space that was written and makes the same image of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.jobs.recon_files import Extras, reconstruct_file
from gateway.jobs.sandbox import Sandbox
from tests.interop.peers import program

pytestmark = pytest.mark.interop


def bart(*arguments: str | Path) -> str:
    command = [program("bart"), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_bart_makes_the_same_image_of_the_kspace_that_was_written(shared_data: Path, tmp_path: Path) -> None:
    stages = tmp_path / "stages"
    sandbox = Sandbox()
    try:
        parameters = {"orientation": "mrd"}
        raw = shared_data / "raw" / "gre_2ch.h5"
        list(reconstruct_file(sandbox, raw, tmp_path, parameters=parameters, extras=Extras(stages=stages)))
    finally:
        sandbox.close()
    kspace, image = (path.with_suffix("") for path in sorted(stages.glob("*.cfl")))
    assert (kspace.name, image.name) == ("0001_kspace_slice_0", "0002_image_slice_0")
    assert bart("show", "-m", kspace).split("AoD:")[1].split()[:5] == ["160", "160", "1", "2", "1"]
    channels, combined, ours = (tmp_path / name for name in ("channels", "combined", "ours"))
    bart("fft", "-i", "-u", "3", kspace, channels)
    bart("rss", "8", channels, combined)
    bart("scale", "1", image, ours)
    assert float(bart("nrmse", combined, ours)) < 1e-5
